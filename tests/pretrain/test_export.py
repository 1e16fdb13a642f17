"""Exported folders: equal to the model in transformers, whole or not there, without a word of the text."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer
from transformers import ModernBertForMaskedLM as TheirModernBert

from pretrain import export as export_module
from pretrain.export import export
from pretrain.loop import Progress
from pretrain.model_card import CardFacts
from pretrain.start import fitted_shape
from pretrain.train import pretrain
from pretrain.whole_folder import whole_folder
from spacy_bioclinical.encoder.checkpoint import load_masked_lm
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

FILES = {
    *("config.json", "model.safetensors", "pretraining.json", "README.md"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
}
CANARY = "zyxwombat"
MODERNBERT = Path(__file__).parents[3] / "shared" / "tokenizers" / "modernbert"


@pytest.fixture
def model(recipe, tokenizer):
    shape = replace(fitted_shape(recipe.shape, tokenizer), initializer_range=0.2)
    return ModernBertForMaskedLM(shape).init_weights(3).eval()


@pytest.fixture
def write(model, recipe, tokenizer):
    def write(folder, model=model, tokenizer=tokenizer, **more):
        identity = {"recipe": recipe.fingerprint, "seed": 0, "data": "d" * 64, "start": "random"}
        data = {"documents": 3, "pieces": 1234, "data_hash": "d" * 64, **more.pop("data", {})}
        settings = {"card": CardFacts(), **more}
        progress = Progress(12, 5000, {"loss": 6.0}, {"loss": 4.0})
        export(
            model,
            tokenizer,
            folder,
            recipe=recipe,
            identity=identity,
            data=data,
            progress=progress,
            **settings,
        )
        return folder

    return write


def logits(ours, theirs, ids):
    ids_T = torch.tensor(ids)
    with torch.no_grad():
        return ours(ids_T, [len(ids)], ids_T).logits_MV, theirs(ids_T[None]).logits[0]


def test_exported_folder_gives_equal_logits_in_transformers(write, model, tokenizer, make_note, tmp_path):
    folder = write(tmp_path / "encoder")
    theirs = TheirModernBert.from_pretrained(folder, reference_compile=False).eval()
    assert theirs.dtype == torch.float32
    ids = AutoTokenizer.from_pretrained(folder)(make_note(1, 200))["input_ids"]
    assert len(ids) > 200
    ids[5:40:5] = [tokenizer.mask_id] * 7
    found, expected = logits(model, theirs, ids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.1
    again, _ = logits(load_masked_lm(folder).eval(), theirs, ids)
    assert torch.equal(again, found)
    assert {file.name for file in folder.iterdir()} == FILES


def test_local_base_of_stage_1_is_written_out(write, model, tmp_path):
    early = ModernBertForMaskedLM(replace(model.settings, local_rope_theta=-1.0)).init_weights(3).eval()
    folder = write(tmp_path / "encoder", model=early)
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    assert config["local_rope_theta"] == config["global_rope_theta"] == early.settings.global_rope_theta
    found, expected = logits(early, TheirModernBert.from_pretrained(folder).eval(), list(range(6, 90)))
    assert expected.isfinite().all()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_exported_config_has_the_published_values(write, model, tmp_path):
    config = json.loads((write(tmp_path / "encoder") / "config.json").read_text(encoding="utf8"))
    expected = {
        "architectures": ["ModernBertForMaskedLM"],
        "classifier_activation": "gelu",
        "classifier_pooling": "mean",
        "torch_dtype": "float32",
        "max_position_embeddings": 8192,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "attention_dropout": 0.0,
        "vocab_size": model.settings.vocab_size,
    }
    assert {key: config[key] for key in expected} == expected


@pytest.mark.skipif(not MODERNBERT.is_dir(), reason="needs ModernBERT's tokenizer in ../shared/tokenizers")
def test_exported_tokenizer_is_the_published_one(write, tmp_path):
    folder = write(tmp_path / "encoder", tokenizer=PieceTokenizer.from_folder(MODERNBERT))
    ours, theirs = (AutoTokenizer.from_pretrained(path) for path in (folder, MODERNBERT))
    text = "Pt. c/o SOB; BP 120/80 [MASK] on [SEP]\n\n  lisinopril."
    assert ours(text) == theirs(text)
    assert "token_type_ids" not in ours(text)
    assert ours.model_max_length == 8192
    assert type(ours).__name__ == "PreTrainedTokenizerFast"
    assert ours.added_tokens_decoder[ours.mask_token_id].lstrip is True
    ids = (ours.unk_token_id, ours.cls_token_id, ours.sep_token_id, ours.pad_token_id, ours.mask_token_id)
    assert ids == (50280, 50281, 50282, 50283, 50284)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("failing", ["save_folder", "model_card", "rename"])
def test_failed_export_leaves_the_folder_as_it_was(write, model, tmp_path, monkeypatch, failing):
    folder = write(tmp_path / "encoder")
    before = contents(folder)
    other = ModernBertForMaskedLM(model.settings).init_weights(4)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if failing == "rename":
        rename, n_calls = os.rename, []

        def second_fails(*args):
            n_calls.append(args)
            return full() if len(n_calls) == 2 else rename(*args)

        monkeypatch.setattr(os, "rename", second_fails)
    else:
        monkeypatch.setattr(export_module, failing, full)
    with pytest.raises(OSError, match="No space"):
        write(folder, model=other)
    if failing != "rename":
        with pytest.raises(OSError, match="No space"):
            write(tmp_path / "new", model=other)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_new_export_replaces_ours_and_keeps_other_files(write, model, tmp_path):
    folder = write(tmp_path / "encoder")
    (folder / "notes.md").write_text("mine")
    (folder / "curves").mkdir()
    (folder / "curves" / "old.svg").write_text("<svg/>")
    (tmp_path / ".encoder.writing-dead").mkdir()  # a kill in the midst of writing
    other = ModernBertForMaskedLM(model.settings).init_weights(4)
    write(folder, model=other)
    name = "model.embeddings.tok_embeddings.weight"
    assert torch.equal(load_file(folder / "model.safetensors")[name], other.state_dict()[name])
    assert {file.name for file in folder.iterdir()} == {*FILES, "notes.md"}
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
    assert (folder.stat().st_mode & 0o777) == 0o755


def test_folder_behind_a_link_is_written_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as aside:
        (aside / "a").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "new"


def test_no_word_of_the_text_is_in_any_file(recipe, notes_folder, tokenizer_folder, tmp_path, write):
    texts = tmp_path / f"{CANARY}-notes"
    shutil.copytree(notes_folder, texts)
    for number in range(4):
        line = f"Patient {CANARY} came on {number} May. " * 9
        (texts / f"{CANARY}-{number}.txt").write_text(line, encoding="utf8")
    work = tmp_path / "work"
    pretrain(
        *(recipe, [texts], tokenizer_folder, tmp_path / "out"),
        **{"work": work, "is_from_scratch": True, "device": "cpu", "is_quiet": True},
    )
    source = {"name": "notes", "documents": 64, "paths": [str(texts)], "skip_ids": [CANARY]}
    folder = write(tmp_path / "again", data={"sources": [source]}, work=work)
    assert len(list((folder / "curves").iterdir())) >= 3
    files = {**contents(tmp_path / "out"), **{f"again/{k}": v for k, v in contents(folder).items()}}
    assert len(files) > 14
    for name, content in files.items():
        if not name.endswith("tokenizer.json"):
            assert CANARY.encode() not in content.lower(), name
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf8")):
        assert (folder / path).is_file()
