"""Inline PHI tags, in exact and in published mode: pytest tests/corpus_scripts/test_i2b2_2006.py."""

import re

import pytest

from corpus_scripts.corpora.published_i2b2 import read_2006
from corpus_scripts.formats.i2b2_2006 import read_i2b2_2006
from corpus_scripts.tally import Tally

NOTE = """<?xml version="1.0" encoding="UTF-8"?>
<ROOT>
<RECORD ID="7">
<TEXT>
<PHI TYPE="ID">4451</PHI>
Seen <PHI TYPE="DATE">01/02</PHI>/1995 by Dr. <PHI TYPE="DOCTOR">Orla &amp; Finn Quist</PHI>, R&D &lt; 3
at <PHI TYPE="HOSPITAL">Nor
Vale</PHI>.
</TEXT>
</RECORD>
<RECORD ID="8">
<TEXT>
Aged <PHI TYPE="AGE">93</PHI>
</TEXT>
</RECORD>
</ROOT>
"""


def write(folder, content, name="train.xml"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def mentions(record):
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def test_i2b2_2006_keeps_text_and_every_tagged_character(tmp_path):
    tally = Tally()
    first, second = read_i2b2_2006(write(tmp_path, NOTE), tally)
    assert (first.id, second.id) == ("7", "8")
    assert first.text == "4451\nSeen 01/02/1995 by Dr. Orla & Finn Quist, R&D < 3\nat Nor\nVale.\n"
    assert mentions(first) == [
        ("4451", "ID"), ("01/02", "DATE"), ("Orla & Finn Quist", "DOCTOR"), ("Nor\nVale", "HOSPITAL"),
    ]  # fmt: skip
    assert mentions(second) == [("93", "AGE")]
    assert tally.repaired == {"bare_ampersand": 1}
    assert not tally.dropped


def test_i2b2_2006_windows_line_ends_and_byte_order_mark_change_nothing(tmp_path):
    plain = [(r.id, r.text, r.spans) for r in read_i2b2_2006(write(tmp_path, NOTE), Tally())]
    data = b"\xef\xbb\xbf" + NOTE.replace("\n", "\r\n").encode()
    tally = Tally()
    assert [(r.id, r.text, r.spans) for r in read_i2b2_2006(write(tmp_path, data), tally)] == plain
    assert tally.repaired["line_ends_as_xml_reads_them"] == 1


def test_i2b2_2006_slips_of_markup_are_counted(tmp_path):
    content = NOTE.replace("Aged", 'pH < 7</PHI> <PHI TYPE="ID"></PHI>Aged').replace(
        "Vale</PHI>.\n</TEXT>", "Vale</PHI>."
    )
    tally = Tally()
    first, second = read_i2b2_2006(write(tmp_path, content), tally)
    assert second.text == "pH < 7 Aged 93\n"
    assert mentions(second) == [("93", "AGE")]
    assert first.text.endswith("Vale.\n")
    assert tally.repaired == {
        "bare_ampersand": 1, "bare_less_than": 1, "stray_end_of_mention": 1, "missing_end_of_text": 1,
    }  # fmt: skip
    assert tally.dropped == {"empty_mention": 1}


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("93</PHI>", "93", 14),
        ("Aged", 'Aged <PHI TYPE="AGE">', 13),
        ('<PHI TYPE="AGE">', "<PHI TYPE=AGE>", 13),
        ("</TEXT>\n</RECORD>\n</ROOT>", "", 11),
        ("<TEXT>\nAged", "Aged", 11),
        ("</TEXT>\n</RECORD>\n</ROOT>", "</TEXT>\nmore\n</RECORD></ROOT>", 14),
        ("<ROOT>", "<ROOT>stray", 1),
    ],
)
def test_i2b2_2006_broken_markup_is_refused_with_its_line(tmp_path, old, new, line):
    with pytest.raises(ValueError, match=rf"BC645.*train\.xml, line {line}:") as caught:
        list(read_i2b2_2006(write(tmp_path, NOTE.replace(old, new)), Tally()))
    assert "Quist" not in str(caught.value)
    assert "Aged" not in str(caught.value)


