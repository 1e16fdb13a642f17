import json
import os
import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from pretrain.tokenizer import sample, train_tokenizer
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

STRANGE = "BP 120/80\n\n\u00c5ngstr\u00f6m \U0001f600 \u0915\u094d\u0937 na\u0131ve\x00\ttab"


def run(*arguments, **environment):
    command = [sys.executable, "-m", "pretrain.tokenizer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def test_folder_loads_with_transformers_and_agrees_with_ours(tokenizer, tokenizer_folder):
    auto = AutoTokenizer.from_pretrained(tokenizer_folder)
    ours = PieceTokenizer.from_folder(tokenizer_folder)
    assert auto.model_max_length == 8192
    assert auto.model_input_names == ["input_ids", "attention_mask"]
    for text in ("Started on metoprolol twice daily.", STRANGE, ""):
        ids = [*ours.prefix_ids, *ours.encode([text])[0].ids.tolist(), *ours.suffix_ids]
        assert auto(text)["input_ids"] == ids
    assert ours.fingerprint == tokenizer.fingerprint


def test_special_pieces_have_modernberts_shape(tokenizer_folder):
    backend = json.loads((tokenizer_folder / "tokenizer.json").read_text(encoding="utf8"))
    assert backend["normalizer"] == {"type": "NFC"}
    assert backend["pre_tokenizer"]["type"] == "ByteLevel"
    assert backend["pre_tokenizer"]["add_prefix_space"] is False
    added = {token["content"]: token for token in backend["added_tokens"]}
    assert set(added) == {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"}
    assert [name for name, token in added.items() if token["lstrip"]] == ["[MASK]"]


def test_every_text_can_be_written(tokenizer):
    (pieces,) = tokenizer.encode([STRANGE])
    unknown = tokenizer.special_ids
    assert not unknown & set(pieces.ids.tolist())
    covered = {i for start, end in zip(pieces.starts, pieces.ends) for i in range(start, end)}
    assert {i for i, char in enumerate(STRANGE) if not char.isspace()} <= covered


def test_same_text_gives_the_same_tokenizer(notes, notes_folder, tmp_path):
    for name, is_parallel in (("one", "false"), ("two", "true")):
        result = run(
            *("--text", notes_folder, "--output", tmp_path / name, "--vocab-size", 400, "--quiet"),
            TOKENIZERS_PARALLELISM=is_parallel,
        )
        assert result.returncode == 0, result.stderr
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_vocabulary_is_as_large_as_asked(notes):
    assert train_tokenizer(notes, vocab_size=300).vocab_size == 300


def test_too_small_a_vocabulary_is_an_error(notes):
    with pytest.raises(ValueError, match=r"BC719.*261"):
        train_tokenizer(notes, vocab_size=260)


def test_sample_is_seeded_and_of_the_right_size():
    texts = [str(number) for number in range(100)]
    assert list(sample(texts, None, 0)) == texts
    one = list(sample(texts, 10, 0))
    assert one == list(sample(texts, 10, 0))
    assert one != list(sample(texts, 10, 1))
    assert len(set(one)) == 10
    assert list(sample(texts, 200, 0)) == texts


def test_sample_is_fair():
    counts = [0] * 20
    for seed in range(600):
        for text in sample(map(str, range(20)), 5, seed):
            counts[int(text)] += 1
    assert min(counts) > 100  # 150 expected
    assert max(counts) < 200


def test_command_says_what_is_wrong(tmp_path):
    result = run("--text", tmp_path / "nothing", "--output", tmp_path / "out")
    assert result.returncode == 1
    assert "BC701" in result.stderr
    assert not (tmp_path / "out").exists()


def test_sources_are_taken_as_in_training_and_other_starts_are_kept(notes, notes_folder, tmp_path):
    canaries = tmp_path / "canaries.jsonl"
    canaries.write_text(json.dumps({"text": "zzqqzzqq " * 50}) + "\n", encoding="utf8")
    own = ("--encoder", tmp_path / "one", "--from-scratch", "--output", tmp_path / "one")
    done = run(f"ward={notes_folder}:2", f"canaries={canaries}:planted", *own, "--vocab-size", 400, "--quiet")
    assert done.returncode == 0, done.stderr
    learnt = PieceTokenizer.from_folder(tmp_path / "one")
    assert learnt.fingerprint == train_tokenizer(notes, vocab_size=400).fingerprint
    # Where training begins elsewhere nothing is read and nothing written.
    done = run("nowhere.txt", "--encoder", tmp_path / "one", "--output", tmp_path / "two")
    assert (done.returncode, "not needed" in done.stdout) == (0, True)
    assert not (tmp_path / "two").exists()
    assert "BC788" in run("--output", tmp_path / "two").stderr
