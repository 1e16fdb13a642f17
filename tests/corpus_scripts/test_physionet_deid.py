"""Marks and surrogates are put together again: pytest tests/corpus_scripts/test_physionet_deid.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.formats.physionet_deid import class_of, read_physionet_deid
from corpus_scripts.tally import Tally


def put(folder, *pairs):
    for name, column in (("id.text", 0), ("id.res", 1)):
        records = (
            f"\nSTART_OF_RECORD={number // 2}||||{number}||||\n{pair[column]}\n||||END_OF_RECORD\n"
            for number, pair in enumerate(pairs)
        )
        (folder / name).write_bytes("".join(records).encode())


def read(folder, *pairs, tally=None):
    put(folder, *pairs)
    return list(read_physionet_deid(folder, tally if tally is not None else Tally()))


def mentions(record):
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def test_physionet_deid_mentions_stand_where_the_marks_stand(tmp_path):
    text = "Pt seen by Dr. Orrin, 8-12.\nCall (617) 555-0101 x2; age 93.\nOrrin"
    marked = (
        "Pt seen by Dr. [**Last Name (STitle) 12**], [**8-12**].\n"
        "Call [**Telephone/Fax (1) 33**]; age [**Age over 90 **].\n[**Known lastname 4**]"
    )
    tally = Tally()
    first, second = read(tmp_path, (text, marked), ("no marks here", "no marks here"), tally=tally)
    assert (first.id, first.text, first.meta) == ("0-0", text + "\n", {"patient": "0"})
    assert mentions(first) == [
        ("Orrin", "name"),
        ("8-12", "date"),
        ("(617) 555-0101 x2", "phone_nb"),
        ("93", "age"),
        ("Orrin", "name"),
    ]
    assert second.spans == ()
    assert not tally.repaired


def test_physionet_deid_ambiguous_borders_are_counted(tmp_path):
    tally = Tally()
    [record] = read(
        tmp_path,
        (
            "at Mass General Smith today, KimLee",
            "at [**Hospital**] [**Last Name**] today, [**Name**][**Hospital**]",
        ),
        tally=tally,
    )
    assert mentions(record) == [("Mass General", "location"), ("Smith", "name"), ("KimLee", "name")]
    assert tally.repaired == {"border_of_marks_guessed": 1, "touching_marks_joined": 1}


def test_physionet_deid_unknown_mark_is_kept_as_other(tmp_path):
    tally = Tally()
    [record] = read(tmp_path, ("of Zorblax tribe", "of [**Ethnicity**] tribe"), tally=tally)
    assert mentions(record) == [("Zorblax", "other")]
    assert tally.repaired == {"unknown_mark_as_other": 1}


@pytest.mark.parametrize(
    "mark, label",
    [
        ("Doctor First Name 8", "name"),
        ("Hospital1 18", "location"),
        ("Street Address(2)", "location"),
        ("E-mail address", "other"),
        ("Pager number", "phone_nb"),
        ("Unit Number", "location"),
        ("2102-3-4", "date"),
        ("3-17", "date"),
        ("1999", "date"),
        ("Month/Year 1", "date"),
        ("Date range (1)", "date"),
        ("", "other"),
        ("Company 12", "other"),
        ("Medical Record Number", "other"),
        ("State", "location"),
        ("Holiday", "date"),
        ("Ethnicity", None),
    ],
)
def test_physionet_deid_marks_have_classes(mark, label):
    assert class_of(mark) == label


@pytest.mark.parametrize(
    "text, marked",
    [
        ("by Orrin", "by [**Name**] tomorrow"),
        ("by Orrin", "to [**Name**]"),
        ("Orrin b c", "a d c"),
        ("by  x", "by [**Name**] [**Name**] x"),
    ],
)
def test_physionet_deid_files_that_differ_are_refused_not_swallowed(tmp_path, text, marked):
    with pytest.raises(ValueError, match=r"BC626.*0-0") as caught:
        read(tmp_path, (text, marked))
    assert "Orrin" not in str(caught.value)


@pytest.mark.parametrize(
    "text, marked, found",
    [
        ("by Orrin today", "by [**Name**] tomorrow", ["Orrin"]),
        ("seen by Orrin Vale, at noon", "seen twice by [**Name**] at noon", ["Orrin Vale,"]),
        ("a b", "a c", []),
        ("x Orrin y  z Vale end", "x [**Name**] y z [**Name**] end", ["Orrin", "Vale"]),
        ("x Kim y w Vale end", "x [**Name**] y [**Name**] end", ["Kim", "w Vale"]),
    ],
)
def test_physionet_deid_a_difference_costs_its_own_place_only(tmp_path, text, marked, found):
    tally = Tally()
    [record] = read(tmp_path, (text, marked), tally=tally)
    assert [record.text[span.start : span.end].strip() for span in record.spans] == found
    assert tally.repaired["plain_words_differ"] <= 1


def test_physionet_deid_missing_or_unequal_files_are_refused(tmp_path):
    put(tmp_path, ("a", "a"), ("b", "b"))
    res = tmp_path / "id.res"
    res.write_text(res.read_text().replace("=0||||1", "=0||||9"))
    with pytest.raises(ValueError, match="BC626"):
        list(read_physionet_deid(tmp_path, Tally()))
    res.unlink()
    with pytest.raises(ValueError, match="BC609"):
        list(read_physionet_deid(tmp_path, Tally()))


PLAIN = st.text("ab. \n", min_size=1, max_size=6).filter(str.strip)
SURROGATE = st.text("XY", min_size=1, max_size=5)


@given(st.lists(st.tuples(PLAIN, SURROGATE), max_size=6), PLAIN)
@settings(max_examples=150, deadline=None)
def test_physionet_deid_surrogates_unlike_their_surroundings_are_found(tmp_path_factory, parts, last):
    text = "".join(plain + surrogate for plain, surrogate in parts) + last
    marked = "".join(plain + "[**Name**]" for plain, _ in parts) + last
    [record] = read(tmp_path_factory.mktemp("deid"), (text, marked))
    assert mentions(record) == [(surrogate, "name") for _, surrogate in parts]


def test_physionet_deid_corpus_is_carved_by_patient(tmp_path):
    put(tmp_path, *[(f"by Orrin {number}", f"by [**Name**] {number}") for number in range(40)])
    parts = read_corpus(find_corpus("physionet_deid"), tmp_path, seed=0, split="checksum")
    patients = [{record.meta["patient"] for record in part.records} for part in parts]
    assert [len(part.records) for part in parts] == [28, 4, 8]
    assert len(set.union(*patients)) == sum(map(len, patients)) == 20
