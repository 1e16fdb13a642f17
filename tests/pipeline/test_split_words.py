"""The tokenizer learns to split words within which mentions begin or end; by default it learns nothing.

Run: pytest tests/pipeline/test_split_words.py
"""

import logging
import pickle
import random
from itertools import pairwise

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config_from_str

from spacy_bioclinical.cli.info import describe_folder
from spacy_bioclinical.pipeline.split_words import find_split_words

CONFIG = {"nlp": {"tokenizer": {"@tokenizers": "spacy-bioclinical.ClinicalTokenizer.v1"}}}


def blank():
    return spacy.blank("en", config=CONFIG)


def converted(vocab, text, mentions, key="gold"):
    """A document as corpora are converted: tokens are cut where mentions, (start, end) in characters, begin or end."""
    edges = {edge for mention in mentions for edge in mention}
    words, spaces = [], []
    for token in PLAIN.make_doc(text):
        inside = sorted(edge - token.idx for edge in edges if token.idx < edge < token.idx + len(token))
        places = [0, *inside, len(token)]
        words += [token.text[a:b] for a, b in pairwise(places)]
        spaces += [False] * len(inside) + [bool(token.whitespace_)]
    doc = Doc(vocab, words=words, spaces=spaces)
    doc.spans[key] = [doc.char_span(start, end, label="HABIT") for start, end in mentions]
    doc.set_ents([], default="outside")
    assert doc.text == text
    return doc


def noted(vocab, text, *mentions, key="gold"):
    """A document with mentions given as pieces of its text: the first place of each."""
    return converted(vocab, text, [(text.index(m), text.index(m) + len(m)) for m in mentions], key)


def learn(docs, nlp=None, **told):
    """A pipeline whose tokenizer has been initialized with these documents."""
    nlp = nlp or blank()
    nlp.config["initialize"]["tokenizer"] = told
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    return nlp


PLAIN, LEARNING = blank(), blank()


def words_of(nlp, text):
    return [token.text for token in nlp.make_doc(text)]


def learned_of(nlp):
    return sorted(set(nlp.tokenizer.rules) - set(PLAIN.tokenizer.rules))


@pytest.fixture
def docs():
    vocab = PLAIN.vocab
    return [
        noted(vocab, "He is a nonsmoker, and a nondrinker.", "smoker", "drinker"),
        noted(vocab, "Nonsmoker. Lives alone.", "smoker", "Lives alone"),
        noted(vocab, "Nondrinker since 2019, of 40 years.", "f 40 years", "drinker"),
        noted(vocab, "A cup of tea, of course; a piece of cake.", "tea"),
        noted(vocab, "Aged 18-20 years, 2packs, x7y.", "18", "packs", "7y"),
        noted(vocab, "Retired in 7packs, 2packs of x7y.", "packs", "7y"),
        noted(vocab, "One of them is well."),
        noted(vocab, "A stepdaughterly Zebulonquist.", "quist"),
    ]


def test_words_are_split_where_mentions_begin_or_end(docs):
    nlp = learn(docs, split_words=2)
    assert learned_of(nlp) == [
        "NONDRINKER",
        "NONSMOKER",
        "Nondrinker",
        "Nonsmoker",
        "nondrinker",
        "nonsmoker",
    ]
    assert words_of(nlp, 'NONSMOKER. ("Nonsmoker"), nonsmoker\'s') == [
        *("NON", "SMOKER", ".", "(", '"', "Non", "smoker", '"', ")", ",", "non", "smoker", "'s")
    ]
    assert words_of(nlp, "NonSmoker of nonsmokers") == ["NonSmoker", "of", "nonsmokers"], (
        "the words learned only"
    )
    explained = nlp.tokenizer.explain("A nonsmoker.")
    assert [word for _, word in explained] == words_of(nlp, "A nonsmoker.")
    for doc in docs[:2]:  # all their mentions are now found
        again = nlp.make_doc(doc.text)
        assert all(again.char_span(span.start_char, span.end_char) for span in doc.spans["gold"])


