import gzip
import time

import numpy as np
import pytest

from pretrain.masking import IGNORED, Vocabulary, mask_words
from pretrain.terms import TermList, phrases, read_terms

TERMS = ["chest pain", "metoprolol", "allergic to penicillin", "penicillin twice"]


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary.of_tokenizer(tokenizer)


def row_of(tokenizer, text):
    pieces = tokenizer.encode([text])[0]
    return pieces, pieces.ids.astype(np.int64)


def found(tokenizer, vocabulary, terms, text):
    """The texts of matches, by the pieces' offsets."""
    pieces, ids = row_of(tokenizer, text)
    first, ends = TermList.of_terms(terms, tokenizer).matches(ids, vocabulary.word_starts(ids))
    return [text[pieces.starts[i] : pieces.ends[j - 1]].strip() for i, j in zip(first, ends)]


def test_terms_are_found_in_all_spellings_and_on_word_boundaries(tokenizer, vocabulary):
    text = "Chest pain:\nchest pain, (METOPROLOL) denies Metoprolol; metoprololic chest painful chest\npain metoprolol"
    expected = ["Chest pain", "chest pain", "METOPROLOL", "Metoprolol", "metoprolol"]
    assert found(tokenizer, vocabulary, TERMS, text) == expected


def test_the_longest_term_at_a_word_is_taken_and_overlaps_are_kept(tokenizer, vocabulary):
    text = "chest pain in chest allergic to penicillin twice daily"
    terms = [*TERMS, "chest", "pain", "chest pain in"]
    expected = ["chest pain in", "pain", "chest", "allergic to penicillin", "penicillin twice"]
    assert found(tokenizer, vocabulary, terms, text) == expected


def test_matches_equal_a_search_over_all_ngrams():
    draw = np.random.default_rng(0)
    for _ in range(60):
        ngrams = {tuple(draw.integers(0, 5, draw.integers(1, 5)).tolist()) for _ in range(12)}
        ids = draw.integers(0, 6, 80)
        starts = draw.random(80) < 0.6
        bounds = {80, *np.flatnonzero(starts).tolist()}
        expected = []
        for first in np.flatnonzero(starts).tolist():
            lengths = [n for n in range(1, 5) if tuple(ids[first : first + n].tolist()) in ngrams]
            ends = [first + n for n in lengths if first + n in bounds]
            if ends:
                expected.append((first, max(ends)))
        first, ends = TermList.of_ngrams(ngrams, 6).matches(ids, starts)
        assert list(zip(first.tolist(), ends.tolist())) == expected


def test_units_join_the_words_of_a_term_and_nothing_else(tokenizer, vocabulary):
    text = "denies chest pain allergic to penicillin twice metoprolol metoprolol"
    pieces, ids = row_of(tokenizer, text)
    starts, is_term = TermList.of_terms(TERMS, tokenizer).units(ids, vocabulary.word_starts(ids))
    begins = [text[pieces.starts[i] :].strip() for i in np.flatnonzero(starts)]
    expected = (
        "denies",
        "chest pain",
        "allergic to penicillin twice",  # two terms that overlap
        "metoprolol metoprolol",
        "metoprolol",
    )
    assert len(begins) == len(expected)
    assert all(begin.startswith(unit) for begin, unit in zip(begins, expected))
    assert [bool(value) for value in is_term[starts]] == [False, True, True, True, True]


def test_a_term_is_hidden_as_a_whole_and_more_often(tokenizer, vocabulary, notes):
    terms = TermList.of_terms(TERMS, tokenizer)
    ids = np.concatenate(
        [
            np.concatenate([tokenizer.prefix_ids, pieces.ids, tokenizer.suffix_ids])
            for pieces in tokenizer.encode(notes * 20)
        ]
    ).astype(np.int64)
    starts, is_term = terms.units(ids, vocabulary.word_starts(ids))
    ordinary = ~vocabulary.is_special[ids]
    _, labels = mask_words(
        ids,
        rate=0.2,
        vocabulary=vocabulary,
        generator=np.random.default_rng(0),
        starts=starts,
        is_term=is_term,
        factor=3.0,
    )
    chosen = labels != IGNORED
    units = np.split(chosen, np.flatnonzero(starts)[1:])
    assert all(unit.all() or not unit.any() for unit in units)
    assert chosen[ordinary].mean() == pytest.approx(0.2, rel=0.01)
    assert chosen[is_term].mean() / chosen[ordinary & ~is_term].mean() == pytest.approx(3.0, rel=0.05)


