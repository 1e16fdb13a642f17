"""Each fault of the paper's DEID loader, shown and repaired: pytest tests/corpus_scripts/test_published_deid.py."""

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from corpus_scripts.corpora.published.deid import LABELS, class_of, read_deid
from corpus_scripts.formats import physionet_deid as exact
from corpus_scripts.formats.physionet_deid import read_physionet_deid
from corpus_scripts.record import check_record
from corpus_scripts.tally import Tally


def put(folder, *pairs):
    for name, column in (("id.text", 0), ("id.res", 1)):
        (folder / name).write_bytes(
            "".join(
                f"\nSTART_OF_RECORD={number}||||{number + 1}||||\n{pair[column]}\n||||END_OF_RECORD\n"
                for number, pair in enumerate(pairs)
            ).encode()
        )
    return folder


def tagged(record):
    words = [record.text[start:end] for start, end in record.tokens]
    return list(zip(words, record.meta["tags"]))


def published(folder, text, marked, tally=None):
    [record] = read_deid(put(folder, (text, marked)), tally or Tally())
    check_record(record)
    assert record.text == " ".join(word for word, _ in tagged(record))
    entities = get_entities(record.meta["tags"])
    spans = [(label, record.tokens[start][0], record.tokens[end][1]) for label, start, end in entities]
    assert [(span.label, span.start, span.end) for span in record.spans] == spans
    return tagged(record)


def repaired(folder, text, marked, tally=None):
    [record] = read_physionet_deid(put(folder, (text, marked)), tally or Tally())
    check_record(record)
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def test_deid_published_cleans_and_splits_at_white_space(tmp_path):
    text, marked = "seen by Jane.\nAge 93", "seen by [**First Name**].\nAge [**Age over 90**]"
    assert published(tmp_path, text, marked) == [
        ("seen", "O"), ("by", "O"), ("Jane", "B-name"), (".", "O"), ("Age", "O"), ("93", "B-age"),
    ]  # fmt: skip
    [record] = read_deid(tmp_path, Tally())
    assert (record.id, record.meta["patient"]) == ("0-1", "0")


def test_deid_masks_parted_by_a_space(tmp_path):
    text, marked = "at Mass General Smith", "at [**Hospital**] [**Last Name**]"
    assert published(tmp_path, text, marked) == [
        ("at", "O"), ("Mass", "B-location"), ("General", "B-name"), ("Smith", "I-name"),
    ]  # fmt: skip
    assert repaired(tmp_path, text, marked) == [("Mass General", "location"), ("Smith", "name")]


def test_deid_touching_masks(tmp_path):
    text, marked = "by Kim Lee at noon", "by [**First Name**][**Hospital**] at noon"
    assert published(tmp_path, text, marked) == [
        ("by", "O"), ("Kim", "B-name"), ("Lee", "I-name"), ("at", "I-name"), ("noon", "I-name"),
        ("at", "O"), ("noon", "O"),
    ]  # fmt: skip
    assert repaired(tmp_path, text, marked) == [("Kim", "name"), ("Lee", "location")]


def test_deid_plain_words_that_differ(tmp_path):
    text, marked = "by Kim at noon, home", "by [**First Name**] at moon, home"
    assert published(tmp_path, text, marked) == [
        ("by", "O"), ("Kim", "B-name"), ("at", "I-name"), ("noon,", "I-name"), ("home", "I-name"),
        ("at", "O"), ("moon,", "O"), ("home", "O"),
    ]  # fmt: skip
    tally = Tally()
    assert repaired(tmp_path, text, marked, tally) == [("Kim", "name")]
    assert tally.repaired == {"plain_words_differ": 1}


