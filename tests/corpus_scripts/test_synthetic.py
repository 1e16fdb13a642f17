"""Invented corpora are what they claim to be: pytest tests/corpus_scripts/test_synthetic.py."""

import hashlib
import re
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from typer.testing import CliRunner

from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.jsonl import read_jsonl
from corpus_scripts.synthetic import deid, phenotype
from corpus_scripts.synthetic.__main__ import app
from corpus_scripts.synthetic.identities import PARTS, part_of, pool
from corpus_scripts.synthetic.phenotype_evidence import LABELS, PHENOTYPES
from corpus_scripts.synthetic.phi import CLASSES
from corpus_scripts.synthetic.template import Writer
from corpus_scripts.tally import Tally

SHARED = (
    "hospital general medical center memorial community clinic rehabilitation nursing home manor family "
    "practice street avenue road lane drive court terrace"
)
COUNTS = {"train": 12, "dev": 4, "test": 6}


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    ]


@pytest.fixture(scope="module")
def notes():
    return {part: list(deid.make_records(part, 80, 0)) for part in PARTS}


@pytest.fixture(scope="module")
def long_notes():
    return list(phenotype.make_notes("train", 150, 0))


@pytest.mark.parametrize("kind", [deid, phenotype])
def test_synthetic_same_seed_same_bytes(tmp_path, kind):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        kind.write_corpus(tmp_path / name, COUNTS, seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert not set(digest(tmp_path / "a")) & set(digest(tmp_path / "c"))


def test_deid_shorter_second_run_leaves_no_note_of_the_first(tmp_path):
    deid.write_corpus(tmp_path, {"dev": 5}, 0)
    (tmp_path / "dev" / "dev-notes.md").write_text("mine")
    deid.write_corpus(tmp_path, {"dev": 2}, 1)
    assert sorted(path.name for path in (tmp_path / "dev").iterdir()) == [
        "dev-0001.ann", "dev-0001.txt", "dev-0002.ann", "dev-0002.txt", "dev-notes.md",
    ]  # fmt: skip


def test_synthetic_note_does_not_depend_on_how_many_there_are():
    assert list(deid.make_records("dev", 3, 0)) == list(deid.make_records("dev", 9, 0))[:3]


def test_synthetic_commands_write_original_formats(tmp_path):
    options = ["--seed", "2", "--train", "5", "--dev", "2", "--test", "3"]
    for command in ("deid", "phenotype"):
        result = CliRunner().invoke(app, [command, "--output", str(tmp_path / command), *options])
        assert result.exit_code == 0, result.output
    for part, count in (("train", 5), ("dev", 2), ("test", 3)):
        tally = Tally()
        assert len(list(read_brat(tmp_path / "deid" / part, tally))) == count
        assert not tally.repaired
        assert not tally.dropped
        rows = list(read_jsonl(tmp_path / "phenotype" / f"{part}.jsonl"))
        assert len(rows) == count
        assert all(tuple(row.labels or ()) == LABELS and row.spans is None for row in rows)


def test_template_labels_only_the_slots_it_is_told_to():
    writer = Writer(Random(0), {"a": lambda rng: "Orrin", "b": lambda rng: "120/80"}, {"a": "name"})
    assert writer.write("by {a}, BP {b}.") == "by Orrin, BP 120/80."
    assert [(writer.text[span.start : span.end], span.label) for span in writer.spans] == [("Orrin", "name")]


def test_deid_notes_have_six_classes_and_a_notes_length(notes):
    for records in notes.values():
        counts = Counter(span.label for record in records for span in record.spans)
        assert set(counts) == set(CLASSES) == {"age", "date", "location", "name", "phone_nb", "other"}
        assert min(counts.values()) > 60
        words = [len(record.text.split()) for record in records]
        assert min(words) >= 150
        assert max(words) <= 400


def test_deid_spans_are_clean_and_apart(notes):
    for record in notes["train"]:
        spans = sorted(record.spans, key=lambda span: span.start)
        assert all(left.end <= right.start for left, right in pairwise(spans))
        assert all(span.trimmed(record.text) is span for span in spans)
        assert "{" not in record.text


def words_of(records, label):
    found = (
        record.text[span.start : span.end]
        for record in records
        for span in record.spans
        if span.label == label
    )
    return {word.lower() for mention in found for word in re.findall(r"[^\W\d_]{4,}", mention)}


def test_deid_people_and_places_of_test_are_unseen(notes):
    for label in ("name", "location"):
        seen = {part: words_of(records, label) - set(SHARED.split()) for part, records in notes.items()}
        assert all(len(words) > 50 for words in seen.values())
        assert not seen["train"] & seen["test"]
        assert not seen["train"] & seen["dev"]
        assert not seen["dev"] & seen["test"]


def test_deid_pools_are_parted():
    for kind in ("first", "last", "place"):
        pools = [set(pool(kind, part)) for part in PARTS]
        assert all(len(words) >= 10 for words in pools)
        assert len(set.union(*pools)) == sum(map(len, pools))
    assert part_of("ORRIN") == part_of("orrin")


def test_deid_distractors_stand_unlabelled(notes):
    pattern = re.compile(r"\b(\d{3}/\d{2}(?!/)|Parkinson's|Hodgkin|Foley|Babinski|\d+ mg)\b")
    found = 0
    fractions = {True: 0, False: 0}
    for record in notes["test"]:
        inside = [(span.start, span.end) for span in record.spans]
        for match in pattern.finditer(record.text):
            assert not any(start <= match.start() < end for start, end in inside), match.group()
            found += 1
        for match in re.finditer(r"(?<![\d/])\d/\d(?![\d/])", record.text):
            fractions[any(start <= match.start() < end for start, end in inside)] += 1
    assert found > 400
    # 5/4 may be a strength or a day in May: only the words around it tell.
    assert min(fractions.values()) > 10


def test_phenotype_notes_are_long_and_labels_balanced(long_notes):
    words = [len(note.record.text.split()) for note in long_notes]
    assert min(words) > 1600
    assert max(words) < 2300
    for label in LABELS:
        share = sum(note.record.labels[label] for note in long_notes) / len(long_notes)
        assert 0.2 < share < 0.42, label


def test_phenotype_evidence_decides_the_labels(long_notes):
    for note in long_notes:
        positive = {label for label, value in note.record.labels.items() if value}
        shown = Counter(span.label for span in note.shown)
        assert set(shown) == positive
        assert all(2 <= count <= 4 for count in shown.values())
        assert not {span.label for span in note.named} & positive
        sentences = {note.record.text[span.start : span.end] for span in (*note.shown, *note.named)}
        assert all(sentence.endswith(".") for sentence in sentences)
    named = sum(len(note.named) for note in long_notes)
    assert 0.1 < named / sum(len(note.shown) for note in long_notes) < 0.3


def test_phenotype_evidence_stands_far_behind_the_first_512_pieces(long_notes):
    # A word is at least one piece, so 512 words before it are at least 512 pieces with any tokenizer.
    before = [len(note.record.text[: span.start].split()) for note in long_notes for span in note.shown]
    assert sum(count >= 512 for count in before) / len(before) > 0.9
    assert sum(count >= 1000 for count in before) / len(before) > 0.4
    assert min(before) < 400  # some of it does stand early: position alone must not give a label away


def test_phenotype_keywords_alone_do_not_decide():
    """Each label's denials share a telling word with its evidence."""
    for phenotype_ in PHENOTYPES:
        shown = {word for sentence in phenotype_.shows for word in re.findall(r"[a-z]{5,}", sentence.lower())}
        for sentence in phenotype_.denies:
            assert shown & set(re.findall(r"[a-z]{5,}", sentence.lower())), sentence


def test_phenotype_filler_never_names_a_phenotype(long_notes):
    words = (
        "metasta dementia depress schizo obes bariatric fibromyalgia chronic.pain adheren withdrawal bipolar"
    )
    telling = re.compile("|".join(words.split()), re.I)
    for note in long_notes[:60]:
        evidence = [(span.start, span.end) for span in (*note.shown, *note.named)]
        for match in telling.finditer(note.record.text):
            assert any(start <= match.start() < end for start, end in evidence), match.group()
