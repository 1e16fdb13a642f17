"""BioC as XML and as JSON becomes records with every offset kept: pytest tests/corpus_scripts/test_bioc.py."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.bioc import BiocOptions
from corpus_scripts.formats.bioc_json import read_bioc_json
from corpus_scripts.formats.bioc_xml import read_bioc_xml
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from tests.corpus_scripts.bioc_documents import HEAD, WRITERS, annotation, as_xml, document, passage

BOTH = pytest.mark.parametrize("form", ["xml", "lines"])


def read(tmp_path, form, data, *, options=None, tally=None, packed=False):
    data = data if isinstance(data, bytes) else WRITERS[form](data)
    path = tmp_path / f"notes.{'xml' if form == 'xml' else 'json'}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(data) if packed else data)
    reader = read_bioc_xml if form == "xml" else read_bioc_json
    return list(reader(path, options, tally or Tally()))


def refused(tmp_path, form, data, match, options=None):
    with pytest.raises(ValueError, match=match) as caught:
        read(tmp_path, form, data, options=options)
    assert "rrin" not in str(caught.value).replace(str(tmp_path), "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


RELATION = {"id": "R1", "infons": {"type": "CID"}, "nodes": [{"refid": "1", "role": "Chemical"}]}
FULL = document(
    passage(0, "Orrin acid & gloom.", annotation("1", "Orrin acid", (0, 10), MESH="D1"), infons={"type": "title"}),
    passage(
        22,
        "Renal and hepatic gloom.",
        annotation("2", "renal gloom".capitalize(), (22, 5), (40, 5)),
        annotation("3", "Renal and hepatic gloom", (22, 23), identifier=["D2", "D3"]),
        relations=[RELATION],
    ),
    infons={"journal": "Velm"},
    relations=[{**RELATION, "id": "R2"}],
)  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("packed", [False, True])
def test_bioc_document_keeps_offsets_fragments_infons_and_relations(tmp_path, form, packed):
    tally = Tally()
    first, second = read(tmp_path, form, [FULL, document(name="8")], tally=tally, packed=packed)
    assert first == Record(
        "7",
        "Orrin acid & gloom.\n  Renal and hepatic gloom.",
        (
            TextSpan(0, 10, "Name", "1"),
            TextSpan(22, 27, "Name", "2"),
            TextSpan(40, 45, "Name", "2"),
            TextSpan(22, 45, "Name", "3"),
        ),
        meta={
            "infons": {"journal": "Velm"},
            "passages": [
                {"start": 0, "end": 19, "infons": {"type": "title"}},
                {"start": 22, "end": 46},
            ],
            "annotations": {"1": {"MESH": "D1"}, "3": {"identifier": ["D2", "D3"]}},
            "relations": [RELATION, {**RELATION, "id": "R2"}],
            "discontinuous": ["2"],
        },
    )
    assert second == Record("8", "", ())
    assert tally.repaired == {"discontinuous_mention": 1, "discontinuous_fragment": 2}


@BOTH
def test_bioc_sentences_stand_for_the_text_of_their_passage(tmp_path, form):
    sentences = [
        {"offset": 0, "text": "Orrin came.", "annotations": [annotation("a", "Orrin", (0, 5))]},
        {"offset": 12, "text": "Velm left.", "infons": {"n": "2"}, "annotations": [annotation("b", "Velm", (12, 4))]},
    ]  # fmt: skip
    whole = document({"offset": 0, "infons": {"k": "v"}, "sentences": sentences})
    [record] = read(tmp_path, form, [whole])
    assert record.text == "Orrin came.\nVelm left."
    assert record.spans == (TextSpan(0, 5, "Name", "a"), TextSpan(12, 16, "Name", "b"))
    assert record.meta["passages"] == [{"start": 0, "end": 22, "infons": {"k": "v"}}]
    assert record.meta["sentences"] == [
        {"start": 0, "end": 11},
        {"start": 12, "end": 22, "infons": {"n": "2"}},
    ]
    both = document({"offset": 0, "text": "Orrin came. Velm left.", "sentences": sentences})
    [again] = read(tmp_path, form, [both])
    assert (again.text, again.spans) == ("Orrin came. Velm left.", record.spans)
    assert again.meta["sentences"] == record.meta["sentences"]
    sentences[1]["text"] = "Velm wept."
    refused(tmp_path, form, [both], "BC638.*sentence")


@BOTH
@pytest.mark.parametrize(
    "written, stands", [("Renal gloom", True), ("Renalgloom", True), ("Renal ... gloom", True), ("Renal|gloom", True),
                        ("Renal and hepatic gloom", True), ("hepatic gloom", False), ("Renal", False)]
)  # fmt: skip
def test_bioc_text_of_a_discontinuous_mention_as_tools_write_it(tmp_path, form, written, stands):
    whole = document(passage(0, "Renal and hepatic gloom.", annotation("T", written, (0, 5), (18, 5))))
    if stands:
        assert len(read(tmp_path, form, [whole])[0].spans) == 2
    else:
        refused(tmp_path, form, [whole], r"BC637.*annotation 1.*0-5;18-23.*'7'")


@BOTH
@pytest.mark.parametrize("unit, size", [("utf-16-le", 2), ("utf-8", 1)])
def test_bioc_offsets_counted_in_other_units_are_found_and_counted(tmp_path, form, unit, size):
    first, second = "Gloom \U0001f600 of Orrin", "caf\u00e9 \U0001f600 velm"

    def count(text):
        return len(text.encode(unit)) // size

    begin = count(first) + 1
    whole = document(
        passage(0, first, annotation("a", "Orrin", (count("Gloom \U0001f600 of "), 5))),
        passage(begin, second, annotation("b", "velm", (begin + count("caf\u00e9 \U0001f600 "), 4))),
    )
    tally = Tally()
    [record] = read(tmp_path, form, [whole], tally=tally)
    assert record.text == f"{first}\n{second}"
    assert [record.text[span.start : span.end] for span in record.spans] == ["Orrin", "velm"]
    assert tally.repaired == {"offsets_in_utf16" if size == 2 else "offsets_in_bytes": 2}


@BOTH
def test_bioc_mention_that_differs_is_an_error_unless_offsets_are_believed(tmp_path, form):
    whole = document(
        passage(
            0, "TNF-\u03b1 and Orrin", annotation("a", "TNF-a", (0, 5)), annotation("b", "Orrin", (10, 5))
        )
    )
    refused(tmp_path, form, [whole], r"BC637.*annotation 1.*0-5.*mismatch")
    tally = Tally()
    [record] = read(tmp_path, form, [whole], options=BiocOptions(mismatch="offsets"), tally=tally)
    assert [record.text[span.start : span.end] for span in record.spans] == ["TNF-\u03b1", "Orrin"]
    assert tally.repaired == {"mention_text_differs": 1}
    whole["passages"][0]["annotations"][1]["locations"][0]["offset"] = 11
    refused(tmp_path, form, [whole], "BC637", BiocOptions(mismatch="offsets"))
    refused(tmp_path, form, [whole], "BC622", BiocOptions(mismatch="guess"))


@BOTH
def test_bioc_repeated_and_missing_annotation_ids_name_no_two_mentions(tmp_path, form):
    text = "Orrin Orrin Orrin Orrin"
    places = [("x", 0), ("x", 6), ("x#2", 12), ("", 18)]
    whole = document(passage(0, text, *(annotation(name, "Orrin", (start, 5)) for name, start in places)))
    tally = Tally()
    [record] = read(tmp_path, form, [whole], tally=tally)
    assert [span.id for span in record.spans] == ["x", "x#3", "x#2", "A4"]
    assert tally.repaired == {"repeated_annotation_id": 1}


@BOTH
def test_bioc_annotations_of_no_text_go_to_meta_and_are_counted(tmp_path, form):
    tally = Tally()
    [record] = read(
        tmp_path,
        form,
        [document(passage(0, "Orrin", annotation("a", ""), annotation("b", "", (5, 0))))],
        tally=tally,
    )
    assert record.spans == ()
    assert [entry["id"] for entry in record.meta["unplaced"]] == ["a", "b"]
    assert tally.repaired == {"annotation_of_no_text": 2}


@BOTH
def test_bioc_label_comes_from_the_infon_asked_for(tmp_path, form):
    whole = document(passage(0, "Orrin", annotation("a", "Orrin", (0, 5), kind="Person")))
    [record] = read(tmp_path, form, [whole], options=BiocOptions(type_key="kind"))
    assert record.spans == (TextSpan(0, 5, "Person", "a"),)
    assert record.meta["annotations"] == {"a": {"type": "Name"}}
    refused(tmp_path, form, [whole], "BC638.*annotation 1.*type_key", BiocOptions(type_key="sort"))


@BOTH
@pytest.mark.parametrize(
    "broken, match",
    [
        (document(passage(0, "Orrin", annotation("a", "Orrin", (-1, 5)))), "BC638.*'7', annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", (0, -5)))), "BC638.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a1", "Orrin", (0, 10**30)))), "BC638.*annotation 1.*'a1'"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", (0, 0.5)))), "BC638.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", ("", 5)))), "BC638.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", (0, 0)))), "BC638.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin"))), "BC638.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", (0, 50)))), "BC637.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "", (0, 5)))), "BC637.*annotation 1"),
        (document(passage(0, "Orrin", annotation("a", "Orrin", (0, 5), type=" "))), "BC638.*annotation 1"),
        (document(passage(-1, "Orrin")), "BC638.*'7'"),
        (document(passage("x", "Orrin")), "BC638.*'7'"),
        (document({"text": "Orrin"}), "BC638.*'7'"),
        (document(passage(0, "Orrin"), passage(4, "Orrin")), "BC638.*overlap"),
        (document(passage(0, "Orrin"), passage(10**11, "Orrin")), "BC638.*beyond"),
        (document(passage(0, "Orrin"), name=" "), "BC638"),
    ],
)
def test_bioc_malformed_document_is_named_not_quoted(tmp_path, form, broken, match):
    refused(tmp_path, form, [document(name="fine"), broken], match)


@pytest.mark.parametrize(
    "data, match",
    [
        (b"", "BC636.*line 1"),
        (b"<collection>", "BC636.*line 1"),
        (b"<collection></document>", "BC636.*line 1"),
        (b"<collection>\n<document><id>1</id>Orrin</document></collection>", "BC638.*line 2"),
        (b"<collection>\n<document><id>1</id><id>2</id></document></collection>", "BC638.*line 2"),
        (b"<collection>\n<document><mention>Orrin</mention></document></collection>", "BC638.*line 2"),
        (b"<html>Orrin</html>", "BC638.*line 1"),
        (b"<collection>" + b"<document>" * 100_000, "BC638.*line 1"),
        (b'<!DOCTYPE collection [<!ENTITY a "Orrin">]>\n<collection/>', "BC639.*line 1"),
        (b'<!DOCTYPE collection [\n<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]>\n<collection/>', "BC639.*line 2"),
        (HEAD.encode() + b"<collection><document><id>&Orrin;</id></document></collection>", "BC638.*line 3"),
        (b"<collection><source>&#xD800;</source></collection>", "BC636"),
        (b"<collection>\xff</collection>", "BC611.*byte 12"),
        (b"<collection>\xe2\x82", "BC611.*byte 12"),
        (b"<collection>\x00</collection>", "BC636"),
    ],
)  # fmt: skip
def test_bioc_xml_malformed_file_is_named_not_quoted(tmp_path, data, match):
    refused(tmp_path, "xml", data, match)


def test_bioc_xml_entities_are_never_expanded(tmp_path):
    declared = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    data = f'<!DOCTYPE collection [<!ENTITY a0 "Orrin">{declared}]><collection><source>&a29;</source></collection>'
    refused(tmp_path, "xml", data.encode(), "BC639")


def test_bioc_xml_is_utf8_whatever_it_declares(tmp_path):
    data = as_xml([document(passage(0, "Orr\u00edn", annotation("a", "Orr\u00edn", (0, 5))))])
    for changed in (data, b"\xef\xbb\xbf" + data, data.replace(b"UTF-8", b"ISO-8859-1")):
        assert read(tmp_path, "xml", changed)[0].text == "Orr\u00edn"


@pytest.mark.parametrize(
    "data, match",
    [
        (b'{"documents": [', "BC636.*line 1"),
        (b'{"documents": [{"id": "Orrin"', "BC636.*line 1"),
        (b'{"id": "1", "passages": []}\n{"id": "2", "passages": [}\n', "BC636.*line 2"),
        (b'{\n"id": "1",\n"passages": []\n}\n{', "BC636.*line 5"),
        (b'{\n\n\n"id": }', "BC636.*line 4"),
        (b'{"id": "1", "id": "2", "passages": []}', "BC636.*line 1"),
        (b'{"documents": [{"id": "1", "text": "Orrin", "text": ""}]}', "BC636.*line 1"),
        (b'{"documents": [], "passages": []}', "BC638"),
        (b'{"id": "1"}', "BC638"),
        (b"7", "BC638"),
        (b"[7]", "BC638"),
        (b"[[]]", "BC638"),
        (b'{"documents": [7]}', "BC638"),
        (b'{"documents": {}}', "BC638"),
        (b'{"id": {}, "passages": []}', "BC638"),
        (b'{"id": "1", "passages": 7}', "BC638"),
        (b'{"id": "1", "passages": [7]}', "BC638"),
        (b'{"id": "1", "passages": [], "relations": {}}', "BC638"),
        (b'{"id": "1", "passages": [{"offset": 0, "text": 7}]}', "BC638"),
        (b'{"id": "1", "passages": [{"offset": true, "text": "Orrin"}]}', "BC638"),
        (b'{"id": "1", "passages": [{"offset": 0, "text": "\\ud83d"}]}', "BC602"),
        (b'{"id": "1", "passages": [], "infons": {"a": 99999999999999999999}}', "BC617"),
        (b'{"id": "1", "passages": [], "infons": ' + b"[" * 50 + b"]" * 50 + b"}", "BC638.*nested"),
        (b'{"id": "1", "passages": [], "infons": ' + b"[" * 100_000, "BC636"),
        (b"[" * 100_000, "BC638"),
        (b'{"id": ' + b"9" * 5000 + b', "passages": []}', "BC636.*digits"),
        (b'{"id": "\xff"}', "BC611.*byte 8"),
    ],
)
def test_bioc_json_malformed_file_is_named_not_quoted(tmp_path, data, match):
    refused(tmp_path, "json", data, match)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"[]", b'{"documents": []}', b"\xef\xbb\xbf[\n]\n"])
def test_bioc_json_without_documents_gives_none(tmp_path, data):
    assert read(tmp_path, "json", data) == []


@pytest.mark.parametrize("form", ["xml", "lines", "collection", "list"])
def test_bioc_is_read_document_by_document(tmp_path, form):
    data = WRITERS[form]([FULL] * 3000)  # larger than one block
    path = tmp_path / "notes"
    path.write_bytes(data[: len(data) * 3 // 4 + 10])
    records = (read_bioc_xml if form == "xml" else read_bioc_json)(path, None, Tally())
    assert next(records).id == "7"
    with pytest.raises(ValueError, match="BC636"):
        list(records)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]).filter(
        lambda c: (c >= " " and c not in "\x7f\ufffe\uffff") or c == "\n"
    ),
    max_size=12,
)


def brute_force(entry):
    """Text and (id, what stands there) by writing each passage into a row of characters."""
    row = []
    for part in entry["passages"]:
        if part["text"]:
            missing = part["offset"] - len(row)
            row += list("\n" + " " * (missing - 1)) if missing else []
            row[part["offset"] :] = list(part["text"])
    spans = [
        (location["offset"], location["offset"] + location["length"], found["id"])
        for part in entry["passages"]
        for found in part["annotations"]
        for location in found["locations"]
    ]
    return "".join(row), spans


EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(1, 5)), max_size=3)
PARTS = st.lists(st.tuples(st.integers(0, 3), TEXT, EDGES), max_size=3)


@given(st.lists(PARTS, max_size=3), st.sampled_from(sorted(WRITERS)))
@settings(max_examples=200, deadline=None)
def test_bioc_rendered_documents_read_back_the_same(tmp_path_factory, drawn, form):
    documents = []
    for number, parts in enumerate(drawn):
        passages, end = [], 0
        for gap, text, edges in parts:
            offset = end + gap
            places = [(start, min(length, len(text) - start)) for start, length in edges if start < len(text)]
            found = [
                annotation(f"{len(passages)}.{index}", text[start : start + length], (offset + start, length))
                for index, (start, length) in enumerate(places)
                if text[start : start + length].strip()
            ]
            passages.append(passage(offset, text, *found))
            end = offset + len(text) if text else end
        documents.append(document(*passages, name=str(number)))
    records = read(tmp_path_factory.mktemp("bioc"), form, documents)
    for record, entry in zip(records, documents, strict=True):
        text, spans = brute_force(entry)
        assert (record.id, record.text) == (entry["id"], text)
        assert [(span.start, span.end, span.id) for span in record.spans] == spans
