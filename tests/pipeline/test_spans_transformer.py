"""`bioclinical_spans` over the shared transformer: nested, crossing and long mentions, alone and beside entities."""

import random

import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

SPANS: tuple[str, dict] = ("bioclinical_spans", {})
FINDINGS = [
    "lungs",
    "clear",
    "heart",
    "regular",
    "no",
    "murmurs",
    "WBC",
    "platelets",
    "denies",
    "fever",
    "nausea",
]


def invented_notes(nlp, n, seed):
    """Notes with a long story (over 50 tokens) that holds drugs, which hold doses; a plan crosses its end."""
    rng = random.Random(seed)
    examples = []
    for number in range(n):
        filler = [rng.choice(FINDINGS) for _ in range(rng.randint(50, 60))]
        filler.insert(rng.randint(5, 40), "metoprolol 25 mg")
        filler.insert(rng.randint(5, 40), "aspirin 81 mg")
        story = "Story begins " + " ".join(filler) + ".\nHe smokes daily"
        text = f"Patient {number}: calm. {story} and will stop soon. {rng.choice(FINDINGS)}"
        mentions = [
            (story, "STORY"),
            (story, "HISTORY"),
            ("smokes daily and will stop soon", "PLAN"),
            ("metoprolol 25 mg", "DRUG"),
            ("aspirin 81 mg", "DRUG"),
            ("25 mg", "DOSE"),
            ("81 mg", "DOSE"),
        ]
        gold = nlp.make_doc(text)
        spans = [gold.char_span(text.index(m), text.index(m) + len(m), label=label) for m, label in mentions]
        assert all(spans)
        assert len(spans[0]) > 50
        gold.spans["gold"] = spans
        gold.ents = [span for span in spans if span.label_ == "DRUG"]
        examples.append(Example(nlp.make_doc(text), gold))
    return examples


def train(nlp, examples, steps):
    nlp.initialize(lambda: examples)
    sgd = Adam(0.004)
    for step in range(steps):
        sgd.learn_rate = 0.004 * (1 - step / steps)
        start = step * 5 % len(examples)
        nlp.update(examples[start : start + 5], sgd=sgd)


def as_tuples(doc):
    return [(span.start, span.end, span.label_) for span in doc.spans["gold"]]


def test_head_learns_twenty_notes_by_heart(encoder_folder, make_pipeline, tmp_path):
    fix_random_seed(0)
    nlp = make_pipeline(encoder_folder, heads=[SPANS], initialize=False)
    examples = invented_notes(nlp, 20, 0)
    train(nlp, examples, steps=70)
    scores = nlp.evaluate(examples)
    assert scores["spans_gold_f"] >= 0.95
    assert scores["spans_gold_per_type"]["STORY"]["f"] >= 0.95
    texts = ["", " \n", *(eg.reference.text for eg in examples[:3]), ""]
    expected = [as_tuples(doc) for doc in nlp.pipe(texts)]
    assert [as_tuples(nlp(text)) for text in texts] == expected
    nlp.to_disk(tmp_path / "model")
    assert [as_tuples(doc) for doc in spacy.load(tmp_path / "model").pipe(texts)] == expected


def test_head_shares_an_encoder_of_short_windows_with_entities(short_encoder_folder, make_pipeline):
    """The long mention begins and ends in different windows."""
    fix_random_seed(0)
    heads = [("bioclinical_ner", {}), SPANS]
    nlp = make_pipeline(short_encoder_folder, heads=heads, initialize=False, overlap=16)
    examples = invented_notes(nlp, 5, 0)
    train(nlp, examples, steps=100)
    scores = nlp.evaluate(examples)
    # six seeds reach 1.0, 0.986 or more, and 1.0
    assert scores["ents_f"] >= 0.95
    assert scores["spans_gold_f"] >= 0.95
    assert scores["spans_gold_per_type"]["STORY"]["f"] >= 0.95
    for doc in nlp.pipe(eg.reference.text for eg in examples):
        assert doc._.coverage["windows"] > 1
        ents, spans = doc.ents, doc.spans["gold"]
        (alone,) = nlp.get_pipe("bioclinical_ner").predict([nlp.get_pipe("transformer")(doc.copy())])
        assert [ent._.confidence for ent in ents] == pytest.approx(
            [ent.confidence for ent in alone], abs=1e-5
        )
        assert len(spans.attrs["scores"]) == len(spans)
