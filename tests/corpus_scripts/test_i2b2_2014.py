"""PHI by offsets, checked and repaired, in both modes: pytest tests/corpus_scripts/test_i2b2_2014.py."""

from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.corpora.published_i2b2 import read_2014
from corpus_scripts.formats.i2b2_2014 import read_i2b2_2014
from corpus_scripts.formats.i2b2_xml import parse_i2b2_xml
from corpus_scripts.tally import Tally

TEXT = "\nRecord date: 2067-11-30\n\nSeen by Dr. Orla Quist,M.D.\nat Norvale\nGeneral <3 & co.\n"
PHI = [("DATE", "2067-11-30"), ("DOCTOR", "Orla Quist"), ("HOSPITAL", "Norvale\nGeneral")]


def tag(text, label, found, *, shift=0, name=None, written=None):
    start = text.index(found) + shift
    attributes = {
        "id": "P0",
        "start": start,
        "end": start + len(found),
        "text": written or found,
        "TYPE": label,
        "comment": "",
    }
    return (
        f"<{name or 'NAME'} "
        + " ".join(f"{key}={quoteattr(str(value))}" for key, value in attributes.items())
        + " />\n"
    )


def xml(text, tags):
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<deIdi2b2>\n'
        f"<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{''.join(tags)}</TAGS>\n</deIdi2b2>"
    )


