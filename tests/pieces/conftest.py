"""Small tokenizers of the four kinds in use, trained on invented text and written as hub folders."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

LINES = [
    "The patient was admitted with chest pain and shortness of breath.",
    "History of Present Illness: denies fever, nausea or vomiting; doesn't smoke.",
    "Discharge Medications:\n1. metoprolol 25 mg p.o. b.i.d.\n2. aspirin 81 mg daily",
    "Assessment and plan: pneumonia, improving on ceftriaxone/azithromycin. Follow-up in 2 weeks.",
    "She wasn't in acute distress, lungs were clear; WBC 7.8, Hgb 12.1, platelets 212.",
]
BERT_ROLES = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
ROBERTA_ROLES = {
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "bos_token": "<s>",
    "eos_token": "</s>",
}


def write(folder: Path, tokenizer: Tokenizer, roles: dict[str, str], **config) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(roles))
    return folder


def bert_template(tokenizer: Tokenizer):
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )


def write_bpe(folder: Path, **config) -> Path:
    """As ModernBERT: byte-level, NFC, leading spaces inside the offsets, [CLS] A [SEP] by template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = list(BERT_ROLES.values())
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(LINES * 4, trainer)
    tokenizer.post_processor = bert_template(tokenizer)
    return write(folder, tokenizer, BERT_ROLES, **{"model_max_length": 8192, **config})


def write_wordpiece(folder: Path) -> Path:
    """As BERT uncased, with the truncation and padding that sentence encoders leave in tokenizer.json."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = list("abcdefghijklmnopqrstuvwxyz0123456789[]<>/.,;:'-")
    specials = list(BERT_ROLES.values())
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(LINES * 4, trainer)
    tokenizer.post_processor = bert_template(tokenizer)
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    return write(folder, tokenizer, BERT_ROLES, model_max_length=512, tokenizer_class="BertTokenizerFast")


def write_roberta(folder: Path) -> Path:
    """As RoBERTa: byte-level, trimmed offsets, <s> A </s>, length not known."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(LINES * 4, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return write(folder, tokenizer, ROBERTA_ROLES, model_max_length=int(1e30))


def write_unigram(folder: Path) -> Path:
    """As XLM-R: specials are ordinary words of the vocabulary, and a space is put before the text."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<mask>", 0.0)]
    pieces += [(char, -8.0) for char in "abcdefghijklmnopqrstuvwxyz0123456789.,<>/[]\u2581"]
    pieces += [("\u2581patient", -4.0), ("\u2581was", -4.0), ("ain", -5.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return write(folder, tokenizer, ROBERTA_ROLES, model_max_length=512)


WRITERS = {"bpe": write_bpe, "wordpiece": write_wordpiece, "roberta": write_roberta, "unigram": write_unigram}


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tokenizers")
    return {kind: writer(root / kind) for kind, writer in WRITERS.items()}


@pytest.fixture(scope="session")
def tokenizers(folders) -> dict[str, PieceTokenizer]:
    return {kind: PieceTokenizer.from_folder(folder) for kind, folder in folders.items()}


@pytest.fixture(params=list(WRITERS))
def kind(request) -> str:
    return request.param


@pytest.fixture
def tokenizer(kind, tokenizers) -> PieceTokenizer:
    return tokenizers[kind]


@pytest.fixture(scope="session")
def modernbert() -> PieceTokenizer:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "tokenizers" / "modernbert"
    if not folder.is_dir():
        pytest.skip("the ModernBERT tokenizer is not beside the repository (../shared/tokenizers/modernbert)")
    return PieceTokenizer.from_folder(folder)
