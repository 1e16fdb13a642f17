"""MTSamples, saved by R, becomes one JSONL: rows of one text are one note; real notes come back where they are."""

import json
import lzma
import random
import sys
from pathlib import Path

import pytest

from corpus_scripts.derive import DERIVED
from corpus_scripts.derive_mtsamples import make_mtsamples

pandas = pytest.importorskip("pandas")
rdata = pytest.importorskip("rdata", minversion="1.0", reason="earlier versions cannot write")

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "mtsamples" / "mtsamples_multilabel.jsonl.xz"
COLUMNS = ("note_id", "description", "medical_specialty", "sample_name", "transcription", "keywords")


def frame(rows: list[tuple]) -> "pandas.DataFrame":
    """Rows of number, specialty and text in the published columns; strings as the objects that rdata can write."""
    numbers, labels, texts = zip(*rows)
    columns = (["about"] * len(rows), labels, ["name"] * len(rows), texts, [None] * len(rows))
    strings = {name: pandas.Series(values, dtype=object) for name, values in zip(COLUMNS[1:], columns)}
    kind = object if isinstance(numbers[0], str) else None
    return pandas.DataFrame({COLUMNS[0]: pandas.Series(numbers, dtype=kind), **strings})


def saved(path: Path, rows: list[tuple], compression: str | None = "bzip2") -> Path:
    rdata.write_rda(path, {"dataset_mtsamples": frame(rows)}, compression=compression)
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", None])
def test_rows_of_one_text_become_one_note_with_all_its_specialties(tmp_path, compression):
    rows = [
        (1, " Urology", "Naïve tubules, 5 µm."),
        (2, " Letters", "To whom it may concern."),
        (3, " Autopsy", None),
        (4, " ENT - Otolaryngology", "Naïve tubules, 5 µm.\n"),
        (5, " Urology", "Naïve tubules, 5 µm."),
        (6, "", "Nobody listed this."),
        (7, " Letters", "naïve tubules, 5 µm."),
    ]
    rule = DERIVED["mtsamples/mtsamples_multilabel.jsonl"]
    source = saved(tmp_path / rule.source, rows, compression)
    assert rule.make(source, tmp_path / "out" / "notes.jsonl") == 2
    assert read(tmp_path / "out" / "notes.jsonl") == [
        {"id": "mts1", "text": "Naïve tubules, 5 µm.", "labels": ["ENT - Otolaryngology", "Urology"]},
        {"id": "mts2", "text": "To whom it may concern.", "labels": ["Letters"]},
        {"id": "mts7", "text": "naïve tubules, 5 µm.", "labels": ["Letters"]},
    ]


def test_numbers_saved_as_reals_and_as_strings_are_the_same_ids(tmp_path):
    written = []
    for kind in (int, float, str):
        rows = [(kind(12), "A", "One."), (kind(40), "B", "Two.")]
        make_mtsamples(saved(tmp_path / "m.rda", rows), tmp_path / "m.jsonl")
        written.append([row["id"] for row in read(tmp_path / "m.jsonl")])
    assert written == [["mts12", "mts40"]] * 3


def test_other_files_are_refused_without_their_words(tmp_path):
    whole = saved(
        tmp_path / "whole.rda", [(i, "A", f"Secretname {i}.") for i in range(200)], None
    ).read_bytes()
    (tmp_path / "cut.rda").write_bytes(whole[:-300])
    (tmp_path / "no.rda").write_bytes(b"Secretname is not R")
    rdata.write_rda(
        tmp_path / "other.rda",
        {"x": pandas.DataFrame({"note_id": pandas.Series(["Secretname"], dtype=object)})},
    )
    saved(tmp_path / "twice.rda", [("Secretname", "A", "One."), ("Secretname", "A", "Two.")])
    for name, told in (
        ("cut.rda", "no readable R data"),
        ("no.rda", "no readable R data"),
        ("other.rda", "no data frame with columns note_id, transcription, medical_specialty"),
        ("twice.rda", "row 2 has the note_id of another text"),
    ):
        with pytest.raises(ValueError, match="BC654") as error:
            make_mtsamples(tmp_path / name, tmp_path / "notes.jsonl")
        assert told in str(error.value)
        assert "Secretname" not in str(error.value)
        assert not (tmp_path / "notes.jsonl").exists()


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    source = saved(tmp_path / "m.rda", [(1, "A", "One.")])
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(ValueError, match=r"BC661.*spacy-bioclinical\[corpora\]"):
        make_mtsamples(source, tmp_path / "m.jsonl")


@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/corpora/mtsamples")
def test_the_real_notes_come_back_from_a_frame_of_their_specialties(tmp_path):
    with lzma.open(REAL, "rt", encoding="utf8") as lines:
        notes = [json.loads(line) for line in lines]
    rows = [(int(note["id"][3:]), f" {label}", note["text"]) for note in notes for label in note["labels"]]
    first = {note["id"] for note in notes}
    random.Random(0).shuffle(rows)
    source = saved(tmp_path / "mtsamples.rda", rows)
    assert DERIVED["mtsamples/mtsamples_multilabel.jsonl"].make(source, tmp_path / "notes.jsonl") == 0
    found = sorted(read(tmp_path / "notes.jsonl"), key=lambda note: int(note["id"][3:]))
    assert found == [{key: note[key] for key in ("id", "text", "labels")} for note in notes]
    assert {note["id"] for note in found} == first
