"""The document sets: exactly the lengths, counts and seeds they state; what is read as text is as long as it says."""

import numpy as np
import pytest
import spacy

from spacy_bioclinical.cli.benchmark.data import read_ids, read_texts, write_ids, write_words
from spacy_bioclinical.cli.benchmark.folders import make_folder, write_word_tokenizer
from spacy_bioclinical.cli.benchmark.notes import n_words_of, write_notes
from spacy_bioclinical.cli.benchmark.sets import (
    DocumentSet,
    default_documents,
    draw_ids,
    draw_sets,
    word_of,
)
from spacy_bioclinical.cli.benchmark.shapes import SHAPES, special_ids
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer


def by_name(sets):
    return {documents.name: documents for documents in sets}


def test_fixed_documents_have_the_length_and_variable_ones_the_papers_distribution():
    sets = by_name(draw_sets([512, 4096], [3000, 2000]))
    assert set(sets) == {f"{kind}-{n}" for kind in ("fixed", "variable", "even") for n in (512, 4096)}
    for length, n_documents in ((512, 3000), (4096, 2000)):
        assert sets[f"fixed-{length}"].lengths == (length,) * n_documents
        drawn = np.array(sets[f"variable-{length}"].lengths)
        assert len(drawn) == n_documents
        assert drawn.min() >= 16
        assert drawn.max() <= length
        assert drawn.mean() == pytest.approx(length / 2, rel=0.02)
        assert drawn.std() == pytest.approx(length / 8, rel=0.06)


def test_even_documents_have_the_number_and_the_mean_of_the_variable_ones():
    sets = by_name(draw_sets([512, 300], [7, 5]))
    for length in (512, 300):
        even, variable = sets[f"even-{length}"], sets[f"variable-{length}"]
        assert (len(even.lengths), even.pieces) == (len(variable.lengths), variable.pieces)
        assert max(even.lengths) - min(even.lengths) <= 1
        assert len(set(variable.lengths)) > 2, "otherwise nothing is compared"
    assert not any(documents.kind == "even" for documents in draw_sets([512], [7], equal_mean=False))


def test_seed_alone_decides_lengths_whatever_else_is_drawn():
    alone, among = by_name(draw_sets([512], [9], seed=3)), by_name(draw_sets([64, 512], [4, 9], seed=3))
    assert alone["variable-512"] == among["variable-512"]
    assert alone["variable-512"] != by_name(draw_sets([512], [9], seed=4))["variable-512"]


def test_lengths_are_clamped_and_arguments_count():
    sets = by_name(draw_sets([64], [500], mean=0.9, spread=0.5))
    drawn = sets["variable-64"].lengths
    assert min(drawn) == 16
    assert max(drawn) == 64
    assert draw_sets([8], [2])[0].lengths == (8, 8)
    assert all(length <= 8 for documents in draw_sets([8], [50], spread=1.0) for length in documents.lengths)


@pytest.mark.parametrize(
    ("lengths", "documents"), [([512, 512], [1, 1]), ([512], [1, 2]), ([0], [1]), ([], [])]
)
def test_lengths_that_do_not_fit_are_refused(lengths, documents):
    with pytest.raises(ValueError, match="BC530"):
        draw_sets(lengths, documents)


def test_padding_counts_what_a_padded_batch_would_compute_in_vain():
    documents = DocumentSet("variable", 10, (10, 5, 4, 1))
    assert documents.padding(4) == 1 - 20 / 40
    assert documents.padding(2) == pytest.approx(1 - 20 / (20 + 8))
    assert documents.padding(1) == 0
    assert documents.facts(4)["padding"] == 0.5


def test_default_sizes_are_small_on_a_cpu():
    assert [default_documents(length, False) for length in (512, 4096, 8192)] == [16, 4, 2]
    assert default_documents(8192, True) == 128


def test_ids_are_seeded_lie_in_the_papers_range_and_hold_no_special_piece():
    documents = DocumentSet("fixed", 512, (512,) * 40)
    for shape in ("modernbert-base", "bert-base", "tiny"):
        config = {"vocab_size": 50368, **SHAPES[shape]}
        special = list(special_ids(config).values())
        ids = draw_ids(documents, config["vocab_size"], special, 0)
        assert len(ids) == documents.pieces
        assert not set(ids.tolist()) & set(special)
        assert ids.min() >= 100
        assert ids.max() < min(16000, config["vocab_size"])
        assert (ids == draw_ids(documents, config["vocab_size"], special, 0)).all()
        assert (ids != draw_ids(documents, config["vocab_size"], special, 1)).any()


def test_special_pieces_differ_and_lie_in_the_vocabulary():
    for name, shape in SHAPES.items():
        config = {"vocab_size": 50368, "pad_token_id": 0, **shape}
        found = special_ids(config)
        assert len(set(found.values())) == len(found) == 5, name
        assert max(found.values()) < config["vocab_size"]


def test_words_stand_for_pieces_one_to_one():
    words = [word_of(index) for index in range(0, 60000, 7)]
    assert len(set(words)) == len(words)
    doc = spacy.blank("en")(" ".join(words[:3000]))
    assert [token.text for token in doc] == words[:3000], "no exception of spaCy's tokenizer may cut them"


@pytest.mark.parametrize("shape", ["tiny", "tiny-bert"])
def test_text_of_a_set_is_its_ids_less_room_for_the_special_pieces(shape, tmp_path):
    folder = make_folder(shape, tmp_path / "encoder")
    write_word_tokenizer(folder)
    sets = draw_sets([64], [4])
    special = list(folder.special_ids.values())
    write_ids(tmp_path / "data", sets, folder.config["vocab_size"], special, 0)
    write_words(tmp_path / "data", sets)
    tokenizer = PieceTokenizer.from_folder(folder.path)
    assert len(tokenizer.prefix_ids) == len(tokenizer.suffix_ids) == 1
    assert {*tokenizer.prefix_ids, *tokenizer.suffix_ids} <= set(special)
    for documents in sets:
        ids, lengths = read_ids(tmp_path / "data", documents.name)
        assert tuple(lengths) == documents.lengths
        starts = np.cumsum([0, *lengths])
        read = tokenizer.encode(read_texts(tmp_path / "data", documents.name))
        for start, length, pieces in zip(starts, lengths, read):
            assert pieces.ids.tolist() == ids[start : start + length - 2].tolist()


def test_notes_have_the_number_of_words_and_are_seeded():
    nlp = spacy.blank("en")
    notes = write_notes(3, 157, seed=5)
    assert [n_words_of(note, nlp) for note in notes] == [157] * 3
    assert len(set(notes)) == 3
    assert notes == write_notes(3, 157, seed=5)
    assert notes[0] != write_notes(1, 157, seed=6)[0]
    assert any("\n" in note for note in write_notes(1, 400, seed=0))
    assert not any("{" in note or "}" in note for note in write_notes(1, 3000, seed=0))
