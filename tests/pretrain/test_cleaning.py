"""De-identification placeholders, white space, short documents; counted, never quoted."""

import re
import time
from collections import Counter

import pytest

from pretrain.cleaning import Cleaning, clean, placeholder_kind

NOTE = (
    "Seen by Dr. [**Last Name (NamePattern1) 12**] on [**2151-7-16**] at [**Hospital1 18**].\n"
    "[**First Name8 (NamePattern2) **] called [**Telephone/Fax (1) 55**]; "
    "Dr. [**Last Name\n(NamePattern1) 12**] agreed.\n"
)


def run(text, name="note-1", **settings):
    counts = Counter()
    return clean(text, name, Cleaning(**settings), counts), counts


def test_keep_changes_nothing_but_counts():
    text, counts = run(NOTE)
    assert text == NOTE
    assert counts == {
        "placeholders kept: names": 3,
        "placeholders kept: dates": 1,
        "placeholders kept: hospitals": 1,
        "placeholders kept: contacts": 1,
    }


def test_surrogates_are_of_the_kind_and_the_same_within_a_note():
    text, counts = run(NOTE, placeholders="surrogate")
    assert "[**" not in text
    match = re.fullmatch(
        r"Seen by Dr\. (\w+) on (\d+/\d+/\d{4}) at (.+ (?:Hospital|Medical Center))\.\n"
        r"(\w+) called (\(\d{3}\) 555-01\d\d); Dr\. (\w+) agreed\.\n",
        text,
    )
    assert match
    assert match[1] == match[6]
    assert sum(counts.values()) == 6
    assert run(NOTE, placeholders="surrogate")[0] == text
    others = {run(NOTE, name=f"note-{n}", placeholders="surrogate")[0] for n in range(20)}
    others |= {run(NOTE, placeholders="surrogate", seed=n)[0] for n in range(20)}
    assert len(others) > 35


def test_dropped_placeholders_leave_single_spaces():
    assert (
        run("Mr. [**Known lastname 1**] came. At [**Hospital1 2**].", placeholders="drop")[0]
        == "Mr. came. At."
    )
    assert run("[**Name**]", placeholders="drop")[0] == ""


def test_bare_placeholders_take_their_kind_from_the_line():
    text, counts = run(
        "Name: ___\nUnit No: ___\nDate of Birth: ___\nTransferred to ___", placeholders="surrogate"
    )
    assert re.fullmatch(
        r"Name: \w+ \w+\nUnit No: \d+\nDate of Birth: \d+/\d+/\d+\nTransferred to .*(Hospital|Medical Center)",
        text,
    )
    assert sum(counts.values()) == 4


def test_rulers_and_identifiers_are_no_placeholders():
    text = "_____\n a____b x___y __init__ [** open\n[*name*]"
    for how in ("surrogate", "drop"):
        cleaned, counts = run(text, placeholders=how)
        assert cleaned == text
        assert not counts


@pytest.mark.parametrize(
    "inside, kind",
    [
        ("2101-3", "dates"),
        ("12-31", "dates"),
        ("Month/Day/Year 4", "dates"),
        ("Age over 90 **", "ages"),
        ("Doctor Last Name 3", "names"),
        ("Medical Record Number 5", "numbers"),
        ("Street Address(2) 7", "places"),
        ("Hospital Ward Name 8", "hospitals"),
        ("University/College 9", "organisations"),
        ("123", "numbers"),
        ("whatever", "others"),
    ],
)
def test_kinds_of_placeholders(inside, kind):
    assert placeholder_kind(inside) == kind


def test_white_space_is_collapsed_by_option_and_short_documents_left_out():
    assert run(" a\n\n b\tc ", collapse_space=True) == ("a b c", {"space collapsed": 4})
    assert run("  ab  ", collapse_space=True, min_characters=3) == (
        None,
        {"space collapsed": 4, "too short": 1},
    )


@pytest.mark.parametrize("settings", [{"placeholders": "mask"}, {"min_characters": -1}, {"min_pieces": -1}])
def test_wrong_settings_are_errors(settings):
    with pytest.raises(ValueError, match="BC741"):
        Cleaning(**settings)


def test_hostile_text_takes_linear_time():
    begun = time.process_time()
    run("[**" * 30_000 + "___ " * 30_000, placeholders="drop")
    assert time.process_time() - begun < 5
