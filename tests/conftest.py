"""Shared fixtures: invented notes, and tiny encoder folders in the hub's layout, made once for the whole run."""

import json
import os
from pathlib import Path

import hypothesis
import pytest
import spacy
from spacy.util import fix_random_seed
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from spacy_bioclinical.encoder.checkpoint import save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

NOTES = [
    "DISCHARGE SUMMARY\n\nPatient: Ada Quill, 71 years old, was admitted on 03/04/2031 with chest pain.\n"
    "History of Present Illness: She denies fever, nausea or vomiting. Pain radiates to the left arm.\n"
    "Medications:\n  - metoprolol 25 mg p.o. b.i.d.\n  - aspirin 81 mg daily\n\nPlan: follow-up with Dr. Orme.",
    "No acute distress. Lungs clear; heart regular, no murmurs. WBC 7.8, Hgb 12.1, platelets 212.",
    "The patient doesn't smoke. He drinks 2-3 beers/day and lives alone in Quarrytown.",
    "Assessment: community-acquired pneumonia, improving on ceftriaxone/azithromycin.   Oxygen weaned.",
]
# Files that take longest come first, so that no process is left with one of them at the end.
LONGEST = (
    "project/test_project_runs.py",
    "pretrain/test_train_kills.py",
    "cli/test_compose.py",
    "pretrain/test_distributed.py",
    "pretrain/test_clinicalbert_distributed.py",
    "training/test_resume.py",
    "cli/test_suite_run.py",
    "families/test_whole_path.py",
)
# Property tests try the same examples in each run; with FUZZ_EXAMPLES=1000 more of them, and others each time.
hypothesis.settings.register_profile("same", derandomize=True)
if "FUZZ_EXAMPLES" not in os.environ:
    hypothesis.settings.load_profile("same")
SPECIALS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first (with `--no-loadscope-reorder`, as `make test` runs them)."""
    order = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="module", autouse=True)
def fixed_seed_of_file() -> None:
    """The same for what a file makes once, whatever files ran before it."""
    fix_random_seed(0)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Each test starts from the same state of every generator, in whatever order the tests run."""
    fix_random_seed(0)


def write_byte_level_tokenizer(folder: Path, max_length: int = 8192) -> None:
    """A byte-level BPE of ModernBERT's shape: offsets hold the leading space, specials by template."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(NOTES * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(
        zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"), SPECIALS, strict=True)
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        **names,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))


def write_modernbert_folder(folder: Path, context: int = 8192, seed: int = 0, **overrides) -> Path:
    """A tiny ModernBERT with random weights and its tokenizer, as a hub folder."""
    write_byte_level_tokenizer(folder, max_length=context)
    settings = {
        "vocab_size": 704,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "local_attention": 32,
        "max_position_embeddings": context,
        "initializer_range": 0.1,
        "pad_token_id": 3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "cls_token_id": 1,
        "sep_token_id": 2,
    }
    save_folder(
        ModernBertForMaskedLM(ModernBertSettings(**{**settings, **overrides})).init_weights(seed), folder
    )
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """A tiny ModernBERT that reads 8,192 pieces."""
    return write_modernbert_folder(tmp_path_factory.mktemp("encoders") / "modernbert")


@pytest.fixture(scope="session")
def short_encoder_folder(tmp_path_factory):
    """A tiny ModernBERT that reads 64 pieces, so that ordinary notes need several windows."""
    return write_modernbert_folder(tmp_path_factory.mktemp("encoders") / "short", context=64)


@pytest.fixture(scope="session")
def notes():
    """Invented notes."""
    return list(NOTES)


def transformer_pipeline(folder, *, heads=(), initialize=True, **settings):
    """A pipeline with the shared transformer (and heads), initialised from an encoder folder."""
    tokenizer = {"@tokenizers": "spacy-bioclinical.ClinicalTokenizer.v1"}
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})
    component = {key: settings.pop(key) for key in ("max_batch_pieces", "keep_hidden") if key in settings}
    model = {"@architectures": "spacy-bioclinical.PackedTransformer.v1", **settings}
    nlp.add_pipe("bioclinical_transformer", name="transformer", config={"model": model, **component})
    for factory, config in heads:
        nlp.add_pipe(factory, config=config)
    nlp.config["initialize"]["components"]["transformer"] = {
        "encoder_loader": {"@misc": "spacy-bioclinical.EncoderFolder.v1", "name": str(folder)}
    }
    if initialize:
        nlp.initialize()
    return nlp


@pytest.fixture(scope="session")
def make_pipeline():
    """The function `transformer_pipeline`."""
    return transformer_pipeline
