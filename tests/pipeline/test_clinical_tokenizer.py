"""The tokenizer: spaCy's tokens, any string, and each chunk cut once.

Run: pytest tests/pipeline/test_clinical_tokenizer.py
"""

import pickle

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pipeline.tokenizer import ClinicalTokenizer

CONFIG = {"nlp": {"tokenizer": {"@tokenizers": "spacy-bioclinical.ClinicalTokenizer.v1"}}}
NOTE = "She doesn't smoke. Dr. Orme saw her at 5p.m.; WBC 7.8, temp 38.1C/100.6F (oral)... "
USUAL, OURS = spacy.blank("en"), spacy.blank("en", config=CONFIG)
PARTS = [
    "don't",
    "doesn't,",
    "Dr.",
    "p.o./b.i.d.",
    "(5mg/kg)",
    "\n\n",
    "  ",
    " ",
    "a.m.",
    ":)",
    "he'll",
    "…",
    "“no”",
    "25mg",
    "x-ray's",
    "cannot",
    "gonna",
    "U.S.",
    "\t",
    "\u00a0",
    "1/2",
    "--",
    "Ada",
    "I'm",
    "'s",
    "😀",
]


def attributes(doc):
    return [(t.text, t.whitespace_, t.norm_, t.lemma_, t.idx, t.is_space) for t in doc]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=12).map("".join), max_size=4))
def test_tokens_are_those_of_spacys_tokenizer(texts):
    for text in [*texts, " ".join(texts), *texts]:  # the second time all chunks are remembered
        assert attributes(OURS.make_doc(text)) == attributes(USUAL.make_doc(text))


def counting(nlp):
    """Count how often the rules for endings are asked, which is once or more for each chunk that is cut."""
    calls, search = [], nlp.tokenizer.suffix_search
    nlp.tokenizer.suffix_search = lambda text: calls.append(text) or search(text)
    del calls[:]  # those of its own table of special cases
    return calls


def test_each_chunk_is_cut_once_even_after_a_special_case():
    ours, usual = spacy.blank("en", config=CONFIG), spacy.blank("en")
    calls, usual_calls = counting(ours), counting(usual)
    ours.make_doc(NOTE)
    once = len(calls)
    special = {"doesn't", "Dr.", "5p.m.;"}
    for _ in range(3):
        del calls[:]
        ours.make_doc(NOTE * 20)
        assert len(calls) < once * 20 / 2
    del calls[:]
    ours.make_doc("Seen again: " + " ".join(word for word in NOTE.split() if word not in special))
    assert len(calls) <= 6, "only the new words"
    usual.make_doc(NOTE * 20)
    del usual_calls[:]
    usual.make_doc(NOTE * 20)
    assert len(usual_calls) > 4 * once, "spaCy forgets: if this fails, our detour is no longer needed"


def test_remembered_chunks_are_bounded_and_none_are_kept_in_a_memory_zone():
    nlp = spacy.blank("en", config=CONFIG)
    nlp.tokenizer.max_cache_size = 5
    for i in range(20):
        assert nlp.make_doc(f"one{i} two{i}, three{i}").text == f"one{i} two{i}, three{i}"
    assert len(nlp.tokenizer._seen) < 10
    other = spacy.blank("en", config=CONFIG)
    with other.memory_zone():
        assert len(other.make_doc(NOTE)) > 10
        assert not other.tokenizer._seen
    assert len(other.make_doc(NOTE)) > 10
    assert other.tokenizer._seen


def test_copies_carry_no_words_of_the_notes(tmp_path):
    nlp = spacy.blank("en", config=CONFIG)
    nlp.make_doc("Zebulonquist " + NOTE)
    again = pickle.loads(pickle.dumps(nlp.tokenizer))
    assert isinstance(again, ClinicalTokenizer)
    assert not again._seen
    assert b"Zebulonquist" not in nlp.tokenizer.to_bytes(exclude=["vocab"])
    assert attributes(again(NOTE)) == attributes(nlp.make_doc(NOTE))


def test_lone_surrogates_keep_their_place():
    nlp = spacy.blank("en", config=CONFIG)
    with pytest.warns(UserWarning, match="BC309"):
        doc = nlp.make_doc("bad \ud83d text")
    assert doc.text == "bad \ufffd text"
