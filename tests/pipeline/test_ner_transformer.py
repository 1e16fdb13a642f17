"""`bioclinical_ner` and the text classifier over the shared transformer, in one window and in many."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "upstream": "*",
    "pooling": {"@layers": "reduce_mean.v1"},
}
TEXTCAT = {
    "@architectures": "spacy-bioclinical.TextCatPooling.v1",
    "tok2vec": LISTENER,
    "exclusive_classes": False,
    "pooling": "attention",
}
HEADS = [("bioclinical_ner", {}), ("textcat_multilabel", {"model": TEXTCAT})]
FILLER = "Lungs clear; heart regular, no murmurs. Oxygen weaned.\n"


def examples_for(nlp):
    """Notes of different lengths; the class is told by one sentence."""
    examples = []
    for name, n_fillers, has_pain in (
        ("Ada Quill", 0, True),
        ("Dr. Orme", 2, False),
        ("Ada Quill", 12, True),
        ("Dr. Orme", 9, False),
    ):
        finding = "chest pain" if has_pain else "no distress"
        text = FILLER * n_fillers + f"{name} reports {finding}.\n" + FILLER
        start = text.index(name)
        cats = {"PAIN": float(has_pain), "CALM": float(not has_pain)}
        entities = [(start, start + len(name), "NAME")]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": entities, "cats": cats}))
    return examples


@pytest.mark.parametrize("folder", ["encoder_folder", "short_encoder_folder"])
def test_heads_learn_over_the_transformer_and_come_back(folder, request, make_pipeline, tmp_path):
    fix_random_seed(0)
    nlp = make_pipeline(request.getfixturevalue(folder), heads=HEADS, initialize=False, overlap=16)
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    encoder = nlp.get_pipe("transformer").model
    before = encoder.predict([examples[0].predicted]).doc_data[0].model_output.last_hidden_state.copy()
    sgd, losses = Adam(0.003), []
    for _ in range(60):
        batch = {}
        nlp.update(examples, sgd=sgd, losses=batch)
        losses.append(batch["bioclinical_ner"])
    assert losses[-1] < losses[0] / 4
    after = encoder.predict([examples[0].predicted]).doc_data[0].model_output.last_hidden_state
    assert np.abs(after - before).max() > 1e-3  # the gradient went through the listener
    scores = nlp.evaluate(examples)
    assert scores["ents_f"] == 1.0
    assert scores["cats_macro_f"] == 1.0
    texts = ["", " \n", *(eg.reference.text for eg in examples), ""]
    expected = list(nlp.pipe(texts))
    n_windows = max(doc._.coverage["windows"] for doc in expected)
    assert (n_windows > 1) == (folder == "short_encoder_folder")
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    for same, doc in zip(again.pipe(texts), expected):
        assert [ent.label_ for ent in same.ents] == [ent.label_ for ent in doc.ents]
        assert [ent.text for ent in same.ents] == [ent.text for ent in doc.ents]
        confidences = [ent._.confidence for ent in doc.ents]
        assert [ent._.confidence for ent in same.ents] == pytest.approx(confidences, abs=1e-4)
        assert same.cats == pytest.approx(doc.cats, abs=1e-4)


def test_head_with_an_encoder_of_its_own_gives_the_same_entities(encoder_folder, make_pipeline):
    """`replace_listeners` copies the transformer into the head."""
    fix_random_seed(0)
    nlp = make_pipeline(encoder_folder, heads=HEADS, initialize=False)
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    sgd = Adam(0.003)
    for _ in range(40):
        nlp.update(examples, sgd=sgd)
    texts = [eg.reference.text for eg in examples]
    expected = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(texts)]
    assert all(expected)
    nlp.replace_listeners("transformer", "bioclinical_ner", ["model.tok2vec"])
    assert [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(texts)] == expected
