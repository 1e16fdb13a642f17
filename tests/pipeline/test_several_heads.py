"""Several heads on one shared encoder: trained together they reach what each reaches alone, and none drowns another."""

import random
from pathlib import Path

import numpy as np
import pytest
from spacy.training import Example
from thinc.api import Adam

from spacy_bioclinical.cli.overlays import merge_overlays
from spacy_bioclinical.models.transformer import encoder_shim
from tests.pipeline.test_transformer import LISTENER

CONFIGS = Path(__file__).parents[2] / "configs"
CATS = {
    "@architectures": "spacy-bioclinical.TextCatPooling.v2",
    "tok2vec": LISTENER,
    "exclusive_classes": False,
    "pooling": "attention",
}
NER = ("bioclinical_ner", {})
TEXTCAT = ("bioclinical_textcat_multilabel", {"model": CATS})
SPANS = ("bioclinical_spans", {})
DRUGS = ["metoprolol", "aspirin", "ceftriaxone", "azithromycin"]
FINDINGS = {"PAIN": "chest pain", "FEVER": "fever and nausea"}
FILLERS = ["She lives alone.", "No murmurs.", "Lungs clear.", "Plan: follow-up.", "He drinks beers."]


def annotated_notes(nlp, n, seed):
    """Short invented notes: a drug in each, alone an entity, with "daily" an overlapping mention; findings in some."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        drug = rng.choice(DRUGS)
        true = {label for label in FINDINGS if rng.random() < 0.5}
        parts = [
            rng.choice(FILLERS),
            f"Takes {drug} daily.",
            *(f"Reports {FINDINGS[label]}." for label in sorted(true)),
        ]
        rng.shuffle(parts)
        text = " ".join(parts)
        start = text.index(drug)
        cats = {label: float(label in true) for label in FINDINGS}
        mentions = [(start, start + len(drug), "DRUG"), (start, start + len(drug) + len(" daily"), "REGIMEN")]
        gold = {"entities": mentions[:1], "spans": {"gold": mentions}, "cats": cats}
        examples.append(Example.from_dict(nlp.make_doc(text), gold))
    return examples


def scores_after_training(make_pipeline, folder, heads, n_rounds=6):
    nlp = make_pipeline(folder, heads=heads, initialize=False)
    train = annotated_notes(nlp, 48, seed=1)
    nlp.initialize(lambda: train)
    sgd = Adam(4e-3)
    for _ in range(n_rounds):
        for start in range(0, len(train), 8):
            nlp.update(train[start : start + 8], sgd=sgd)
    return nlp.evaluate(annotated_notes(nlp, 30, seed=2))


def test_joint_training_reaches_what_single_training_reaches(make_pipeline, encoder_folder):
    heads = {"ents_f": NER, "spans_gold_f": SPANS, "cats_micro_f": TEXTCAT}
    together = scores_after_training(make_pipeline, encoder_folder, list(heads.values()))
    for key, head in heads.items():
        score = scores_after_training(make_pipeline, encoder_folder, [head])[key]
        assert score > 0.9, key
        assert together[key] > score - 0.05, key


def encoder_gradients(make_pipeline, folder, heads, seed=1):
    """The encoder's gradient of one update by one head of a pipeline, the heads' weights the same in all."""
    nlp = make_pipeline(folder, heads=heads, initialize=False)
    examples = annotated_notes(nlp, 8, seed=seed)
    nlp.initialize(lambda: examples)
    for factory, _ in heads:
        output = nlp.get_pipe(factory).model.get_ref("output_layer")
        for name in output.param_names:
            values = np.random.default_rng(5).normal(scale=0.1, size=output.get_param(name).shape)
            output.set_param(name, values.astype("f"))
    nlp.update(examples, sgd=False, drop=0.0)
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    return np.concatenate([p.grad.numpy().ravel() for p in encoder.parameters() if p.grad is not None])


@pytest.mark.parametrize("order", [(NER, TEXTCAT), (TEXTCAT, NER)], ids=["ner first", "textcat first"])
def test_shared_gradient_is_the_sum_and_no_head_drowns(make_pipeline, encoder_folder, order):
    parts = [encoder_gradients(make_pipeline, encoder_folder, [head]) for head in order]
    both = encoder_gradients(make_pipeline, encoder_folder, list(order))
    np.testing.assert_allclose(both, sum(parts), rtol=1e-3, atol=1e-5)
    ratio = np.linalg.norm(parts[0]) / np.linalg.norm(parts[1])
    assert 0.1 < ratio < 10


def test_document_without_one_kind_of_annotation_trains_the_other_head(make_pipeline, encoder_folder):
    nlp = make_pipeline(encoder_folder, heads=[NER, TEXTCAT], initialize=False)
    examples = annotated_notes(nlp, 4, seed=1)
    nlp.initialize(lambda: examples)
    only_classes = [Example.from_dict(nlp.make_doc(eg.text), {"cats": eg.reference.cats}) for eg in examples]
    losses = nlp.update(only_classes, sgd=False)
    assert losses["bioclinical_ner"] == 0.0
    assert losses["bioclinical_textcat_multilabel"] > 0.0
    entities = [(ent.start_char, ent.end_char, ent.label_) for ent in examples[0].reference.ents]
    losses = nlp.update(
        [Example.from_dict(nlp.make_doc(examples[0].text), {"entities": entities})], sgd=False
    )
    assert losses["bioclinical_ner"] > 0.0
    assert losses["bioclinical_textcat_multilabel"] == 0.0


def test_overlay_of_several_heads_weighs_each_of_their_scores():
    config = merge_overlays([CONFIGS / "base.cfg", CONFIGS / "head" / "several.cfg"]).config
    heads = config["nlp"]["pipeline"][1:]
    assert {"ner", "textcat"} <= set(heads)
    weights = config["training"]["score_weights"]
    assert sum(weight or 0.0 for weight in weights.values()) == pytest.approx(1.0)
    prefixes = {"ner": "ents_", "textcat": "cats_", "spans": "spans_"}
    for head in heads:
        assert any(key.startswith(prefixes[head]) and weight for key, weight in weights.items())