def test_i2b2_2006_file_without_records_is_refused(tmp_path):
    with pytest.raises(ValueError, match="BC612"):
        list(read_i2b2_2006(write(tmp_path, "<ROOT></ROOT>"), Tally()))


def published(folder, *lines, part="test", tally=None):
    path = write(folder, "".join(f"{line}\n" for line in lines))
    records = read_2006(path, tally if tally is not None else Tally(), part=part)
    return [(record.text.split(" "), record.meta["tags"]) for record in records]


@pytest.mark.parametrize(
    "line, words, tags",
    [
        ('by <PHI TYPE="DOCTOR">Orla F Quist</PHI> today', "by Orla F Quist today", "O B-DOCTOR I-DOCTOR I-DOCTOR O"),
        # glued: the first word of the PHI is kept, the rest of the word is O without its "/" or "-"
        ('<PHI TYPE="DATE">01/02</PHI>/1995', "01/02 1995", "B-DATE O"),
        ('<PHI TYPE="DATE">01-02</PHI>-95', "01-02 95", "B-DATE O"),
        ('<PHI TYPE="DOCTOR">Orla Quist</PHI>, seen', "Orla , seen", "B-DOCTOR O O"),
        ('1995<PHI TYPE="DATE">0102 03</PHI>', "1995 0102", "O B-DATE"),
        # nothing behind the slash: an empty word, which the reader takes for its tag
        ('<PHI TYPE="DATE">01</PHI>/ x', "01 O x", "B-DATE O O"),
        # two that touch, or one inside a word: the placeholder comes out, and the next PHI gets the wrong tag
        (
            '<PHI TYPE="DATE">01</PHI>/<PHI TYPE="ID">77</PHI> and <PHI TYPE="AGE">93</PHI>',
            "01 __phi__ and 77", "B-DATE O O B-ID",
        ),
        ('(<PHI TYPE="DATE">01</PHI>) <PHI TYPE="ID">77</PHI>', "(__phi__) 01", "O B-DATE"),
        ("R&amp;D", "R&amp;D", "O"),
    ],
)  # fmt: skip
def test_i2b2_2006_published_words_with_their_faults(tmp_path, line, words, tags):
    assert published(tmp_path, line) == [(words.split(" "), tags.split(" "))]


def test_i2b2_2006_published_skips_markup_lines_but_not_the_declaration(tmp_path):
    found = published(tmp_path, *NOTE.split("\n"))
    assert found[0][0][0] == "<?xml"
    assert [words for words, _ in found[1:3]] == [
        ["4451"],
        ["Seen", "01/02", "1995", "by", "Dr.", "Orla", ",", "R&D", "&lt;", "3"],
    ]


def test_i2b2_2006_published_stops_at_an_empty_tag(tmp_path):
    with pytest.raises(ValueError, match=r"BC651.*line 2"):
        published(tmp_path, "a", '<PHI TYPE="ID"> </PHI>')


@pytest.mark.parametrize("seed", range(12))
def test_i2b2_2006_published_split_is_that_of_the_files_it_wrote(tmp_path, seed):
    """The script's own way: print, split at double line breaks, join, and read sentence by sentence."""
    import random

    draw = random.Random(seed)
    lines = [draw.choice(["", "", f"w{n}", f"w{n} x"]) for n in range(draw.randint(6, 30))] + ["end"]
    printed = "".join("".join(f"{word} O\n" for word in line.split()) + "\n" for line in lines)
    chunks = printed.strip().split("\n\n")
    cut = int(0.7 * len(chunks))
    for part, chosen in (("train", chunks[:cut]), ("dev", chunks[cut:])):
        sentences, words = [], []
        for line in re.findall(r"[^\n]*\n|[^\n]+", "\n\n".join(chosen)):
            if line.strip():
                words.append(line.split()[0])
            elif words:
                sentences.append(words)
                words = []
        assert [found for found, _ in published(tmp_path, *lines, part=part)] == sentences
