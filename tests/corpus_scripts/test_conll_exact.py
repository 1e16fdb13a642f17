"""Token-per-line files that lose nothing, and those of a size: pytest tests/corpus_scripts/test_conll_exact.py."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from spacy.training.converters import conll_ner_to_docs

from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.conll_exact import escape, unescape, write_conll
from corpus_scripts.formats.files import bytes_read
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally

RECORD = Record(
    "ward 1|a",
    "\n Seen by  Dr. Orrin.\n\nWell\t(now) ",
    (TextSpan(11, 20, "name", "T5"), TextSpan(29, 32, "time")),
    None,
    {"source": ["a b", 1]},
    ((2, 6), (7, 9), (11, 14), (15, 20), (20, 21), (23, 27), (28, 29), (29, 32), (32, 33)),
)
WRITTEN = r"""-DOCSTART-	Format=spacy-bioclinical.v1|Id=ward\s1\pa|SpacesBefore=\n\s|Meta={"source":["a\sb",1]}	O

Seen	_	O
by	SpacesAfter=\s\s	O
Dr.	MentionId=T5	B-name
Orrin	SpaceAfter=No	I-name
.	SpacesAfter=\n\n	O

Well	SpacesAfter=\t	O
(	SpaceAfter=No	O
now	SpaceAfter=No	B-time
)	_	O