@pytest.mark.parametrize(
    "mask, published_class, exact_class",
    [
        ("Hospital Ward Name 3", "name", "location"),
        ("Hospital Unit Name 10", "name", "location"),
        ("Wardname 1", "name", "location"),
        ("2102-3-4", None, "date"),
        ("03-2102", None, "date"),
        ("Month/Day", None, "date"),
        ("Year (4 digits)", None, "date"),
        ("State", None, "location"),
        ("Country", None, "location"),
        ("University", None, "location"),
        ("Apartment Address", None, "location"),
        ("Holiday", None, "date"),
        ("Medical Record Number", None, "other"),
        ("Social Security Number", None, "other"),
        ("2102-03-04", "date", "date"),
        ("3-17", "date", "date"),
        (" 12 ", "date", "date"),
        ("Date Range (1)", "date", "date"),
        ("Month/Year 2", "date", "date"),
        ("Known LASTNAME", "name", "name"),
        ("E-mail address 3", "other", "other"),
        ("Email Address", "other", "other"),
        ("Telephone/Fax (1)", "phone_nb", "phone_nb"),
        ("Pager number", "phone_nb", "phone_nb"),
        ("Age over 90", "age", "age"),
        ("Location (un)", "location", "location"),
        ("Street Address(2)", "location", "location"),
        ("Unit Number 7", "location", "location"),
        ("", "other", "other"),
        ("Company 4", "other", "other"),
    ],
)
def test_deid_classes_of_masks(tmp_path, mask, published_class, exact_class):
    assert class_of(mask) == published_class
    assert exact.class_of(mask) == exact_class
    text, marked = "at Zorblax now", f"at [**{mask}**] now"
    assert repaired(tmp_path, text, marked) == [("Zorblax", exact_class)]
    if published_class:
        assert published(tmp_path, text, marked)[1] == ("Zorblax", f"B-{published_class}")
    else:
        with pytest.raises(ValueError, match=r"BC640.*record 0-1 at line 2.*--mode exact") as caught:
            published(tmp_path, text, marked)
        assert "Zorblax" not in str(caught.value)


def test_deid_empty_record(tmp_path):
    put(tmp_path, ("a", "a"), ("", ""))
    with pytest.raises(ValueError, match=r"BC640.*record 1-2 at line 6.*no token.*--mode exact"):
        list(read_deid(tmp_path, Tally()))
    assert [record.text.strip() for record in read_physionet_deid(tmp_path, Tally())] == ["a", ""]


def test_deid_files_of_unequal_length(tmp_path):
    put(tmp_path, ("a", "a"), ("b", "b"))
    result = tmp_path / "id.res"
    result.write_bytes(result.read_bytes()[: result.read_bytes().index(b"\nSTART_OF_RECORD=1")])
    tally = Tally()
    assert [record.text for record in read_deid(tmp_path, tally)] == ["a"]
    assert tally.dropped == {"published_record_without_partner": 1}
    with pytest.raises(ValueError, match=r"BC626.*2 and 1 records"):
        list(read_physionet_deid(tmp_path, Tally()))


@pytest.mark.parametrize("damage", ["no end", "no head", "two beginnings"])
def test_deid_exact_refuses_damaged_records(tmp_path, damage):
    put(tmp_path, ("a", "a"), ("b", "b"))
    for name in ("id.text", "id.res"):
        data = (tmp_path / name).read_text()
        data = {
            "no end": data[: data.rindex("||||END")],
            "no head": data.replace("=1||||2||||", "=1||"),
            "two beginnings": data.replace("||||END_OF_RECORD", "", 1),
        }[damage]
        (tmp_path / name).write_text(data)
    with pytest.raises(ValueError, match="BC626"):
        list(read_physionet_deid(tmp_path, Tally()))


def test_deid_published_tags_are_those_listed(tmp_path):
    pairs = [
        ("x Aa Bb y", f"x [**{mask}**] y")
        for mask in ("Age over 90", "12", "Location", "Name", "", "Pager number")
    ]
    records = list(read_deid(put(tmp_path, *pairs), Tally()))
    assert {tag for record in records for tag in record.meta["tags"]} == set(LABELS)
