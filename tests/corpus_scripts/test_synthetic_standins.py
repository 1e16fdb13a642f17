"""Stand-ins are what they claim to be: pytest tests/corpus_scripts/test_synthetic_standins.py."""

import csv
import hashlib
import io
import json
import re
from collections import Counter

import pytest
from typer.testing import CliRunner

from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.chemprot_blue import read_chemprot_blue
from corpus_scripts.formats.cos import read_cos
from corpus_scripts.formats.phenotype_mimic import read_phenotype
from corpus_scripts.formats.physionet_deid import read_physionet_deid
from corpus_scripts.synthetic.__main__ import app
from corpus_scripts.synthetic.standin import (
    chemprot_blue,
    cos,
    phenotype_mimic,
    physionet_deid,
    social_history,
)
from corpus_scripts.synthetic.standin.difficulty import Difficulty
from corpus_scripts.synthetic.standin.table import STAND_INS, write_stand_in
from corpus_scripts.tally import Tally

SIZES = {
    "phenotype_mimic": 56,
    "chemprot_blue": 120,
    "physionet_deid": 80,
    "cos": 230,
    "social_history": 120,
}
DIGESTS = {
    "phenotype_mimic": "c4edf761a583",
    "chemprot_blue": "f82ab3021bf9",
    "physionet_deid": "5d930d18e7dd",
    "cos": "186ce34e1676",
    "social_history": "9f4e29c38576",
}
HARD = 0.8
SHORT = (200, 300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standins")
    for name, size in SIZES.items():
        write_stand_in(name, folder / name, size=str(size), seed=0, difficulty=HARD)
    return folder


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def drawn(name, size, difficulty, seed=0):
    """(part, what was drawn, text) of each record."""
    level = Difficulty(difficulty)
    if name == "cos":
        return [(part, used, text.text) for _, part, text, used in cos.make_snippets(size, seed, level)]
    if name == "social_history":
        made = social_history.make_sections(size, seed, level)
        return [(part, used, text.text) for _, part, text, used in made]
    if name == "physionet_deid":
        return [
            (note.part, note.used, note.text.text) for note in physionet_deid.make_notes(size, seed, level)
        ]
    if name == "phenotype_mimic":
        return [
            (note.part, note.used, note.text) for note in phenotype_mimic.make_notes(size, seed, level, SHORT)
        ]
    return [
        (part, row.used, row.sentence)
        for part, count in chemprot_blue.sizes(size).items()
        for row in chemprot_blue.make_rows(part, count, seed, level)
    ]


# --- bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STAND_INS)
def test_standin_same_arguments_same_bytes(tmp_path, folders, name):
    write_stand_in(name, tmp_path / "a", size=str(SIZES[name]), seed=0, difficulty=HARD)
    assert digest(tmp_path / "a") == digest(folders / name)
    write_stand_in(name, tmp_path / "b", size=str(SIZES[name]), seed=1, difficulty=HARD)
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


@pytest.mark.parametrize("name", STAND_INS)
def test_standin_files_are_utf8_with_unix_line_ends(folders, name):
    for path in (folders / name).iterdir():
        data = path.read_bytes()
        assert b"\r" not in data
        assert data.endswith(b"\n")
        data.decode("utf-8")


@pytest.mark.parametrize("name", STAND_INS)
def test_standin_bytes_do_not_change_from_version_to_version(folders, name):
    """Other digests make every score on stand-ins measured so far incomparable: change them on purpose only."""
    whole = hashlib.sha256(json.dumps(digest(folders / name)).encode()).hexdigest()
    assert whole[:12] == DIGESTS[name]


@pytest.mark.parametrize("name", STAND_INS)
def test_standin_record_depends_on_its_number_and_part_only(name):
    small, large = (drawn(name, size, HARD) for size in (60, 90))
    if name == "chemprot_blue":
        for part in ("train", "dev", "test"):
            few, many = ([text for kind, _, text in made if kind == part] for made in (small, large))
            assert many[: len(few)] == few
        return
    same = [(a, b) for a, b in zip(small, large) if a[0] == b[0]]
    assert len(same) > 20
    assert all(a == b for a, b in same)


def test_standin_shorter_second_run_leaves_nothing_of_the_first_and_all_of_others(tmp_path):
    write_stand_in("social_history", tmp_path, size="45")
    (tmp_path / "0099_Consult-mine.txt").write_text("mine")
    write_stand_in("social_history", tmp_path, size="40", seed=2)
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 2 * 40 + 2
    assert "0099_Consult-mine.txt" in names


def test_standin_never_replaces_a_file_that_is_not_its_own(tmp_path):
    (tmp_path / "NOTEEVENTS.csv").write_text("precious")
    with pytest.raises(ValueError, match="BC671"):
        write_stand_in("phenotype_mimic", tmp_path, size="40")
    assert [path.name for path in tmp_path.iterdir()] == ["NOTEEVENTS.csv"]
    assert (tmp_path / "NOTEEVENTS.csv").read_text() == "precious"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"files": ["../other.txt", 3]}'])
