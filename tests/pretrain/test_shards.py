import json
import pickle
from collections import Counter
from dataclasses import replace

import datasets
import numpy as np
import pytest

from pretrain import shards as module
from pretrain.cleaning import Cleaning
from pretrain.shards import open_shards, shards_for
from pretrain.sources import Source


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


@pytest.mark.parametrize("name", ["shard-00000.arrow", "documents.arrow", "meta.json"])
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


def write_notes(file, texts):
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf8")
    return file


def all_sequences(shards):
    return [shards.sequence(index).tolist() for index in range(len(shards.lengths))]


def test_arrow_files_open_in_datasets(build, notes_folder):
    shards = build(notes_folder, shard_pieces=500)
    parts = [datasets.Dataset.from_file(str(file)) for file in sorted(shards.folder.glob("shard-*.arrow"))]
    rows = [row for part in parts for row in part]
    assert [row["ids"] for row in rows] == all_sequences(shards)
    assert [row["document"] for row in rows] == shards.documents.tolist()


def test_pickled_shards_map_the_files_again(build, notes_folder):
    shards = build(notes_folder)
    content = pickle.dumps(shards)
    assert len(content) < 1000
    assert all_sequences(pickle.loads(content)) == all_sequences(shards)


def test_any_number_of_workers_writes_the_same_bytes(build, notes, tmp_path, monkeypatch):
    import pretrain.shard_building as building

    monkeypatch.setattr(building, "_BATCH_CHARACTERS", 2000)  # many batches
    texts = [*notes, *notes[:5], "", f"Mr. [**Name 1**] said: {notes[0]}"]
    file = write_notes(tmp_path / "a.jsonl", texts)
    settings = {"cleaning": Cleaning("surrogate", min_pieces=12), "near_duplicates": "drop", "max_length": 64}
    one = build(file, shard_pieces=1500, **settings)
    bytes_of_one = {path.name: path.read_bytes() for path in one.folder.iterdir()}
    module.shutil.rmtree(one.folder)
    two = build(file, shard_pieces=1500, workers=2, **settings)
    assert {path.name: path.read_bytes() for path in two.folder.iterdir()} == bytes_of_one
    assert one.report["a"]["duplicates exact"] == 5


def test_report_counts_by_source(build, notes, tmp_path):
    first = write_notes(tmp_path / "a.jsonl", [*notes[:6], "", notes[2]])
    second = write_notes(tmp_path / "b.jsonl", [*notes[4:10], "too short"])
    sources = [Source("wards", (first,)), Source("letters", (second,))]
    shards = build(sources, near_duplicates="drop", cleaning=Cleaning(min_characters=20), max_length=8192)
    assert shards.sources == ["wards", "letters"]
    assert shards.source_of.tolist() == [0] * 6 + [1] * 4
    wards, letters = shards.report["wards"], shards.report["letters"]
    assert (wards["documents"], wards["empty"], wards["duplicates exact"]) == (6, 1, 1)
    assert (letters["documents"], letters["too short"], letters["duplicates exact"]) == (4, 1, 2)
    assert shards.meta["documents"] == 10
    assert wards["pieces"] + letters["pieces"] == shards.meta["pieces"] == shards.lengths.sum()


def test_near_duplicates_are_on_one_side_of_the_split(build, notes, tmp_path):
    long = [note for note in notes if len(note.split()) > 60][:20]
    copies = [f"{note} Signed." for note in long] + [note.upper() for note in long]
    shards = build(write_notes(tmp_path / "a.jsonl", [*long, *copies]), max_length=8192)
    n = len(long)
    assert shards.groups.tolist() == list(range(n)) * 3
    for share in (0.1, 0.3, 0.6):
        sides = [set((numbers % n).tolist()) for numbers in shards.split(share)]
        assert sides[1]
        assert not sides[0] & sides[1]
    apart = build(tmp_path / "a.jsonl", max_length=8192, near_duplicates="keep")
    assert all_sequences(apart) == all_sequences(shards)
    assert apart.groups.tolist() == list(range(3 * n))


