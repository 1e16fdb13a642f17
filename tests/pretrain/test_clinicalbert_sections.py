"""Sections and sentences of notes, as published and mended. Run: pytest tests/pretrain/test_clinicalbert_sections.py"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.clinicalbert.sections import is_inline_title, is_title, split_sections
from pretrain.clinicalbert.sentences import format_notes, note_sentences, read_notes, split_sentences

LINES = [
    "Plan:",
    "Service: MICU",
    "1. rest",
    "2. water",
    "3 C",
    "10 mg",
    "-----",
    "___",
    "",
    "",
    "well",
    "On exam:",
]
LINES += [
    "Allergies: none",
    "she is. He is",
    "- item",
    "[**Name 3**] was seen?",
    "  Disp: 30",
    "Sex: F",
    "a (b:c):",
]
NOTE_TEXT = st.lists(st.sampled_from(LINES), max_size=25).map("\n".join)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Past Medical History:", True),
        ("History of Present Illness:", True),
        ("Discharge on Admission or Transfer:", True),
        ("Medications (at home, as told):", True),
        ("Brief hospital Course:", False),
        ("Plan", False),
        ("Disp:", False),
        ("Disp Amount:", True),
        ("[**Hospital**] Course:", False),
    ],
)
def test_title_has_capitals_and_a_colon(text, answer):
    assert is_title(text) is answer


def test_inline_title_needs_letters_and_a_space_behind_the_colon():
    assert is_inline_title("Service: MICU")
    assert is_inline_title("  Sex: F")
    assert not is_inline_title("Service:MICU")
    assert not is_inline_title("Time 2: late")
    assert not is_inline_title("pain: none")


@pytest.mark.parametrize(
    ("text", "mended", "published"),
    [
        (
            "Past Medical History:\n1. COPD\n2. CHF",
            ["Past Medical History:", "1. COPD", "2. CHF"],
            ["Past Medical History:", "2. CHF"],
        ),
        ("Service: MICU", ["Service: MICU"], ["Service: MICU"]),
        (
            "Social History: lives alone\nwith a cat",
            ["Social History:", "lives alone\nwith a cat"],
            ["Social History:", "lives alone\nwith a cat"],
        ),
        # A one-line section before a rule of dashes, and before prose.
        (
            "Plan:\nrest\n------\nend of note",
            ["Plan:", "rest", "-----", "end of note"],
            ["Plan:", "-----", "end of note"],
        ),
        ("Plan:\nrest\n\nShe went home.", ["Plan:", "rest", "She went home."], ["Plan:", "She went home."]),
        ("Sex: F\nService: MICU", ["Sex: F", "Service: MICU"], ["Sex: F", "Service: MICU"]),
        # The unescaped dot: here "2 C" counts, and the cut falls on another number.
        ("1. a\n2 C b\n7. c", ["1. a\n2 C b\n7. c"], ["1. a\n2 C b", "7. c"]),
        ("was\n1. a\nb\n2. c\n3. d", ["was", "1. a\nb", "2. c", "3. d"], ["was", "1. a\nb", "2. c", "3. d"]),
    ],
)
def test_illustrated_outcomes(text, mended, published):
    assert split_sections(text) == mended
    assert split_sections(text, legacy=True) == published


@pytest.mark.parametrize("text", ["9. aspirin\n10 mg daily", "1. a\n2. b\n3 C spine", "x\n1. a\n\n2. b\n3 C"])
def test_published_look_ahead_stops_on_numbers_without_a_dot(text):
    with pytest.raises(ValueError, match="BC752") as caught:
        split_sections(text, legacy=True)
    assert "spine" not in str(caught.value)
    assert "".join("".join(split_sections(text)).split()) == "".join(text.split())


def test_header_lines_become_their_parts():
    text = (
        "Admission Date:  [**2131-3-4**]     Discharge Date:   [**2131-3-9**]\n\n"
        "Date of Birth:  [**2060-1-2**]     Sex:   F\nRoom 4\n\nService: MICU\n"
    )
    head = [
        "Admission Date: [**2131-3-4**]",
        "Discharge Date: [**2131-3-9**]",
        "Date of Birth: [**2060-1-2**]",
    ]
    assert split_sections(text) == [*head, "Sex:", "F", "Room 4", "Service: MICU"]
    assert split_sections(text, legacy=True) == [*head, "Sex: F", "Service: MICU"]


def test_rules_are_segments_of_their_own():
    assert split_sections("one\n-------\ntwo ____ three\n--\nfour") == [
        "one", "-----", "two", "_____", "three\n--\nfour"
    ]  # fmt: skip


def test_only_the_words_of_titles_cut_a_paragraph():
    text = "Pertinent Results:\nWBC was 7\nlast time: better\nNa: 140\nDisp: thirty\nlater"
    assert split_sections(text) == [
        "Pertinent Results:",
        "WBC was 7\nlast time: better",
        "Na:",
        "140\nDisp: thirty\nlater",
    ]


@settings(max_examples=150, deadline=None)
@given(NOTE_TEXT)
def test_mended_splitter_keeps_every_character_in_order(text):
    squeezed = "".join("".join(split_sections(text)).split())
    assert squeezed == "".join(text.replace("___", "_____").split())


@settings(max_examples=150, deadline=None)
@given(NOTE_TEXT)
def test_sentences_keep_every_character_in_order(text):
    sentences = note_sentences(text)
    assert "".join("".join(sentences).split()) == "".join("".join(split_sections(text)).split())
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in sentences)


@pytest.mark.parametrize(
    ("section", "sentences"),
    [
        ("She is well. He went home today.", ["She is well.", "He went home today."]),
        ("Pain? None at all. no fever", ["Pain?", "None at all. no fever"]),
        ("By Dr. Orme and J. Quill b.i.d. Then left soon.", ["By Dr. Orme and J. Quill b.i.d. Then left soon."]),
        ("Dose 2.5 mg of it. Stable now", ["Dose 2.5 mg of it.", "Stable now"]),
        # As published, the last token never begins a sentence.
        ("He left. Home", ["He left. Home"]),
        ("follow-up of A - B was seen", ["follow-up of A -", "B was seen"]),
        ("He said \"no.\" Then he left.", ['He said "no."', "Then he left."]),
        ("1. Aspirin 81 mg\n2. Insulin. Four units daily", ["1. Aspirin 81 mg", "2. Insulin.", "Four units daily"]),
        ("- metoprolol\n- aspirin\n* rest", ["- metoprolol", "- aspirin", "* rest"]),
        ("BP 120/80\nHR 70", ["BP 120/80", "HR 70"]),
        (
            "The patient was taken to the operating room on the second day of the\nAdmission and did well",
            ["The patient was taken to the operating room on the second day of the Admission and did well"],
        ),
        ("pain\nin the left arm", ["pain in the left arm"]),
        ("Seen. [**Name (un) 12. Foo? Bar**] came by.", ["Seen.", "[**Name (un) 12. Foo? Bar**] came by."]),
        ("at [**Hospital\nOf. The North**] she was seen", ["at [**Hospital Of. The North**] she was seen"]),
    ],
)  # fmt: skip
def test_sentence_rules(section, sentences):
    assert split_sentences(section) == sentences


def test_notes_are_written_one_sentence_a_line_and_published_drops_are_counted(tmp_path):
    notes = [
        ("a", "Plan:\n1. She rests a lot\n2. Home. She left it"),
        ("b", "9. aspirin\n10 mg daily"),
        ("c", " \n\n "),
        ("d", "Service: MICU"),
    ]
    counts = format_notes(notes, tmp_path / "notes.txt")
    expected = [
        ["Plan:", "1. She rests a lot", "2. Home.", "She left it"],
        ["9. aspirin", "10 mg daily"],
        ["Service: MICU"],
    ]
    assert list(read_notes(tmp_path / "notes.txt")) == expected
    assert (counts.notes, counts.empty, counts.sentences, counts.dropped) == (4, 1, 7, [])
    text = (tmp_path / "notes.txt").read_text()
    assert text.endswith("10 mg daily\n\nService: MICU\n\n")
    counts = format_notes(notes, tmp_path / "legacy.txt", legacy=True)
    assert (counts.notes, counts.empty, counts.dropped) == (4, 1, ["b"])
    assert "She rests" not in (tmp_path / "legacy.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["legacy.txt", "notes.txt"]


def test_nothing_to_write_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="BC754"):
        format_notes([("c", " \n")], tmp_path / "notes.txt")
    assert not list(tmp_path.iterdir())
