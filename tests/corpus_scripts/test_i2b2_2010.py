"""Concepts by line and token, in exact and in published mode: pytest tests/corpus_scripts/test_i2b2_2010.py."""

import pytest

from corpus_scripts.corpora.published_i2b2 import read_2010
from corpus_scripts.formats.i2b2_2010 import read_i2b2_2010
from corpus_scripts.tally import Tally

TEXT = "Chief Complaint :\n Left   Knee pain .\nNo chest\npain , on Zelbane 5 mg .\n"
CONCEPTS = (
    'c="left knee pain" 2:1 2:3||t="problem"\n'
    'c="chest pain" 3:1 4:0||t="problem"\n'
    'c="zelbane" 4:3 4:3||t="treatment"\n'
)


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return folder


def read(folder, text=TEXT, concepts=CONCEPTS, tally=None, extra=(), **options):
    put(folder, {"txt/n1.txt": text, "concept/n1.con": concepts, **dict(extra)})
    return list(read_i2b2_2010(folder, tally if tally is not None else Tally(), **options))


def mentions(record):
    return [(record.text[span.start : span.end], span.label, span.id) for span in record.spans]


def test_i2b2_2010_concepts_stand_where_lines_and_tokens_say(tmp_path):
    tally = Tally()
    [record] = read(tmp_path, tally=tally)
    assert (record.id, record.text) == ("n1", TEXT)
    assert mentions(record) == [
        ("Left   Knee pain", "problem", "T1"), ("chest\npain", "problem", "T2"), ("Zelbane", "treatment", "T3"),
    ]  # fmt: skip
    assert not tally.repaired
    assert not tally.dropped


def test_i2b2_2010_windows_line_ends_are_kept_and_change_no_place(tmp_path):
    [record] = read(tmp_path, TEXT.replace("\n", "\r\n"), CONCEPTS.replace("\n", "\r\n"))
    assert record.text == TEXT.replace("\n", "\r\n")
    assert [found[0] for found in mentions(record)] == ["Left   Knee pain", "chest\r\npain", "Zelbane"]


@pytest.mark.parametrize(
    "text, place, found",
    [
        (" on folate now", "1:1 1:1", "folate"),  # no empty token before the leading space
        ("on  folate now", "1:2 1:2", "folate"),  # each space counts
        ("on\tfolate now", "1:1 1:1", "folate"),  # a tab parts, too
    ],
)
def test_i2b2_2010_other_ways_of_counting_are_found_by_the_text_and_counted(tmp_path, text, place, found):
    tally = Tally()
    [record] = read(tmp_path, text, f'c="folate" {place}||t="treatment"\n', tally)
    assert mentions(record)[0][0] == found
    assert tally.repaired == {"tokens_counted_otherwise": 1}


def test_i2b2_2010_quotes_and_bars_inside_the_text(tmp_path):
    [record] = read(tmp_path, 'A "cold" || spot\n', 'c="a "cold" || spot" 1:0 1:3||t="problem"\n')
    assert mentions(record)[0][0] == 'A "cold" || spot'


def test_i2b2_2010_assertions_and_relations_become_meta(tmp_path):
    extra = {
        "ast/n1.ast": 'c="chest pain" 3:1 4:0||t="problem"||a="absent"\nc="gone" 9:9 9:9||t="problem"||a="present"\n',
        "rel/n1.rel": 'c="zelbane" 4:3 4:3||r="TrAP"||c="chest pain" 3:1 4:0\n',
    }
    tally = Tally()
    [record] = read(tmp_path, extra=extra, tally=tally)
    assert record.meta == {
        "assertions": [{"mention": "T2", "assertion": "absent"}],
        "relations": [{"type": "TrAP", "from": "T3", "to": "T2"}],
    }
    assert tally.dropped == {"reference_to_no_concept": 1}


@pytest.mark.parametrize(
    "concepts, line",
    [
        (CONCEPTS.replace("zelbane", "zelbone"), 3),
        (CONCEPTS.replace("4:3 4:3", "4:4 4:4"), 3),
        (CONCEPTS.replace("4:3 4:3", "9:3 9:3"), 3),
        (CONCEPTS.replace("4:3 4:3", "0:0 0:0"), 3),
        (CONCEPTS.replace("4:3 4:3", "4:3 3:0"), 3),
        (CONCEPTS.replace('||t="treatment"', ""), 3),
        (CONCEPTS.replace("2:1 2:3", "2:1"), 1),
        ("chest pain\n", 1),
    ],
)
def test_i2b2_2010_mismatch_is_refused_with_file_and_line(tmp_path, concepts, line):
    with pytest.raises(ValueError, match=rf"BC647.*n1\.con, line {line}:") as caught:
        read(tmp_path, concepts=concepts)
    assert "Knee" not in str(caught.value)
    assert "chest" not in str(caught.value)