def put(folder, content, name="180-03.xml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder, content, tally=None, **options):
    put(folder, content)
    [record] = read_i2b2_2014(folder, tally if tally is not None else Tally(), **options)
    return record


def mentions(record):
    return [(span.label, record.text[span.start : span.end]) for span in record.spans]


def test_i2b2_2014_text_is_the_cdata_and_mentions_stand_in_it(tmp_path):
    tally = Tally()
    record = read(tmp_path, xml(TEXT, [tag(TEXT, *phi) for phi in PHI]), tally)
    assert (record.id, record.text, record.meta) == ("180-03", TEXT, {"patient": "180"})
    assert mentions(record) == PHI
    assert {span.id for span in record.spans} == {"P0"}
    assert not tally.repaired
    assert not tally.dropped


def test_i2b2_2014_windows_line_ends_are_read_as_xml_prescribes(tmp_path):
    tally = Tally()
    record = read(tmp_path, xml(TEXT, [tag(TEXT, *phi) for phi in PHI]).replace("\n", "\r\n"), tally)
    assert record.text == TEXT
    assert mentions(record) == PHI
    assert tally.repaired == {"line_ends_as_xml_reads_them": 1}


def test_i2b2_2014_offsets_that_count_bytes_are_converted(tmp_path):
    """As in 180-03.xml, where a street with typographic apostrophes moves all that follows."""
    text = "\nLives at 0 O’ril’s Court\nSeen by Orla Quist, Norvale\n"
    tags = []
    for label, found in (("STREET", "0 O’ril’s Court"), ("DOCTOR", "Orla Quist"), ("HOSPITAL", "Norvale")):
        start = len(text[: text.index(found)].encode())
        end = start + len(found.encode())
        tags.append(f'<X id="P1" start="{start}" end="{end}" text="{found}" TYPE="{label}" />\n')
    tally = Tally()
    record = read(tmp_path, xml(text, tags), tally)
    assert mentions(record) == [
        ("STREET", "0 O’ril’s Court"),
        ("DOCTOR", "Orla Quist"),
        ("HOSPITAL", "Norvale"),
    ]
    assert tally.repaired == {"offsets_in_bytes": 3}


@pytest.mark.parametrize("shift", [-4, 4, 30])
def test_i2b2_2014_moved_offset_is_repaired_where_the_text_stands_once_nearby(tmp_path, shift):
    tally = Tally()
    record = read(tmp_path, xml(TEXT, [tag(TEXT, *PHI[1], shift=shift), tag(TEXT, *PHI[2])]), tally)
    assert mentions(record) == PHI[1:]
    assert tally.repaired == {"offset_moved": 1}


@pytest.mark.parametrize(
    "text, shift",
    [(TEXT + "Orla Quist", 4), (TEXT + " " * 200, 120), ("\n" + "x" * 60 + TEXT, -60)],
)
def test_i2b2_2014_offset_that_cannot_be_repaired_is_refused_with_its_line(tmp_path, text, shift):
    content = xml(text, [tag(text, *PHI[1], shift=shift)])
    line = content[: content.index("<NAME")].count("\n") + 1
    with pytest.raises(ValueError, match=rf"BC646.*180-03\.xml, line {line}:") as caught:
        read(tmp_path, content)
    assert "Quist" not in str(caught.value)
    tally = Tally()
    record = read(tmp_path, content, tally, mismatch="keep")
    assert record.spans[0].start == text.index("Orla") + shift
    assert tally.repaired == {"text_differs_from_tag": 1}


def test_i2b2_2014_offset_outside_the_text_is_refused_even_if_kept(tmp_path):
    for mismatch in ("error", "keep"):
        with pytest.raises(ValueError, match="BC646"):
            read(tmp_path, xml(TEXT, [tag(TEXT, *PHI[1], shift=5000)]), mismatch=mismatch)


def test_i2b2_2014_ampersand_written_as_and(tmp_path):
    """As in 188-05.xml."""
    text = "\nworks at Quill & Quist\n"
    tally = Tally()
    record = read(
        tmp_path, xml(text, [tag(text, "ORGANIZATION", "Quill & Quist", written="Quill and Quist")]), tally
    )
    assert mentions(record) == [("ORGANIZATION", "Quill & Quist")]
    assert tally.repaired == {"ampersand_as_and": 1}


def test_i2b2_2014_file_without_tags_is_not_annotated_and_one_with_none_is(tmp_path):
    assert read(tmp_path, f"<a><TEXT><![CDATA[{TEXT}]]></TEXT></a>\n").spans is None
    assert read(tmp_path, xml(TEXT, [])).spans == ()
    assert read(tmp_path, f"<a><TEXT><![CDATA[{TEXT}]]></TEXT><TAGS/></a>").spans == ()


def test_i2b2_2014_type_outside_the_list_is_kept_and_counted(tmp_path):
    tally = Tally()
    assert mentions(read(tmp_path, xml(TEXT, [tag(TEXT, "SSN", "2067")]), tally)) == [("SSN", "2067")]
    assert tally.repaired == {"type_outside_the_list": 1}


def test_i2b2_2014_folders_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("set2/110-01.xml", "set1/220-01.xml", "set1/100-02.xml", "set1/._100-02.xml"):
        put(tmp_path, xml(TEXT, []), name)
    (tmp_path / "readme.txt").write_text("x")
    assert [record.id for record in read_i2b2_2014(tmp_path, Tally())] == ["100-02", "220-01", "110-01"]
    with pytest.raises(ValueError, match="BC612"):
        list(read_i2b2_2014(put(tmp_path, "", "empty/x").parent, Tally()))


GOOD = xml(TEXT, [tag(TEXT, *PHI[0])])


@pytest.mark.parametrize(
    "old, new",
    [
        ("<TEXT>", "<TXT>"), ("]]></TEXT>", ""), ("]]></TEXT>", "]]>"), ("</TAGS>\n</deIdi2b2>", ""),
        ("<TAGS>", ""), (' />\n</TAGS>\n</deIdi2b2>', ""), ('TYPE="DATE"', ""), ('TYPE="DATE"', 'TYPE=" "'),
        ('start="14"', 'start="x"'), ('start="14"', 'start="-1"'), ('start="14"', ""), ('end="24"', 'end="14"'),
        ("<NAME", "stray <NAME"), (' comment=""', ' id="again"'), (' comment=""', " comment"),
        ('text="2067-11-30" ', ""),
    ],
)  # fmt: skip
def test_i2b2_2014_other_shapes_are_refused(tmp_path, old, new):
    assert old in GOOD
    content = GOOD.replace(old, new)
    if old == "<TAGS>":
        content = content.replace("\n</deIdi2b2>", "")
    if old == "<TAGS>":
        content = content[: content.index("<NAME")]
    with pytest.raises(ValueError, match=r"BC645.*180-03\.xml, line \d+:") as caught:
        read(tmp_path, content)
    assert "Quist" not in str(caught.value)


def test_i2b2_xml_bare_ampersands_and_inner_quotes_are_repaired_and_counted(tmp_path):
    tags = '<EVENT id="E1" start="1" end="5" text="A&B "x" > y" mod="&amp;&#65;&#x42;" />\n'
    tags += "<!-- <X> -->\n<TLINK id='T\"1' />\n"
    tally = Tally()
    document = parse_i2b2_xml(put(tmp_path, xml("abc&amp;", [tags])), tally)
    assert document.text == "abc&amp;"
    assert document.tags[0].attributes == {
        "id": "E1",
        "start": "1",
        "end": "5",
        "text": 'A&B "x" > y',
        "mod": "&AB",
    }
    assert [(found.name, found.line) for found in document.tags] == [("EVENT", 5), ("TLINK", 7)]
    assert document.tags[1].attributes == {"id": 'T"1'}
    assert tally.repaired == {"bare_ampersand": 1, "quote_inside_value": 2}


def test_i2b2_xml_text_without_cdata_is_decoded(tmp_path):
    path = put(tmp_path, "<a><TEXT>x &lt; y <b> &amp;<![CDATA[&amp;]]></TEXT><TAGS></TAGS></a>")
    tally = Tally()
    assert parse_i2b2_xml(path, tally).text == "x < y <b> &&amp;"
    assert tally.repaired == {"bare_less_than": 1}


VALUES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("&<>\"' \n\t="), max_size=12
)


