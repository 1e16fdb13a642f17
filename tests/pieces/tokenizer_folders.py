"""Tiny tokenizers in the exact file layout of each family on the hub, learned from invented text.

Each writer puts the tokenizer's files into a folder (and a minimal config.json where the layout needs one to be
recognised and none is there yet) and returns the size of the vocabulary. Used for tokenizer tests and, with weights
beside them, for whole encoder folders.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXTS = [
    "Discharge Summary\nPatient: Ada Quill, 71 years old, admitted on 03/04/2031 with Chest Pain.",
    "History of Present Illness: She denies fever, nausea or vomiting. Pain radiates to the left arm.",
    "Dr. Orme saw the patient at Quarrytown General Hospital. ECG: sinus rhythm. WBC 7.8, Hgb 12.1.",
    "Assessment: community-acquired Pneumonia, improving on Ceftriaxone and Azithromycin. Oxygen weaned.",
    "The patient doesn't smoke. He drinks 2-3 beers a day and lives alone in Quarrytown with his dog.",
    "Medications: Metoprolol 25 mg p.o. b.i.d., Aspirin 81 mg daily. MRI of the brain: no acute findings.",
    "Follow-up with Dr. Hale in Ophthalmology for Sjögren and Ménière disease; José Núñez is next of kin.",
]
BERT_ROLES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
ASCII = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[]<>/.,;:'-"
_BERT_WORDS = pre_tokenizers.BertPreTokenizer()
# As in the published vocabularies: the specials come after the padding piece and unused ones.
BERT_SPECIALS = ["[PAD]", *(f"[unused{n}]" for n in range(1, 6)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BIGBIRD_SPECIALS = {
    0: "<pad>",
    1: "<s>",
    2: "</s>",
    65: "[CLS]",
    66: "[SEP]",
    67: "[MASK]",
    100: "<unk>",
}


def write_wordpiece_folder(
    folder: Path, *, cased: bool = True, lower_case_trap: bool = False, max_length: int | None = None
) -> int:
    """As BERT, BioBERT and Bio_ClinicalBERT: vocab.txt and tokenizer_config.json, no tokenizer.json.

    lower_case_trap: leave tokenizer_config.json out, as Bio_ClinicalBERT does; transformers then lower-cases
        and knows no length, whatever the vocabulary.
    """
    # Not learned by a trainer: WordPiece's breaks ties by chance, and a fixture is the same in every run.
    normalizer = normalizers.BertNormalizer(lowercase=not cased)
    words = [
        word for text in TEXTS for word, _ in _BERT_WORDS.pre_tokenize_str(normalizer.normalize_str(text))
    ]
    letters = sorted(set("".join(words)) | set(ASCII if cased else ASCII.lower()))
    endings = sorted({f"##{word[-3:]}" for word in words if len(word) > 5})
    frequent = [word for index, word in enumerate(words) if index % 2 == 0 or words.count(word) > 1]
    vocabulary = [*BERT_SPECIALS, *letters, *(f"##{letter}" for letter in letters), *endings, *frequent]
    vocabulary = list(dict.fromkeys(vocabulary))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    if not lower_case_trap:
        config: dict[str, Any] = {"do_lower_case": not cased}
        if max_length is not None:
            config["model_max_length"] = max_length
        _write_json(folder / "tokenizer_config.json", config)
    _recognise(folder, "bert")
    return len(vocabulary)


def write_roberta_tokenizer_folder(folder: Path, *, max_length: int | None = 512) -> int:
    """As RoBERTa, BioMed-RoBERTa and Clinical-Longformer: vocab.json and merges.txt, no tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(TEXTS), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(folder))  # vocab.json, merges.txt
    vocabulary = [*_in_order(tokenizer.get_vocab()), "<mask>"]  # the mask comes last
    _write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(vocabulary)})
    if max_length is not None:
        _write_json(folder / "tokenizer_config.json", {"model_max_length": max_length})
    _recognise(folder, "roberta")
    return len(vocabulary)


def write_bigbird_tokenizer_folder(folder: Path, max_length: int = 4096) -> int:
    """As BigBird with a fast tokenizer: a SentencePiece (Unigram) vocabulary in tokenizer.json, ids as published."""
    # Not learned by a trainer: Unigram's sums in another order each time. Longer pieces are likelier than letters.
    words = [f"\u2581{word}" for text in TEXTS for word in text.split()]
    letters = sorted(set("".join(words)) | set(ASCII))
    syllables = sorted({word[1:4] for word in words if len(word) > 4} | {word[:3] for word in words})
    learned = iter(
        [
            *((letter, -9.0 - index / 1000) for index, letter in enumerate(letters)),
            *((piece, -8.0 - index / 1000) for index, piece in enumerate(syllables) if len(piece) > 1),
            *((word, -6.0 - index / 1000) for index, word in enumerate(dict.fromkeys(words[::2]))),
        ]
    )
    vocabulary: list[tuple[str, float]] = []
    known = set(BIGBIRD_SPECIALS.values())
    while True:
        if len(vocabulary) in BIGBIRD_SPECIALS:
            vocabulary.append((BIGBIRD_SPECIALS[len(vocabulary)], 0.0))
            continue
        piece = next((piece for piece in learned if piece[0] not in known), None)
        if piece is None:
            break
        known.add(piece[0])
        vocabulary.append(piece)
    assert len(vocabulary) > max(BIGBIRD_SPECIALS)
    fast = Tokenizer(models.Unigram(vocabulary, unk_id=100, byte_fallback=False))
    fast.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    fast.decoder = decoders.Metaspace(prepend_scheme="always")
    fast.add_special_tokens(
        [AddedToken(text, lstrip=text == "[MASK]", special=True) for text in BIGBIRD_SPECIALS.values()]
    )
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 65), ("[SEP]", 66)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    fast.save(str(folder / "tokenizer.json"))
    roles = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    config = {"tokenizer_class": "BigBirdTokenizer", "model_max_length": max_length, **roles}
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(folder / "special_tokens_map.json", roles)
    _recognise(folder, "big_bird")
    return len(vocabulary)


def _repeated(texts: list[str]) -> Iterable[str]:
    return (text for _ in range(4) for text in texts)


def _in_order(vocabulary: dict[str, int]) -> list[str]:
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _recognise(folder: Path, model_type: str) -> None:
    """Let transformers know the family where no config.json says it yet."""
    if not (folder / "config.json").exists():
        _write_json(folder / "config.json", {"model_type": model_type})
