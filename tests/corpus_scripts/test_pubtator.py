"""PubTator documents become records with every offset kept: pytest tests/corpus_scripts/test_pubtator.py."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.pubtator import read_pubtator
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import to_doc
from corpus_scripts.tokenizer import make_tokenizer

TITLE = "Orrin acid and renal gloom."
ABSTRACT = "Velmic tablets | caused renal and hepatic gloom."
DOCUMENT = (
    f"101|t|{TITLE}\n101|a|{ABSTRACT}\n"
    "101\t0\t10\tOrrin acid\tChemical\tD0001\t\n"
    "101\t15\t26\trenal gloom\tT047,T033\tMESH:D003|MESH:D004\n"
    "101\t52\t75\trenal and hepatic gloom\tDisease\tD007|D008\trenal gloom|hepatic gloom\n"
    "101\tCID\tD0001\tD007\n"
    "101\tPositive_Correlation\tD0001\t4711\tNovel\n"
)


def read(tmp_path, text, *, tally=None, name="notes.pubtator"):
    path = tmp_path / name
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return list(read_pubtator(path, tally or Tally()))


def test_pubtator_document_keeps_offsets_types_concepts_and_relations(tmp_path):
    tally = Tally()
    [record] = read(tmp_path, DOCUMENT, tally=tally)
    assert record == Record(
        "101",
        f"{TITLE}\n{ABSTRACT}",
        (
            TextSpan(0, 10, "Chemical", "T1"),
            TextSpan(15, 26, "T047,T033", "T2"),
            TextSpan(52, 75, "Disease", "T3"),
        ),
        meta={
            "types": {"T2": ["T047", "T033"]},
            "normalizations": {"T1": ["D0001"], "T2": ["MESH:D003", "MESH:D004"], "T3": ["D007", "D008"]},
            "individual_mentions": {"T3": ["renal gloom", "hepatic gloom"]},
            "relations": [
                {"label": "CID", "arguments": ["D0001", "D007"]},
                {"label": "Positive_Correlation", "arguments": ["D0001", "4711", "Novel"]},
            ],
        },
    )
    assert record.text[52:75] == "renal and hepatic gloom"
    assert (tally.repaired, tally.dropped) == ({}, {})
    doc = to_doc(record, make_tokenizer("en"), tally)
    assert [span.text for span in doc.spans["gold"]] == [
        "Orrin acid", "renal gloom", "renal and hepatic gloom",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", [DOCUMENT.replace("\n", "\r\n"), "\ufeff" + DOCUMENT, "\n\n" + DOCUMENT + "\n \n", DOCUMENT[:-1]]
)
def test_pubtator_line_ends_marks_and_blank_lines_change_nothing(tmp_path, text):
    assert read(tmp_path, text) == read(tmp_path, DOCUMENT)
    assert read(tmp_path, text, name="notes.pubtator.gz") == read(tmp_path, DOCUMENT)


def test_pubtator_documents_end_at_blank_lines_or_the_next_title(tmp_path):
    text = "1|t|Orrin\n1|a|\n\n2|t|Velm\n3|t|\n3|a|Orrin\n3\t1\t6\tOrrin\tName\n\n\n4|t|Gloom|a|b\n"
    assert [(record.id, record.text, record.spans) for record in read(tmp_path, text)] == [
        ("1", "Orrin", ()),
        ("2", "Velm", ()),
        ("3", "\nOrrin", (TextSpan(1, 6, "Name", "T1"),)),
        ("4", "Gloom|a|b", ()),
    ]


def test_pubtator_is_read_document_by_document(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text(DOCUMENT + "\nbroken\n")
    records = read_pubtator(path, Tally())
    assert next(records).id == "101"
    with pytest.raises(ValueError, match=r"BC635.*line 9"):
        next(records)


@pytest.mark.parametrize("unit, width", [("utf-16-le", 2), ("utf-8", 1)])
def test_pubtator_offsets_counted_in_other_units_are_found_and_counted(tmp_path, unit, width):
    # Characters of one to four bytes, at the edges of each size.
    title, abstract = (
        "Gloom \U0001f600 of \x7f\x80\u07ff\u0800\uffff Orrin",
        "caf\u00e9 \U0001f600\U0001f600 velm and Orrin",
    )
    text = f"{title}\n{abstract}"

    def count(piece):
        return len(piece.encode(unit)) // width

    lines = [f"1|t|{title}\n1|a|{abstract}\n"]
    expected = []
    for mention in ("Orrin", "velm", "\U0001f600 velm"):
        start = text.rindex(mention)
        expected.append(TextSpan(start, start + len(mention), "Name", f"T{len(expected) + 1}"))
        lines.append(f"1\t{count(text[:start])}\t{count(text[: start + len(mention)])}\t{mention}\tName\tx\n")
    tally = Tally()
    [record] = read(tmp_path, "".join(lines), tally=tally)
    assert (record.text, record.spans) == (text, tuple(expected))
    assert tally.repaired == {"offsets_in_utf16" if width == 2 else "offsets_in_bytes": 3}
    # One mention counted in characters among them: no unit fits all.
    start = text.rindex("velm")
    with pytest.raises(ValueError, match=r"BC637.*line 3.*'1'") as caught:
        read(tmp_path, "".join(lines) + f"1\t{start}\t{start + 4}\tvelm\tName\tx\n")
    assert "velm" not in str(caught.value)


def test_pubtator_offset_inside_a_character_is_refused(tmp_path):
    # Counted in UTF-16 units, 2 stands inside the second character; 1 is the second half of the first.
    text = "1|t|\U0001f600\U0001f600b\n"
    assert read(tmp_path, text + "1\t2\t5\t\U0001f600b\tName\tx\n")[0].spans == (
        TextSpan(1, 3, "Name", "T1"),
    )
    for edges in ("1\t5", "3\t5", "2\t3", "2\t6"):
        with pytest.raises(ValueError, match=r"BC637.*line 2"):
            read(tmp_path, text + f"1\t{edges}\t\U0001f600b\tName\tx\n")


def test_pubtator_mention_may_differ_in_white_space_only(tmp_path):
    text = "1|t|Orrin\u00a0acid\n1|a|was given\n"
    [record] = read(tmp_path, text + "1\t0\t10\tOrrin  acid\tName\tx\n1\t6\t14\tacid was\tName\tx\n")
    assert [(span.start, span.end) for span in record.spans] == [(0, 10), (6, 14)]
    with pytest.raises(ValueError, match=r"BC637.*line 3"):
        read(tmp_path, text + "1\t0\t10\tOrrinacid\tName\tx\n")


@pytest.mark.parametrize(
    "line, code",
    [
        ("Orrin", "BC635.*line 3"),
        ("1\t0\t5\tOrrin", "BC635.*line 3"),
        ("1\t0\t5\tOrrin\tName\tx\ty\tz", "BC635.*line 3"),
        ("1\t0\t5\tOrrin\t\tx", "BC635.*line 3"),
        ("1\t0\t-5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\t-1\t5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\t0.0\t5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\t5\t5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\t0\t99999999999999999999\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\t\u0660\t5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1\tx0\t5\tOrrin\tName", "BC635.*line 3"),
        ("1\tx\t5\tOrrin\tName\tx\t", "BC635.*line 3"),
        ("1\tCID\tD1\t", "BC635.*line 3"),
        ("2\tCID\tD1\tD2", "BC635.*line 3"),
        ("2\t0\t5\tOrrin\tName\tx", "BC635.*line 3"),
        ("1|t|Orrin", "BC635.*line 3"),
        ("1|a|Orrin", "BC635.*line 3"),
        ("2|a|Orrin", "BC635.*line 3"),
        ("1|x|Orrin", "BC635.*line 3"),
        ("\n1\t0\t5\tOrrin\tName\tx", "BC635.*line 4"),
        ("1\t0\t500\tOrrin\tName\tx", "BC637.*line 3"),
        ("1\t1\t6\tOrrin\tName\tx", "BC637.*line 3"),
        ("1\t0\t5\torrin\tName\tx", "BC637.*line 3"),
    ],
)
def test_pubtator_malformed_line_is_named_not_quoted(tmp_path, line, code):
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path, f"1|t|Orrin came\n1|a|Orrin\u00e9 went\n{line}\n")
    assert "rrin" not in str(caught.value).replace(str(tmp_path), "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_pubtator_message_shows_no_id_that_may_be_text(tmp_path):
    with pytest.raises(ValueError, match=r"BC637.*document \?"):
        read(tmp_path, "Orrin|t|came\nOrrin\t0\t3\tOrr\tName\tx\n")


LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=12)


@given(
    st.lists(st.tuples(LINE, LINE, st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=4))),
    st.sampled_from(["characters", "utf-16-le", "utf-8"]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=100, deadline=None)
def test_pubtator_rendered_documents_read_back_the_same(tmp_path_factory, documents, unit, end):
    tmp_path = tmp_path_factory.mktemp("pubtator")
    lines, expected = [], []
    for number, (title, abstract, edges) in enumerate(documents):
        lines += [f"{number}|t|{title}", f"{number}|a|{abstract}"]
        text = f"{title}\n{abstract}" if abstract else title
        spans = []
        for start, length in edges:
            mention = text[start : start + length]
            if mention.strip() and "\t" not in mention:
                spans.append((start, start + len(mention)))
                first, last = (
                    edge if unit == "characters" else len(text[:edge].encode(unit)) // (1 + (unit[4] == "1"))
                    for edge in spans[-1]
                )
                lines.append(f"{number}\t{first}\t{last}\t{mention.replace(chr(10), ' ')}\tName\tx")
        expected.append((str(number), text, spans))
        lines.append("")
    found = read(tmp_path, end.join(lines))
    for record, (name, text, spans) in zip(found, expected, strict=True):
        assert (record.id, record.text) == (name, text)
        offsets = [(span.start, span.end) for span in record.spans]
        if unit == "characters":
            assert offsets == spans
        else:  # the same letters may also stand where another unit points
            assert [text[a:b].split() for a, b in offsets] == [text[a:b].split() for a, b in spans]