def test_i2b2_2010_mismatch_can_be_kept_and_is_counted(tmp_path):
    tally = Tally()
    [record] = read(tmp_path, concepts=CONCEPTS.replace("zelbane", "zelbone"), tally=tally, mismatch="keep")
    assert mentions(record)[2][0] == "Zelbane"
    assert tally.repaired == {"text_differs_from_tag": 1}
    with pytest.raises(ValueError, match="BC622"):
        read(tmp_path, mismatch="ignore")


def test_i2b2_2010_folders_of_the_release(tmp_path):
    tally = Tally()
    one, two = "one cough\n", "two coughs\n"
    put(tmp_path, {
        "beth/txt/record-1.txt": one, "beth/concept/record-1.con": 'c="cough" 1:1 1:1||t="problem"\n',
        "partners/txt/018.txt": two, "partners/concept/018.con": "",
        "partners/unannotated/777.txt": "x", "partners/txt/._018.txt": "x",
        "test_data/0001.txt": one, "reference_standard_for_test_data/concepts/0001.con": "",
    })  # fmt: skip
    records = list(read_i2b2_2010(tmp_path, tally))
    assert [(record.id, len(record.spans)) for record in records] == [
        ("0001", 0),
        ("018", 0),
        ("record-1", 1),
    ]
    assert tally.dropped == {"unannotated_document": 1}


def test_i2b2_2010_same_name_in_two_folders_is_paired_by_folder(tmp_path):
    put(tmp_path, {
        "a/txt/n.txt": "cough", "a/concept/n.con": 'c="cough" 1:0 1:0||t="problem"',
        "b/txt/n.txt": "fever", "b/concept/n.con": 'c="fever" 1:0 1:0||t="problem"',
    })  # fmt: skip
    assert [record.text for record in read_i2b2_2010(tmp_path, Tally())] == ["cough", "fever"]


@pytest.mark.parametrize("gone", ["txt/n1.txt", "concept/n1.con"])
def test_i2b2_2010_missing_partner_is_refused(tmp_path, gone):
    read(tmp_path, extra={"txt/n2.txt": "x", "concept/n2.con": ""})
    (tmp_path / gone).unlink()
    with pytest.raises(ValueError, match=r"BC648.*n1"):
        list(read_i2b2_2010(tmp_path, Tally()))


def test_i2b2_2010_folder_without_concepts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="BC612"):
        list(read_i2b2_2010(put(tmp_path, {"txt/n1.txt": "x"}), Tally()))


def published(folder, text=TEXT, concepts=CONCEPTS):
    put(folder, {"txt/n1.txt": text, "concept/n1.con": concepts})
    return {record.id: (record.text, " ".join(record.meta["tags"])) for record in read_2010(folder, Tally())}


def test_i2b2_2010_published_lines_and_tags(tmp_path):
    # The concept over two lines: the last token of the first line is its beginning here, the first of the last its end.
    assert published(tmp_path) == {
        "n1:1": ("Chief Complaint :", "O O O"),
        "n1:2": ("Left Knee pain .", "B-problem I-problem I-problem O"),
        "n1:3": ("No chest", "O B-problem"),
        "n1:4": ("pain , on Zelbane 5 mg .", "I-problem O O B-treatment O O O"),
    }


def test_i2b2_2010_published_loses_tags_around_a_line_break(tmp_path):
    found = published(tmp_path, "a severe chest\nwall pain now\n", 'c="x" 1:1 2:1||t="problem"\n')
    assert [tags for _, tags in found.values()] == ["O B-problem O", "O I-problem O"]


def test_i2b2_2010_published_word_with_a_tab_loses_what_follows(tmp_path):
    assert published(tmp_path, "a\tb c\n", "")["n1:1"] == ("a c", "O O")


@pytest.mark.parametrize(
    "concept", ['c="Chief" 1:0 1:0||t="test"', 'c="chief" 1:1 1:1||t="test"', 'c="x" 9:1 9:1||t="test"']
)
def test_i2b2_2010_published_stops_where_the_script_does(tmp_path, concept):
    with pytest.raises(ValueError, match=r"BC651.*n1\.con, line 1"):
        published(tmp_path, concepts=concept)