def test_standin_with_a_spoilt_manifest_touches_nothing_outside(tmp_path, content):
    (tmp_path / "other.txt").write_text("mine")
    (tmp_path / "cos").mkdir()
    (tmp_path / "cos" / ".stand-in.json").write_text(content)
    write_stand_in("cos", tmp_path / "cos", size="40")
    assert (tmp_path / "other.txt").read_text() == "mine"
    manifest = json.loads((tmp_path / "cos" / ".stand-in.json").read_text())
    assert manifest["files"] == ["snippet1_40.ann", "snippet1_40.txt"]


def test_standin_command_writes_and_refuses(tmp_path):
    run = CliRunner().invoke
    result = run(app, ["stand-in", "cos", "--output", str(tmp_path), "--size", "41", "--difficulty", "1"])
    assert result.exit_code == 0, result.output
    assert "41 snippets" in result.output
    for arguments, code in (
        (["nothing"], "BC622"),
        (["cos", "--size", "many"], "BC622"),
        (["cos", "--size", "39"], "BC670"),
        (["cos", "--difficulty", "1.1"], "BC670"),
    ):
        result = run(app, ["stand-in", *arguments, "--output", str(tmp_path / "no")])
        assert result.exit_code == 1
        assert code in result.output
    assert not (tmp_path / "no").exists()


def test_standin_default_and_paper_sizes():
    assert {name: one.paper for name, one in STAND_INS.items()} == {
        "phenotype_mimic": 2270,
        "chemprot_blue": 19_460 + 11_820 + 16_943,
        "physionet_deid": 2434,
        "cos": 1008,
        "social_history": 364,
    }
    assert chemprot_blue.sizes(48_223) == {"train": 19_460, "dev": 11_820, "test": 16_943}
    assert list(cos.file_names(1008)) == sorted(cos.file_names(1008))
    assert "snippet1001_1008" in cos.file_names(1008)
    for module, size, counts in (
        (phenotype_mimic, 2270, (1589, 227, 454)),
        (physionet_deid, 2434, (1703, 365, 366)),
        (social_history, 364, (254, 55, 55)),
    ):
        parts = Counter(module.parts(size))
        assert (parts["train"], parts["dev"], parts["test"]) == counts
    assert Counter(cos.parts(1008).values()) == {"train": 705, "dev": 151, "test": 152}


# --- formats ----------------------------------------------------------------------------------------------------


def test_phenotype_files_hold_what_readers_must_leave_out(folders):
    rows = list(csv.DictReader(io.StringIO((folders / "phenotype_mimic" / "ACTdb102003.csv").read_text())))
    conflicts = [
        row for row in rows if row["NONE"] == "1" and "1" in [row[n] for n in phenotype_mimic.LABELS]
    ]
    notes = list(csv.DictReader(io.StringIO((folders / "phenotype_mimic" / "NOTEEVENTS.csv").read_text())))
    assert tuple(notes[0]) == phenotype_mimic.COLUMNS
    annotated = {row["ROW_ID"] for row in rows}
    assert conflicts
    assert len(rows) == SIZES["phenotype_mimic"] + len(conflicts)
    assert {note["ROW_ID"] for note in notes} > annotated
    kept = [row["ROW_ID"] for row in rows if row not in conflicts]
    assert kept != [note["ROW_ID"] for note in notes if note["ROW_ID"] in kept]
    assert any('"' in note["TEXT"] for note in notes)
    assert all("\n" in note["TEXT"] for note in notes)
    assert sum("[**" in note["TEXT"] for note in notes) == len(notes)
    assert any(row["NONE"] == "1" for row in rows if row not in conflicts)

    tally = Tally()
    texts = {note["ROW_ID"]: note["TEXT"] for note in notes}
    records = list(read_phenotype(folders / "phenotype_mimic" / "ACTdb102003.csv", tally))
    assert [record.text for record in records] == [texts[row_id] for row_id in kept]
    counts = Counter(label for record in records for label, value in record.labels.items() if value)
    assert set(counts) == set(phenotype_mimic.LABELS)
    assert min(counts.values()) >= 2
    assert sum(len(record.text.split()) for record in records) / len(records) > 1500