def test_a_row_without_terms_and_a_list_without_long_ones(tokenizer, vocabulary):
    _, ids = row_of(tokenizer, "stable wound")
    starts = vocabulary.word_starts(ids)
    units, is_term = TermList.of_terms(TERMS, tokenizer).units(ids, starts)
    assert (units == starts).all()
    assert not is_term.any()
    first, _ = TermList.of_ngrams([(7,)], 10).matches(np.array([7, 7, 3]), np.array([True, True, True]))
    assert first.tolist() == [0, 1]
    first, _ = TermList.of_ngrams([(7,)], 10).matches(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    assert first.tolist() == []


def test_fingerprint_follows_the_ngrams_alone(tokenizer):
    one = TermList.of_terms(TERMS, tokenizer)
    assert one.fingerprint == TermList.of_terms(TERMS[::-1], tokenizer).fingerprint
    assert one.fingerprint != TermList.of_terms(TERMS[1:], tokenizer).fingerprint
    assert len(TermList.of_ngrams([(1,), (1, 2), (), (1,)], 5)) == 2


def test_a_million_pieces_are_searched_in_a_second():
    draw = np.random.default_rng(0)
    terms = TermList.of_ngrams([tuple(draw.integers(0, 3000, 3).tolist()) for _ in range(20_000)], 5000)
    ids = draw.integers(0, 4000, 500_000)
    starts = draw.random(500_000) < 0.7
    begun = time.process_time()
    terms.units(ids, starts)
    assert time.process_time() - begun < 0.5


def test_terms_are_read_from_text_and_tables(tmp_path):
    text = tmp_path / "drugs.txt"
    text.write_text("# invented\nmetoprolol\n\n  Quillomab  \nmetoprolol\n", encoding="utf8")
    assert read_terms(text) == ["metoprolol", "Quillomab"]
    table = tmp_path / "codes.tsv.gz"
    with gzip.open(table, "wt", encoding="utf8") as file:
        file.write(
            "code\tDescription\nX1\tOther fever due to quarry dust, unspecified\nX2\tFever with chills\n"
        )
    assert read_terms(table) == ["fever", "quarry dust", "chills"]
    named = tmp_path / "list.csv"
    named.write_text('id,label\n1,"Stone lung, left"\n', encoding="utf8")
    assert read_terms(named, column="label") == ["stone lung"]


def test_phrases_keep_what_a_note_may_hold():
    assert list(phrases("Type 2 diabetes mellitus without complications")) == [
        "diabetes mellitus",
        "complications",
    ]
    assert list(phrases("HIV disease, initial encounter")) == ["HIV"]
    assert list(phrases("Other specified, unspecified")) == []
    assert list(phrases("one two three four five six seven eight nine words")) == []


@pytest.mark.parametrize(
    "name, content, why",
    [
        ("terms.docx", b"x", "does not end"),
        ("terms.txt", b"# nothing\n", "no term"),
        ("terms.txt", b"\xff\xfe\xfa", "UnicodeDecodeError"),
        ("terms.csv", b"a,b\n1,2\n", "no column of a known name among its 2"),
        ("terms.csv.gz", b"a,b\n1,2\n", "BadGzipFile"),
        ("missing.txt", None, "FileNotFoundError"),
    ],
)
def test_files_without_terms_are_an_error(tmp_path, tokenizer, name, content, why):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"BC746.*{why}"):
        read_terms(tmp_path / name)
    with pytest.raises(ValueError, match="BC746"):
        TermList.of_terms([" "], tokenizer)