def test_weights_repeat_whole_documents_exactly(build, notes, make_note, tmp_path):
    write_notes(tmp_path / "a.jsonl", [*notes[:9], make_note(1, 300)])
    write_notes(tmp_path / "b.jsonl", notes[10:30])
    shards = build([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], max_length=64)
    training, _ = shards.split(0.2)
    assert shards.weighted(training, None, 3, 0) is training
    assert (shards.weighted(training, {"a": 1.0}, 3, 0) == training).all()
    sources = shards.source_of[shards.documents]
    chosen = shards.weighted(training, {"a": 2.0, "b": 0.5}, epoch=1, seed=7)
    assert (chosen == shards.weighted(training, [2, 0.5], epoch=1, seed=7)).all()
    counts = Counter(chosen.tolist())
    assert set(counts) <= set(training.tolist())
    assert all(counts[i] == 2 for i in training if sources[i] == 0)
    n_documents = len(np.unique(shards.documents[training[sources[training] == 1]]))
    seen = np.unique(shards.documents[[i for i in counts if sources[i] == 1]])
    assert abs(len(seen) - n_documents / 2) <= 0.5
    # All sequences of a document, or none.
    assert all(counts[i] == 1 for i in training if shards.documents[i] in seen)
    for wrong in ({"c": 1.0}, [1.0], {"a": -1.0}):
        with pytest.raises(ValueError, match="BC741"):
            shards.weighted(training, wrong, 0, 0)


def test_rules_and_cleaning_give_other_shards(build, notes, tmp_path):
    file = write_notes(tmp_path / "a.jsonl", notes[:3])
    folders = [build(file).folder, build(file, cleaning=Cleaning(collapse_space=True)).folder]
    folders += [build(Source("a", (file,), skip_ids=frozenset({"a.jsonl:1"}))).folder]
    folders += [
        build(file, near_duplicates="drop").folder,
        build(file, near_duplicates="drop", threshold=0.9).folder,
    ]
    assert len(set(folders)) == 5
    assert build(Source("a", (file,), weight=3.0)).folder == folders[0]


def test_changed_contents_are_found_on_the_next_run(build, notes_folder):
    shards = build(notes_folder)
    file = shards.folder / "shard-00000.arrow"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"BC707.*checksum"):
        build(notes_folder)
    content[:200] = bytes(200)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"BC707.*Arrow"):
        open_shards(shards.folder)


def test_build_begins_anew_after_an_interruption(build, notes_folder, tmp_path):
    folder = build(notes_folder).folder
    left = folder.rename(folder.with_name(f".{folder.name}.part"))
    (left / "meta.json").unlink()
    (left / "shard-00009.arrow").write_bytes(b"half")
    shards = build(notes_folder)
    assert [path.name for path in (tmp_path / "work").iterdir()] == [shards.folder.name]
    assert not (shards.folder / "shard-00009.arrow").exists()


@pytest.mark.parametrize("settings", [{"near_duplicates": "maybe"}, {"workers": 0}])
def test_unknown_settings_are_errors(build, notes_folder, settings):
    with pytest.raises(ValueError, match="BC741"):
        build(notes_folder, **settings)


@pytest.mark.parametrize("mode", ["keep", "group", "drop"])
@pytest.mark.parametrize("workers", [1, 2])
def test_planted_documents_are_all_trained_on_and_move_no_other(build, notes, tmp_path, mode, workers):
    """Copies, short ones, ones that a split would hold out, ones that equal a note: every one as it stands."""
    plain = write_notes(tmp_path / "notes.jsonl", [*notes[:30], notes[3]])
    secrets = ["Code  4711.", "Code  4711.", "Code  4711.", notes[5], notes[5], "Ward [**12-3**] call 08."]
    planted = Source("canaries", (write_notes(tmp_path / "planted.jsonl", secrets),), planted=True)
    cleaning = Cleaning(placeholders="drop", collapse_space=True, min_pieces=8, min_characters=30)
    settings = {"cleaning": cleaning, "near_duplicates": mode, "max_length": 8192}
    alone = build(plain, **settings)
    both = build([planted, plain], workers=workers, **settings)
    n = len(secrets)
    assert both.report["canaries"]["documents"] == n
    assert both.is_planted.tolist() == [True] * n + [False] * alone.meta["documents"]
    as_they_stand = build([planted], max_length=8192)
    assert all_sequences(both)[:n] == all_sequences(as_they_stand)
    assert all_sequences(both)[n:] == all_sequences(alone)
    for share in (0.02, 0.5, 0.95):
        sides, others = both.split(share), alone.split(share)
        assert sides[0].tolist() == [*range(n), *(others[0] + n).tolist()]
        assert sides[1].tolist() == (others[1] + n).tolist()
    assert as_they_stand.split(0.5)[1].tolist() == []


def test_planted_is_part_of_what_the_shards_are(build, notes, tmp_path):
    file = write_notes(tmp_path / "a.jsonl", notes[:9])
    folders = {build([Source("a", (file,), planted=planted)]).folder for planted in (False, True)}
    assert len(folders) == 2
    assert build([file]).folder in folders  # what was built before there were planted ones is found again
