"""Banks, marks and noise of the stand-ins, each by itself."""

from random import Random

import pytest

from corpus_scripts.synthetic.identities import PARTS, part_of
from corpus_scripts.synthetic.standin.difficulty import Difficulty, Draw, bank
from corpus_scripts.synthetic.standin.markup import Mark, Marked, render
from corpus_scripts.synthetic.standin.noise import WIDTH, mistype, roughen


@pytest.mark.parametrize("items", [tuple("abcde"), tuple("abcdefghijk")])
def test_bank_parts_share_nothing_and_leave_nothing_out(items):
    parts = [bank(items, part) for part in ("train", "dev", "test")]
    assert all(parts)
    assert sorted(item for part in parts for item in part) == sorted(items)


def test_draw_of_a_filler_without_value_for_a_part_is_a_fault():
    for part in PARTS:
        draw = Draw(Random(0), part, Difficulty(1))
        if part == part_of("always"):
            assert draw.value("slot", lambda rng: "always") == "always"
            assert draw.used == {"always"}
        else:
            with pytest.raises(AssertionError, match="slot"):
                draw.value("slot", lambda rng: "always")


def test_render_keeps_marks_where_their_words_are():
    marked = render(
        "[A=x:ab|[B|{one}] of {two}] and [C|c].", {"one": "1st", "two": "[D|{three}]", "three": "3"}.get
    )
    assert marked.text == "1st of 3 and c."
    assert [(marked.text[m.start : m.end], m.label, m.value, m.links) for m in marked.marks] == [
        ("1st of 3", "A", "x", "ab"), ("1st", "B", "", ""), ("3", "D", "", ""), ("c", "C", "", ""),
    ]  # fmt: skip


def test_roughen_moves_marks_with_their_words():
    words = [f"chronic{n % 7} bilateral patient history of swelling{n}" for n in range(200)]
    marked, start = Marked(""), 0
    for number, word in enumerate(words):
        marked = marked + Marked(word, (Mark(0, len(word), str(number)),)) + " and "
    rough = roughen(marked, Random(1), Difficulty(1), wrap=True)
    assert len(rough.marks) == len(words)
    for number, mark in enumerate(rough.marks):
        text = rough.text[mark.start : mark.end]
        assert text == text.strip()
        assert text.split()[0].startswith(("chronic", "c"))
        assert text.endswith(str(number))
        assert mark.start >= start
        start = mark.end
    assert max(map(len, rough.text.split("\n"))) <= WIDTH + 30
    assert rough.text != marked.text
    assert roughen(marked, Random(1), Difficulty(0), wrap=True) == marked


def test_roughen_leaves_placeholders_and_markers_alone():
    text = "patient [**Hospital history 18**] with @CHEMICAL$ and @GENE$ history " * 200
    rough = roughen(Marked(text), Random(0), Difficulty(1)).text
    for kept in ("[**Hospital history 18**]", "@CHEMICAL$", "@GENE$"):
        assert rough.count(kept) == 200


def test_mistype_changes_one_place_and_keeps_the_first_letter():
    rng = Random(0)
    for _ in range(300):
        wrong = mistype("swelling", rng)
        assert wrong != "swelling"
        assert wrong[0] == "s"
        assert abs(len(wrong) - 8) <= 1