def test_chemprot_files_have_all_classes_and_two_hidden_names(folders):
    ids = []
    for part, count in chemprot_blue.sizes(SIZES["chemprot_blue"]).items():
        path = folders / "chemprot_blue" / f"{part}.tsv"
        lines = path.read_text().split("\n")
        assert lines[0] == "index\tsentence\tlabel"
        rows = [line.split("\t") for line in lines[1:-1]]
        assert len(rows) == count
        assert {label for _, _, label in rows} == {"CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9", "false"}
        ids += [index for index, _, _ in rows]
        for _, sentence, _ in rows:
            assert (sentence.count("@CHEMICAL$"), sentence.count("@GENE$")) == (1, 1)
        records = list(read_chemprot_blue(path, Tally()))
        assert [record.text for record in records] == [sentence for _, sentence, _ in rows]
        assert [next(label for label, value in record.labels.items() if value) for record in records] == [
            label for _, _, label in rows
        ]


def test_chemprot_sentence_of_two_pairs_comes_twice_with_other_names_hidden():
    rows = list(chemprot_blue.make_rows("train", 400, 0, Difficulty(1)))
    pairs = list(zip(rows[0::2], rows[1::2]))
    joint = [(a, b) for a, b in pairs if _gene(a) and _gene(b) and "false" not in (a.label, b.label)]
    assert len(joint) > 10
    for first, second in joint:
        assert first.label != second.label
        assert _gene(first) != _gene(second)
        words, others = (set(row.sentence.split()) for row in (first, second))
        assert len(words & others) > 0.5 * len(words)
    assert sum(row.label == "false" and bool(_gene(row)) for row in rows[6:]) > 20
    assert all(a.id.split(".")[0] == b.id.split(".")[0] and a.id != b.id for a, b in pairs)


def _gene(row):
    """The gene that stands there unhidden."""
    return re.findall(r"\b[A-Z]{2,4}\d+", row.sentence)


def test_physionet_files_agree_outside_the_masks(folders):
    texts, results = (
        re.findall(
            r"START_OF_RECORD=(\d+)\|\|\|\|(\d+)\|\|\|\|\n(.*?)\|\|\|\|END_OF_RECORD",
            (folders / "physionet_deid" / name).read_text(),
            re.DOTALL,
        )
        for name in ("id.text", "id.res")
    )
    assert len(texts) == len(results) == SIZES["physionet_deid"]
    assert len({patient for patient, _, _ in texts}) < len(texts)
    for (patient, note, text), (same, number, result) in zip(texts, results):
        assert (patient, note) == (same, number)
        assert "[**" not in text
        shape = "".join(
            re.escape(part) if turn % 2 == 0 else "(.+?)"
            for turn, part in enumerate(re.split(r"\[\*\*(.*?)\*\*\]", result))
        )
        assert re.fullmatch(shape, text, re.DOTALL)
    masks = {
        mask.strip().lower() for _, _, text in results for mask in re.findall(r"\[\*\*(.*?)\*\*\]", text)
    }
    for kind in (
        "name", "e-mail address", "email address", "telephone/fax", "pager number", "age over", "location",
        "hospital", "street address", "unit number", "date range", "month/year", "company", "ward name",
    ):  # fmt: skip
        assert any(kind in mask for mask in masks), kind
    for pattern in (r"", r"\d{4}", r"\d{1,2}-\d{1,2}", r"\d{4}-\d\d-\d\d"):
        assert any(re.fullmatch(pattern, mask) for mask in masks), pattern