def test_only_words_of_letters_in_enough_documents_are_learned(docs):
    assert {word.lower() for word in learned_of(learn(docs, split_words=1))} == {
        *("nonsmoker", "nondrinker", "zebulonquist")
    }, "no digit; not 'of', which other documents have whole"
    assert not learned_of(learn(docs, split_words=3))
    twice = [*docs, docs[-1], docs[-1]]
    assert "Zebulonquist" not in learned_of(learn(twice, split_words=2)), "the same text is one document"


def test_each_cut_counts_for_itself():
    vocab = PLAIN.vocab
    docs = [
        noted(vocab, f"{n} antidepressants", *found) for n, found in enumerate((["depress"], ["depressant"]))
    ]
    assert words_of(learn(docs, split_words=2), "antidepressants") == ["anti", "depressants"]
    assert words_of(learn(docs, split_words=1), "antidepressants") == ["anti", "depress", "ant", "s"]


def test_mentions_are_those_of_entities_and_of_the_group_named():
    vocab = PLAIN.vocab
    grouped = noted(vocab, "a nonsmoker", "smoker", key="other")
    entity = noted(vocab, "a nondrinker", "drinker", key="other")
    entity.ents = [Span(entity, 2, 3, label="HABIT")]
    del entity.spans["other"]
    assert learned_of(learn([grouped, entity], split_words=1, spans_key="other"))[-2:] == [
        "nondrinker",
        "nonsmoker",
    ]
    assert learned_of(learn([grouped, entity], split_words=1))[-1:] == ["nondrinker"]
    bare = Doc(vocab, words=["nondrinker"] * 9)  # without annotation: says nothing about the word
    assert learned_of(learn([entity, bare], split_words=1))[-1:] == ["nondrinker"]


def test_words_with_a_special_case_keep_it():
    nlp = blank()
    nlp.tokenizer.add_special_case("Nonsmoker", [{"ORTH": "Nonsmok"}, {"ORTH": "er"}])
    learn([noted(nlp.vocab, "He is a nonsmoker.", "smoker")], nlp, split_words=1)
    assert words_of(nlp, "Nonsmoker nonsmoker") == ["Nonsmok", "er", "non", "smoker"]
    nlp.tokenizer.initialize(list, nlp=nlp)
    assert words_of(nlp, "Nonsmoker nonsmoker") == ["Nonsmok", "er", "nonsmoker"], (
        "only what was learned is forgotten"
    )


def test_off_is_spacys_tokenizer_to_the_byte(docs):
    nlp, usual = learn(docs), spacy.blank("en")
    asked = []
    nlp.tokenizer.initialize(lambda: asked.append(1), nlp=nlp)
    assert not asked
    assert nlp.tokenizer.to_bytes(exclude=["vocab"]) == usual.tokenizer.to_bytes(exclude=["vocab"])
    assert "bioclinical" not in nlp.meta
    old = blank().tokenizer.from_bytes(usual.tokenizer.to_bytes())
    assert [token.text for token in old("a nonsmoker")] == ["a", "nonsmoker"]


@pytest.mark.parametrize("given", [-1, True, 1.5, "2"])
def test_a_wrong_setting_is_refused(given):
    with pytest.raises(ValueError, match="BC480"):
        blank().tokenizer.initialize(list, split_words=given)


def test_copies_split_the_same_words(docs, tmp_path):
    nlp = learn(docs, split_words=2)
    text = "Nonsmoker, nondrinker; doesn't live alone. " * 3
    expected = words_of(nlp, text)
    assert "smoker" in expected
    nlp.to_disk(tmp_path / "model")
    copies = [
        spacy.load(tmp_path / "model").tokenizer,
        pickle.loads(pickle.dumps(nlp.tokenizer)),
        blank().tokenizer.from_bytes(nlp.tokenizer.to_bytes()),
        blank().from_bytes(nlp.to_bytes()).tokenizer,
    ]
    used = blank()
    used.make_doc(text)  # what it remembers must not outlive the rules
    copies.append(used.tokenizer.from_bytes(nlp.tokenizer.to_bytes(exclude=["vocab"]), exclude=["vocab"]))
    for copy in copies:
        assert [token.text for token in copy(text)] == expected
        assert copy.to_bytes(exclude=["vocab"]) == nlp.tokenizer.to_bytes(exclude=["vocab"])
    assert describe_folder(tmp_path / "model")["tokenizer"] == (
        "splits 2 words of its training corpus, each in 2 or more documents"
    )