"""


def read(path, **options):
    return list(read_conll(path, ConllOptions(**options), Tally()))


@given(st.text())
@settings(max_examples=200)
def test_conll_exact_escapes_come_back_and_hold_no_white_space(text):
    assert unescape(escape(text)) == text
    assert "|" not in escape(text)
    assert escape(text).split() in ([escape(text)], [])


def test_conll_exact_file_is_as_described_and_read_back(tmp_path):
    write_conll([RECORD, RECORD], tmp_path / "a.conll")
    assert (tmp_path / "a.conll").read_bytes().decode() == WRITTEN * 2
    assert read(tmp_path / "a.conll") == [RECORD, RECORD]
    assert read(tmp_path / "a.conll", documents="docstart", scheme="biluo") == [RECORD, RECORD]


def test_conll_exact_file_is_sound_for_other_readers(tmp_path):
    write_conll([RECORD], tmp_path / "a.conll")
    data = (tmp_path / "a.conll").read_text()
    [doc] = conll_ner_to_docs(data, n_sents=10, no_print=True)
    assert [token.text for token in doc] == [
        "-DOCSTART-",
        *(RECORD.text[start:end] for start, end in RECORD.tokens),
    ]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Dr. Orrin", "name"), ("now", "time")]
    tags = [line.split()[-1] for line in data.split("\n") if line]
    assert [label for label, _, _ in get_entities(tags)] == ["name", "time"]
    [plain] = read(tmp_path / "a.conll", documents="file")
    assert plain.text == "Seen by Dr. Orrin .\nWell ( now )"


def test_conll_exact_keeps_documents_without_tokens_and_odd_tokens(tmp_path):
    records = [
        Record("a", " \n", (), tokens=()),
        Record("b", "-DOCSTART- \ufeff", (), tokens=((0, 10), (11, 12))),
        Record("c", "x", (), tokens=((0, 1),)),
    ]
    write_conll(records, tmp_path / "a.conll")
    assert read(tmp_path / "a.conll") == records


TOKENS = ((0, 1), (2, 3), (4, 5), (6, 8))


@pytest.mark.parametrize(
    "record, reason, kept",
    [
        (Record("n", "a b c de", None), "spans_missing", []),
        (Record("n", "a b c de", (), {"A": 1.0}), "categories", []),
        (Record("n", "a b c de", (TextSpan(0, 3, "x"), TextSpan(2, 8, "y"))), "overlapping_mention", [(2, 8, "y")]),
        (Record("n", "a b c de", (TextSpan(0, 1, "x", "T1"), TextSpan(4, 5, "x", "T1"))), "discontinuous_mention", []),
        (Record("n", "a b c de", (TextSpan(6, 7, "x"),)), "mention_off_tokens", []),
        (Record("n", "a b c de", (TextSpan(0, 1, "x y"),)), "label_with_white_space", []),
    ],
)  # fmt: skip
def test_conll_writer_refuses_or_counts_what_tags_cannot_hold(tmp_path, record, reason, kept):
    record = Record(record.id, record.text, record.spans, record.labels, {}, TOKENS)
    with pytest.raises(ValueError, match=r"BC655.*'n'.*jsonl"):
        write_conll([record], tmp_path / "a.conll")
    assert not list(tmp_path.iterdir())
    tally = Tally()
    write_conll([record], tmp_path / "a.conll", lossy=True, tally=tally)
    assert tally.dropped == {reason: 1}
    [back] = read(tmp_path / "a.conll")
    assert [(span.start, span.end, span.label) for span in back.spans] == kept


def test_conll_writer_needs_tokens(tmp_path):
    with pytest.raises(ValueError, match="BC655"):
        write_conll([Record("n", "a", ())], tmp_path / "a.conll", lossy=True)


@pytest.mark.parametrize(
    "old, new, code",
    [
        ("Seen\t_", "Seen\tSpacesAfter=\\q", "BC656.*line 3"),
        ("Seen\t_", "Seen\tSpacesAfter=Orrin", "BC656.*line 3"),
        ("Seen\t_\tO", "Seen\tO", "BC656.*line 3"),
        ("Seen\t_\tO", "Seen\tMentionId=T1\tO", "BC656.*line 1"),
        ("Seen\t_\tO", "Seen\t_\tOrrin", "BC605.*line 3"),
        ('Meta={"', "Meta={", "BC656.*line 1"),
        ("Id=", "Name=", "BC656.*line 1"),
        ("Id=ward\\s1\\pa", "Id=", "BC617"),
    ],
)  # fmt: skip
def test_conll_exact_damage_is_named_not_quoted(tmp_path, old, new, code):
    (tmp_path / "a.conll").write_text(WRITTEN.replace(old, new))
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path / "a.conll")
    assert "Orrin" not in str(caught.value)


@pytest.mark.parametrize(
    "tags, scheme",
    [
        ("B-x-y I-x-y O B-x-y", "bio"),
        ("B-x-y L-x-y O U-x-y", "bilou"),
        ("B-x-y E-x-y O S-x-y", "iobes"),
        ("B-x-y E-x-y O W-x-y", "bmewo"),
        ("I-x-y I-x-y O I-x-y", "iob1"),
    ],
)
def test_conll_every_spelling_of_a_scheme_is_read(tmp_path, tags, scheme):
    lines = [f"{word} {tag}\n" for word, tag in zip("abcd", tags.split())]
    (tmp_path / "a.tsv").write_text("".join(lines).rstrip("\n"))  # as i2b2 files end
    for asked in ("auto", scheme):
        [record] = read(tmp_path / "a.tsv", scheme=asked)
        assert [(span.start, span.end, span.label) for span in record.spans] == [(0, 3, "x-y"), (6, 7, "x-y")]


def test_conll_given_tokens_are_those_of_the_file(tmp_path):
    (tmp_path / "a.tsv").write_text("don't-know\tO\n1\u00a01/2\tB-dose\n\n(mg)\tO\n")
    [record] = read(tmp_path / "a.tsv", given_tokens=True)
    words = [record.text[start:end] for start, end in record.tokens]
    assert words == ["don't-know", "1", "1/2", "(mg)"]
    assert read(tmp_path / "a.tsv")[0].tokens is None


def test_conll_token_with_other_space_survives_when_spaces_separate(tmp_path):
    (tmp_path / "a.tsv").write_text("1\u00a01/2 B-dose\n")
    assert read(tmp_path / "a.tsv")[0].text == "1\u00a01/2"


def test_conll_large_files_stream_in_little_memory(tmp_path):
    sentence = "Aspirin\tB-drug\nhelps\tO\nagainst\tO\npain\tB-sign\nof\tI-sign\nheads\tI-sign\n.\tO\n\n"
    (tmp_path / "a.tsv").write_text(sentence * 8_000)
    before = bytes_read()
    tracemalloc.start()
    count = sum(len(record.spans) for record in read_conll(tmp_path / "a.tsv", ConllOptions(), Tally()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 16_000
    assert peak < 5 << 20
    assert bytes_read() - before == len(sentence) * 8_000  # the look ahead is not counted


def test_conll_carriage_returns_inside_lines_are_refused(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"a\tO\nSmith\tB-x\rb\tO\r")
    with pytest.raises(ValueError, match=r"BC658.*line 2") as caught:
        read(tmp_path / "a.tsv")
    assert "Smith" not in str(caught.value)