def test_physionet_reader_finds_every_mention(folders):
    notes = list(physionet_deid.make_notes(SIZES["physionet_deid"], 0, Difficulty(HARD)))
    records = list(read_physionet_deid(folders / "physionet_deid", Tally()))
    for note, record in zip(notes, records, strict=True):
        assert record.id == f"{note.patient}-{note.note}"
        wanted = [(mark.start, mark.end, mark.label) for mark in note.text.marks]
        begin = record.text.index(note.text.text)
        assert [(s.start - begin, s.end - begin, s.label) for s in record.spans] == wanted
    assert {mark.label for note in notes for mark in note.text.marks} == set(physionet_deid.LABELS)
    assert any("\n" in note.text.text[m.start : m.end] for note in notes for m in note.text.marks)


def test_cos_files_hold_snippets_one_a_line_with_their_mentions(folders):
    folder = folders / "cos"
    assert sorted(path.name for path in folder.glob("*.ann")) == [
        "snippet101_200.ann", "snippet1_100.ann", "snippet201_230.ann",
    ]  # fmt: skip
    made = list(cos.make_snippets(SIZES["cos"], 0, Difficulty(HARD)))
    records = list(read_cos(folder, Tally()))
    for (_, _, snippet, _), record in zip(made, records, strict=True):
        assert record.text == snippet.text
        assert "\n" not in record.text
        assert [(s.start, s.end, s.label) for s in record.spans] == [
            (m.start, m.end, m.label) for m in snippet.marks
        ]
    counts = Counter(mark.label for _, _, snippet, _ in made for mark in snippet.marks)
    assert set(counts) == set(cos.LABELS)
    text = (folder / "snippet1_100.txt").read_text()
    for line in (folder / "snippet1_100.ann").read_text().splitlines():
        if line.startswith("T"):
            _, place, mention = line.split("\t")
            _, start, end = place.split()
            assert text[int(start) : int(end)] == mention
    kinds = Counter(line[0] for line in (folder / "snippet1_100.ann").read_text().splitlines())
    assert set(kinds) == {"T", "A", "R"}


def test_social_history_mentions_nest_cross_and_break_at_line_ends(folders):
    folder = folders / "social_history"
    assert {path.suffix for path in folder.iterdir()} == {".txt", ".ann", ".json"}
    tally = Tally()
    records = list(read_brat(folder, tally))
    assert len(records) == SIZES["social_history"]
    assert {span.label for record in records for span in record.spans} == set(social_history.LABELS)
    assert len(social_history.LABELS) == 26
    assert tally.repaired["fragments_joined"] > 10
    assert not tally.dropped
    nested = crossing = same = 0
    for record in records:
        assert all(span.trimmed(record.text) is span for span in record.spans)
        for a in record.spans:
            for b in record.spans:
                nested += (a.start, -a.end) < (b.start, -b.end) and b.end <= a.end
                same += (a.start, a.end) == (b.start, b.end) and a.label < b.label
                crossing += a.start < b.start < a.end < b.end
    assert nested > 100
    assert same > 100
    assert crossing > 3
    kinds = Counter(line[0] for path in folder.glob("*.ann") for line in path.read_text().splitlines())
    assert set(kinds) == {"T", "A", "E"}


# --- difficulty -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STAND_INS)
@pytest.mark.parametrize("difficulty", [0.5, 1.0])
def test_standin_nothing_of_test_or_dev_is_drawn_in_train(name, difficulty):
    used = {part: set() for part in ("train", "dev", "test")}
    for part, values, _ in drawn(name, 150 if name != "phenotype_mimic" else 60, difficulty):
        used[part] |= values
    assert min(map(len, used.values())) > 20
    assert not used["train"] & used["test"]
    assert not used["train"] & used["dev"]
    assert not used["dev"] & used["test"]


def test_standin_easy_parts_are_alike():
    for name in ("cos", "chemprot_blue"):
        used = {part: set() for part in ("train", "test")}
        for part, values, _ in drawn(name, 400, 0.0):
            used.setdefault(part, set()).update(values)
        assert len(used["test"] - used["train"]) < 0.1 * len(used["test"])