def test_learning_is_the_same_in_any_order_and_again(docs, caplog):
    first = learn(docs, split_words=2)
    other = learn(random.Random(0).sample(docs, len(docs)), split_words=2)
    assert other.tokenizer.to_bytes(exclude=["vocab"]) == first.tokenizer.to_bytes(exclude=["vocab"])
    stored = first.tokenizer.to_bytes(exclude=["vocab"])
    logger = logging.getLogger("spacy")
    before, logger.propagate = (logger.level, logger.propagate), True
    try:
        logger.setLevel("INFO")
        learn(docs, first, split_words=2)
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
    assert first.tokenizer.to_bytes(exclude=["vocab"]) == stored
    assert first.meta["bioclinical"]["tokenizer"] == {"split_words": 2, "words": 2}
    assert "tokenizer: 2 words are split" in caplog.text
    assert "smoker" not in caplog.text.lower(), "counts, never words"
    learn(docs, first)
    assert not learned_of(first)
    assert not first.meta["bioclinical"]


def test_chunks_are_remembered_after_learning(docs):
    nlp = blank()
    nlp.make_doc("Lives alone with aspirin")
    learn(docs, nlp, split_words=2)
    calls, search = [], nlp.tokenizer.suffix_search
    nlp.tokenizer.suffix_search = lambda text: calls.append(text) or search(text)
    nlp.tokenizer.initialize(lambda: [Example(doc, doc) for doc in docs], split_words=2)
    nlp.make_doc("Nonsmoker. Lives alone with aspirin")
    del calls[:]
    nlp.make_doc("Lives alone with aspirin. " * 20 + "Nonsmoker. Lives alone with aspirin " * 20)
    assert set(calls) <= {"aspirin.", "aspirin", "Nonsmoker."}


def test_training_reads_the_setting_from_the_config(docs, tmp_path):
    """As `spacy train` and `bioclinical train` begin, and as a resumed training begins again."""
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    nlp = blank()
    for part in ("train", "dev"):
        nlp.config["corpora"][part]["path"] = str(tmp_path / "train.spacy")
    nlp.config["initialize"]["tokenizer"] = {"split_words": 2}
    config = load_config_from_str(nlp.config.to_str())
    first, again = init_nlp(config), init_nlp(config)
    assert len(learned_of(first)) == 6
    assert first.tokenizer.to_bytes(exclude=["vocab"]) == again.tokenizer.to_bytes(exclude=["vocab"])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_text_is_kept_and_tokens_are_only_cut_further(data):
    """Whatever is annotated: no boundary is lost, new ones lie in words of letters, and mentions of all words fit."""
    pieces = st.sampled_from(
        ["nonsmoker", "Ada", "of", "İx", "straße", "don't", "7mg", ".", ", ", " ", "\n", "é-ü", "ǅab"]
    )
    texts = data.draw(
        st.lists(st.lists(pieces, min_size=1, max_size=9).map("".join), min_size=1, max_size=3, unique=True)
    )
    vocab = PLAIN.vocab
    docs = []
    for text in texts:
        place = st.integers(0, len(text))
        pairs = data.draw(st.lists(st.tuples(place, place).map(sorted), max_size=4))
        docs.append(
            converted(vocab, text, [(a, b) for a, b in pairs if text[a:b].strip() == text[a:b] != ""])
        )
    before = {text: {token.idx: len(token) for token in PLAIN.make_doc(text)} for text in texts}
    words = find_split_words(docs, PLAIN.tokenizer, min_docs=1, spans_key="gold", known=PLAIN.tokenizer.rules)
    for word, parts in words.items():
        assert "".join(parts) == word
        assert all(parts)
        assert len(parts) > 1
        assert word.isalpha()
    LEARNING.tokenizer.initialize(lambda: [Example(doc, doc) for doc in docs], split_words=1)
    assert learned_of(LEARNING) == sorted(words)
    for doc in docs:
        again = LEARNING.make_doc(doc.text)
        assert again.text == doc.text
        starts = {token.idx for token in again}
        assert starts >= set(before[doc.text])
        for start in starts - set(before[doc.text]):
            whole = max(place for place in before[doc.text] if place < start)
            assert doc.text[whole : whole + before[doc.text][whole]] in words