@given(
    VALUES.filter(lambda text: "]]>" not in text),
    st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES), max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_i2b2_xml_gives_what_an_xml_parser_gives(tmp_path_factory, text, tags):
    lines = [
        "<T " + " ".join(f"{key}={quoteattr(value)}" for key, value in tag.items()) + "/>\n" for tag in tags
    ]
    content = xml(text, lines)
    root = ElementTree.fromstring(content)
    tally = Tally()
    document = parse_i2b2_xml(put(tmp_path_factory.mktemp("xml"), content), tally)
    assert document.text == (root.find("TEXT").text or "")
    assert [dict(found.attributes) for found in document.tags] == [
        dict(found.attrib) for found in root.find("TAGS")
    ]
    assert not tally.repaired


def published(folder, text, *phi):
    put(folder, xml(text, [tag(text, *one) for one in phi]))
    return [(record.id, record.text, " ".join(record.meta["tags"])) for record in read_2014(folder, Tally())]


def test_i2b2_2014_published_words_are_split_where_the_tag_changes(tmp_path):
    assert published(tmp_path, TEXT, *PHI) == [
        ("180-03:2", "Record date: 2067-11-30", "O O B-DATE"),
        ("180-03:4", "Seen by Dr. Orla Quist ,M.D.", "O O O B-DOCTOR I-DOCTOR O"),
        ("180-03:5", "at Norvale", "O B-HOSPITAL"),
        ("180-03:6", "General <3 & co.", "I-HOSPITAL O O O"),
    ]


@pytest.mark.parametrize(
    "text, phi, words, tags",
    [
        ("x(Quist)y", [("DOCTOR", "Quist")], "x( Quist )y", "O B-DOCTOR O"),
        ("Quist12/3 x", [("DOCTOR", "Quist"), ("DATE", "12/3")], "Quist 12/3 x", "B-DOCTOR B-DATE O"),
        # two of one type that touch become one word
        ("AB12 x", [("ID", "AB"), ("ID", "12")], "AB12 x", "B-ID O"),
        # a later tag overwrites an earlier one
        (
            "Orla May Quist x", [("PATIENT", "Orla May Quist"), ("DOCTOR", "May")],
            "Orla May Quist x", "B-PATIENT B-DOCTOR I-PATIENT O",
        ),
        ("Quist", [("DOCTOR", "Quist")], "Quist", "B-DOCTOR"),
    ],
)  # fmt: skip
def test_i2b2_2014_published_merging(tmp_path, text, phi, words, tags):
    renamed = [(label.replace("ID", "IDNUM") if label == "ID" else label, found) for label, found in phi]
    expected = tags.replace("-ID", "-IDNUM")
    assert [found[1:] for found in published(tmp_path, text, *renamed)] == [(words, expected)]


def test_i2b2_2014_published_stops_where_the_script_does(tmp_path):
    with pytest.raises(
        ValueError, match="BC651"
    ):  # a mention that is only the last character, with no line break
        published(tmp_path, "aged 9", ("AGE", "9"))
    with pytest.raises(ValueError, match="BC651"):  # a type its list of tags lacks
        published(tmp_path, TEXT, ("SSN", "2067-11-30"))
