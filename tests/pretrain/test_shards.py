import json
from dataclasses import replace

import numpy as np
import pytest

from pretrain import shards as module
from pretrain.shards import open_shards, shards_for


@pytest.fixture
def build(tokenizer, tmp_path):
    def build(paths, **settings):
        paths = paths if isinstance(paths, list) else [paths]
        settings = {"max_length": 128, "is_quiet": True, **settings}
        return shards_for(paths, settings.pop("tokenizer", tokenizer), tmp_path / "work", **settings)

    return build


def test_sequences_are_the_documents_pieces_wrapped(build, tokenizer, notes, notes_folder):
    shards = build(notes_folder, max_length=8192)
    assert len(shards.lengths) == len(notes) == shards.meta["documents"]
    for index, pieces in enumerate(tokenizer.encode(notes)):
        wrapped = [*tokenizer.prefix_ids, *pieces.ids, *tokenizer.suffix_ids]
        assert shards.sequence(index).tolist() == wrapped
        assert shards.lengths[index] == len(wrapped)
    assert shards.meta["pieces"] == shards.lengths.sum()


def test_long_documents_are_cut_at_lines_without_loss_or_overlap(build, tokenizer, make_note, tmp_path):
    note = make_note(1, 400)
    (tmp_path / "long.txt").write_text(note, encoding="utf8")
    shards = build(tmp_path / "long.txt", max_length=64)
    sequences = [shards.sequence(index) for index in range(len(shards.lengths))]
    assert len(sequences) > 5
    assert shards.meta["cut"] == 1
    assert max(map(len, sequences)) <= 64
    (pieces,) = tokenizer.encode([note])
    assert np.concatenate([s[1:-1] for s in sequences]).tolist() == pieces.ids.tolist()
    starts = np.cumsum([0] + [len(s) - 2 for s in sequences[:-1]])
    at_line = [
        start == 0 or "\n" in note[pieces.ends[start - 1] - 1 : pieces.starts[start]] for start in starts
    ]
    assert np.mean(at_line) > 0.8


def test_many_small_shards_hold_the_same_as_one(build, notes_folder, tmp_path):
    one = build(notes_folder)
    all_of_one = [one.sequence(index).tolist() for index in range(len(one.lengths))]
    module.shutil.rmtree(one.folder)
    many = build(notes_folder, shard_pieces=500)
    assert many.meta["n_shards"] > 5
    assert [many.sequence(index).tolist() for index in range(len(many.lengths))] == all_of_one
    assert (many.documents == one.documents).all()
    with pytest.raises(IndexError):
        many.sequence(len(many.lengths))


def test_second_run_reuses_the_shards(build, notes_folder, monkeypatch):
    first = build(notes_folder)
    monkeypatch.setattr(module, "_build", lambda *_: pytest.fail("built again"))
    assert build(notes_folder).meta == first.meta


def test_other_text_tokenizer_or_length_gives_other_shards(build, notes, tokenizer, tmp_path):
    from pretrain.tokenizer import train_tokenizer

    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": notes[0]}) + "\n", encoding="utf8")
    folders = [build(file).folder, build(file, max_length=99).folder]
    folders.append(build(file, tokenizer=train_tokenizer(notes, vocab_size=300)).folder)
    file.write_text(json.dumps({"text": notes[1]}) + "\n", encoding="utf8")
    folders.append(build(file).folder)
    assert len(set(folders)) == 4


def test_empty_documents_are_counted_and_dropped(build, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n{"text": "cough"}\n{"text": " \\n"}\n', encoding="utf8")
    meta = build(tmp_path / "a.jsonl").meta
    assert (meta["documents"], meta["empty"]) == (1, 2)
    (tmp_path / "b.jsonl").write_text('{"text": ""}\n', encoding="utf8")
    with pytest.raises(ValueError, match="BC706"):
        build(tmp_path / "b.jsonl")


def test_failed_build_leaves_nothing_behind(build, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "cough"}\nnonsense\n', encoding="utf8")
    with pytest.raises(ValueError, match="BC703"):
        build(tmp_path / "a.jsonl")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("name", ["ids-00000.npy", "offsets-00000.npy", "documents.npy", "meta.json"])
def test_damaged_shard_is_an_error(build, notes_folder, name):
    folder = build(notes_folder).folder
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"BC707.*Delete the folder"):
        open_shards(folder)


def test_foreign_ids_are_an_error(build, notes_folder):
    shards = build(notes_folder)
    broken = replace(shards, meta={**shards.meta, "vocab_size": 10})
    with pytest.raises(ValueError, match="BC707"):
        broken.sequence(0)


def test_ids_are_stored_small(build, notes_folder):
    assert build(notes_folder).ids[0].dtype == np.uint16


def test_split_depends_on_each_text_alone(build, notes, tmp_path):
    def held_out_texts(texts):
        file = tmp_path / "a.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf8")
        shards = build(file)
        training, held_out = shards.split(0.2)
        assert sorted([*training, *held_out]) == list(range(len(shards.lengths)))
        documents = shards.documents
        assert not set(documents[training]) & set(documents[held_out])
        return {texts[index] for index in documents[held_out]}

    first = held_out_texts(notes[:50])
    assert 2 <= len(first) <= 20
    # Other texts, another order and copies change nothing for a text.
    both = held_out_texts([*notes[55:], *reversed(notes[:50]), *notes[:10]])
    assert both & set(notes[:50]) == first


@pytest.mark.parametrize("n_notes, n_out", [(1, 0), (2, 1)])
def test_something_is_held_out_of_two_documents(build, notes, tmp_path, n_notes, n_out):
    lines = [json.dumps({"text": text}) + "\n" for text in notes[:n_notes]]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf8")
    shards = build(tmp_path / "a.jsonl", max_length=8192)
    assert len(shards.split(1e-6)[1]) == n_out
    assert len(shards.split(0.999999)[0]) == 1
    assert len(shards.split(0.0)[1]) == 0
