"""brat pairs keep every mention and everything beside them: pytest tests/corpus_scripts/test_brat.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.brat import read_brat, write_brat
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import convert_records


def read(folder, tally=None, **options):
    return list(read_brat(folder, tally if tally is not None else Tally(), **options))


def put(folder, text, ann, name="n1"):
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes(ann.encode())


def mentions(record):
    return [(record.text[span.start : span.end], span.label, span.id) for span in record.spans]


def test_brat_offsets_count_characters_not_bytes(tmp_path):
    put(tmp_path, "😀 Müller, é Orrin", "T1\tname 2 8\tMüller\nT2\tname 12 17\tOrrin\n")
    [record] = read(tmp_path)
    assert mentions(record) == [("Müller", "name", "T1"), ("Orrin", "name", "T2")]


def test_brat_lines_that_are_no_mention_are_kept(tmp_path):
    lines = (
        "T1\tTobacco 0 6\tsmokes",
        "T2\tAmount 7 12\t1 ppd",
        "E1\tTobacco:T1 Amount:T2 ",
        "A1\tValue T1 current",
        "M1\tNegation E1",
        "R1\tOf Arg1:T1 Arg2:T2\t",
        "N1\tReference T1 UMLS:C0037369\tSmoking",
        "#1\tAnnotatorNotes T1\tcheck this",
        "*\tEquiv T1 T2",
    )
    ann = "\n".join(lines)
    put(tmp_path, "smokes 1 ppd", ann)
    [record] = read(tmp_path)
    assert len(record.spans) == 2
    assert record.meta == {
        "events": [
            {"id": "E1", "label": "Tobacco", "trigger": "T1", "roles": [["Amount", "T2"]], "tail": " "}
        ],
        "attributes": [
            {"id": "A1", "label": "Value", "target": "T1", "value": "current"},
            {"id": "M1", "label": "Negation", "target": "E1", "value": True},
        ],
        "relations": [{"id": "R1", "label": "Of", "roles": [["Arg1", "T1"], ["Arg2", "T2"]], "tail": "\t"}],
        "normalizations": [{"id": "N1", "target": "T1", "reference": "UMLS:C0037369", "name": "Smoking"}],
        "notes": [{"id": "#1", "label": "AnnotatorNotes", "target": "T1", "text": "check this"}],
        "equivalences": [{"id": "*", "label": "Equiv", "targets": ["T1", "T2"]}],
    }
    convert_records([record], name="x")
    write_brat([record], tmp_path / "out")
    assert (tmp_path / "out" / "n1.ann").read_text() == ann + "\n"


def test_brat_discontinuous_mention_keeps_linked_fragments(tmp_path):
    put(tmp_path, "left and right lung", "T4\tOrgan 0 4;15 19\tleft lung\nT5\tOrgan 9 19\tright lung\n")
    tally = Tally()
    [record] = read(tmp_path, tally)
    assert mentions(record) == [
        ("left", "Organ", "T4"),
        ("lung", "Organ", "T4"),
        ("right lung", "Organ", "T5"),
    ]
    assert record.meta == {"discontinuous": ["T4"]}
    assert tally.repaired == {"discontinuous_mention": 1, "discontinuous_fragment": 2}


def test_brat_mention_cut_at_a_line_break_is_joined(tmp_path):
    put(tmp_path, "acute renal\n  failure", "T1\tProblem 0 11;14 21\tacute renal failure\n")
    tally = Tally()
    [record] = read(tmp_path, tally)
    assert mentions(record) == [("acute renal\n  failure", "Problem", "T1")]
    assert tally.repaired == {"fragments_joined": 1}


def test_brat_line_break_inside_a_mention_may_be_written_as_space(tmp_path):
    put(tmp_path, "Mill\r\nbay", "T1\tplace 0 9\tMill  bay\n")
    assert mentions(read(tmp_path)[0]) == [("Mill\r\nbay", "place", "T1")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("counts_return", [True, False])
@pytest.mark.parametrize("counts_mark", [True, False])
def test_brat_offsets_without_returns_or_mark_are_moved(tmp_path, mark, counts_return, counts_mark):
    text = mark + "one\r\ntwo\r\nOrrin came\r\n"
    counted = text if counts_return else text.replace("\r\n", "\n")
    if not counts_mark:
        counted = counted.removeprefix("\ufeff")
    start = counted.index("Orrin")
    put(tmp_path, text, f"T1\tname {start} {start + 5}\tOrrin\r\n")
    tally = Tally()
    [record] = read(tmp_path, tally)
    assert record.text == text
    assert mentions(record) == [("Orrin", "name", "T1")]
    assert bool(tally.repaired) == (counted != text)


def test_brat_mention_that_is_not_there_is_an_error_without_text(tmp_path):
    put(tmp_path, "Seen by Orrin today", "T1\tname 8 13\tOrrin\nT2\tdate 14 20\ttoday\n", name="n7")
    with pytest.raises(ValueError, match=r"BC608.*n7\.ann, line 2.*14-20 of n7\.txt") as caught:
        read(tmp_path)
    assert "Orrin" not in str(caught.value)
    assert "today" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "T2 name 0 4\tSeen",
        "T2\tname 0\tSeen",
        "T2\tname 4 0\tSeen",
        "T2\tname 0 4",
        "T2\tname 0 0\t",
        "T2\tna me 0 4\tSeen",
        "T1\tname 0 4\tSeen",
        "X1\tname 0 4\tSeen",
        "A1\tValue",
        "E1\tTobacco",
        "R1\tOf T1 T2",
        "N1\tReference T1",
        "*\tEquiv T1",
        "\tname 0 4\tSeen",
    ],
)
def test_brat_malformed_line_is_named_not_quoted(tmp_path, line):
    put(tmp_path, "Seen by Orrin", f"T1\tname 8 13\tOrrin\n\n{line}\n")
    with pytest.raises(ValueError, match=r"BC607.*n1\.ann, line 3") as caught:
        read(tmp_path)
    assert "Seen" not in str(caught.value)


def test_brat_missing_partners(tmp_path):
    put(tmp_path, "text", "")
    (tmp_path / "lone.txt").write_text("no one looked")
    with pytest.raises(ValueError, match=r"BC609.*lone\.txt"):
        read(tmp_path)
    tally = Tally()
    assert [record.id for record in read(tmp_path, tally, missing_ann="skip")] == ["n1"]
    assert tally.dropped == {"document_without_ann": 1}
    assert [(record.id, record.spans) for record in read(tmp_path, missing_ann="empty")] == [
        ("lone", ()),
        ("n1", ()),
    ]
    with pytest.raises(ValueError, match="BC622"):
        read(tmp_path, missing_ann="guess")
    (tmp_path / "lone.txt").rename(tmp_path / "lone.ann")
    with pytest.raises(ValueError, match=r"BC609.*lone\.ann"):
        read(tmp_path, missing_ann="skip")


def test_brat_subfolders_are_in_the_id_and_other_files_passed_over(tmp_path):
    (tmp_path / "b").mkdir()
    put(tmp_path / "b", "x y", "T1\ta 0 1\tx\n")
    put(tmp_path, "z", "", name="a.1")
    (tmp_path / "annotation.conf").write_text("[entities]")
    (tmp_path / ".hidden.txt").write_text("x")
    assert [record.id for record in read(tmp_path)] == ["a.1", "b/n1"]
    assert [record.id for record in read(tmp_path / "b" / "n1.ann")] == ["n1"]


TEXTS = st.text(st.sampled_from(list("ab.😀é\n\r\t \u00a0\u2028")), min_size=1, max_size=30)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 29), st.integers(1, 30)), max_size=5))
@settings(max_examples=150, deadline=None)
def test_brat_written_records_read_back_the_same(tmp_path_factory, text, pairs):
    spans = [TextSpan(start, end, "name") for start, end in pairs if start < end <= len(text)]
    spans = [trimmed for span in spans if (trimmed := span.trimmed(text))]
    record = Record("sub/n 1", text, tuple(spans))
    folder = tmp_path_factory.mktemp("brat")
    write_brat([record], folder)
    [back] = read(folder)
    assert (back.id, back.text) == (record.id, record.text)
    assert [(span.start, span.end, span.label) for span in back.spans] == [
        (s.start, s.end, s.label) for s in spans
    ]


def test_brat_writes_fragments_as_one_mention(tmp_path):
    spans = (TextSpan(0, 4, "Organ", "T9"), TextSpan(15, 19, "Organ", "T9"), TextSpan(9, 14, "Side"))
    write_brat([Record("n", "left and right lung", spans)], tmp_path)
    assert (tmp_path / "n.ann").read_text() == "T1\tOrgan 0 4;15 19\tleft lung\nT2\tSide 9 14\tright\n"


@pytest.mark.parametrize("name", ["../n", "/n", "..", ".n", "a/.n", "a//n", "a/", "a\\n", "n ", "n\0"])
def test_brat_writer_refuses_ids_that_are_no_file_names(tmp_path, name):
    with pytest.raises(ValueError, match="BC619"):
        write_brat([Record(name, "x", ())], tmp_path / "out")


NO_EVENT = {"id": "E1", "label": "a", "trigger": "T1"}


@pytest.mark.parametrize(
    "record, reason",
    [
        (Record("n", "x"), "spans_missing"),
        (Record("n", "x", (), {"A": 1.0}), "categories"),
        (Record("n", "x", (), meta={"k": 1}), "meta"),
        (Record("n", "x", (TextSpan(0, 1, "a b"),)), "label"),
        (Record("n", "xy", (TextSpan(0, 1, "a", "T1"), TextSpan(1, 2, "b", "T1"))), "label"),
        (Record("n", "x", (), meta={"events": [NO_EVENT]}), "meta"),
        (Record("n", "x", (), meta={"notes": "none"}), "meta"),
        (
            Record(
                "n", "x", (), meta={"notes": [{"id": "#1", "label": "a", "target": "T1", "text": "a\nb"}]}
            ),
            "meta",
        ),
    ],
)
def test_brat_writer_refuses_or_counts_what_the_format_cannot_hold(tmp_path, record, reason):
    with pytest.raises(ValueError, match=r"BC659.*jsonl"):
        write_brat([record], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    tally = Tally()
    write_brat([record], tmp_path / "out", lossy=True, tally=tally)
    assert tally.dropped == {reason: 1}
    assert read(tmp_path / "out") == [Record("n", record.text, ())]


NORMAL = """T1\tOrgan 0 4;15 19\tleft lung
T7\tOrgan 9 19\tright lung
E2\tFinding:T7 Side:T1
A1\tNegated E2
T3\tProblem 20 31;33 40\tacute renal failure
R1\tOf Arg1:T3 Arg2:T7\t
A2\tGrade T3 2 or 3
N1\tReference T3 UMLS:C0022660\tAcute  kidney failure
#1\tAnnotatorNotes T3\twhy "acute"?\tno idea
*\tEquiv T1 T7
*\tEquiv T3 T7
E4\tFinding:T3\x20
T10\tMark 41 42\t😀
"""


def test_brat_file_in_normal_form_comes_back_to_the_byte(tmp_path):
    put(tmp_path, "left and right lung\nacute renal\n failure 😀\n".replace("\nacute", " acute"), NORMAL)
    first = read(tmp_path)
    write_brat(first, tmp_path / "out")
    for name in ("n1.ann", "n1.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert read(tmp_path / "out") == first


def test_brat_mention_over_line_breaks_is_cut_at_each(tmp_path):
    text = "acute renal\r\n\n \tfailure and more\n"
    spans = (TextSpan(0, 23, "Problem", "T1"), TextSpan(6, 12, "Odd", "T2"), TextSpan(11, 15, "Blank", "T3"))
    write_brat([Record("n", text, spans)], tmp_path)
    assert (tmp_path / "n.ann").read_bytes() == (
        b"T1\tProblem 0 11;16 23\tacute renal failure\nT2\tOdd 6 12\trenal\r\nT3\tBlank 11 15\t\r   \n"
    )
    [back] = read(tmp_path)
    assert (back.text, back.spans, back.meta) == (text, spans, {})


def test_brat_foreign_ids_are_numbered_everywhere(tmp_path):
    spans = (TextSpan(0, 1, "a", "x1"), TextSpan(2, 3, "b", "T1"))
    meta = {
        "events": [{"id": "E1", "label": "a", "trigger": "x1", "roles": [["To", "T1"]]}],
        "equivalences": [{"id": "*", "label": "Equiv", "targets": ["T1", "x1"]}],
        "attributes": [{"id": "A1", "label": "Sure", "target": "T1", "value": True}],
    }
    write_brat([Record("n", "u v", spans, meta=meta)], tmp_path)
    assert (tmp_path / "n.ann").read_text() == (
        "T1\ta 0 1\tu\nT2\tb 2 3\tv\nE1\ta:T1 To:T2\n*\tEquiv T2 T1\nA1\tSure T2\n"
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "unit, reason",
    [
        (lambda text: len(text.encode("utf-16-le")) // 2, "offsets_in_utf16_units"),
        (lambda text: len(text.encode()), "offsets_in_utf8_bytes"),
    ],
)
def test_brat_offsets_in_other_units_are_moved(tmp_path, unit, reason, line_end, mark):
    text = f"{mark}😀 Müller{line_end}é 😀😀 Orrin came"
    counted = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = []
    for number, word in enumerate(("Müller", "Orrin", "😀😀"), start=1):
        start = unit(counted[: counted.index(word)])
        lines.append(f"T{number}\tname {start} {start + unit(word)}\t{word}\n")
    put(tmp_path, text, "".join(lines))
    tally = Tally()
    [record] = read(tmp_path, tally)
    assert [mention[0] for mention in mentions(record)] == ["Müller", "Orrin", "😀😀"]
    assert record.text == text
    assert tally.repaired == {reason: 3}


def test_brat_offset_inside_a_character_is_refused(tmp_path):
    put(tmp_path, "😀 x", "T1\ta 1 3\t😀\n")
    with pytest.raises(ValueError, match="BC608"):
        read(tmp_path)


def test_brat_annotation_may_be_parted_over_files(tmp_path):
    (tmp_path / "n.txt").write_text("p53 is bound")
    (tmp_path / "n.a1").write_text("T1\tProtein 0 3\tp53\n")
    (tmp_path / "n.a2").write_text("T2\tBinding 7 12\tbound\nE1\tBinding:T2 Theme:T1\n")
    [record] = read(tmp_path)
    assert mentions(record) == [("p53", "Protein", "T1"), ("bound", "Binding", "T2")]
    assert record.meta["events"][0]["trigger"] == "T2"
    (tmp_path / "n.a2").write_text("T1\tBinding 7 12\tbound\n")
    with pytest.raises(ValueError, match=r"BC607.*n\.a2, line 1"):
        read(tmp_path)
