"""`bioclinical_ner` on a small CNN: targets, loss, training, decoding, confidences, storing."""

import random
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.cli.init_pipeline import _init_labels
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_bioclinical.models.viterbi import TagSpan, is_legal, log_softmax, span_log_probabilities
from spacy_bioclinical.pipeline.bio_targets import MISSING, cross_entropy, gold_tags
from spacy_bioclinical.pipeline.ner import BioClinicalNER
from tests.small_cnn import SPELLINGS_CNN

CONFIG = {"model": {"@architectures": "spacy-bioclinical.BioTagger.v1", "tok2vec": SPELLINGS_CNN}}
NAMES = ["Ada Quill", "Bram Orme", "Cleo van Dorn", "Dirk Ames", "Edda Stroud"]
DATES = ["3 May", "14 June 2031", "yesterday"]


def blank(**settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("bioclinical_ner", config=CONFIG, **settings)
    return nlp


def ner_of(nlp) -> BioClinicalNER:
    return nlp.get_pipe("bioclinical_ner")


def invented_examples(nlp, n, seed):
    """Sentences with a name and a date, over line breaks too."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        name, date = rng.choice(NAMES), rng.choice(DATES)
        if rng.random() < 0.3:
            name = name.replace(" ", "\n  ")
        opening, ending = rng.choice(["Seen by", "Patient:", "Called"]), rng.choice([".", ", stable."])
        text = f"{opening} {name} on {date}{ending}\n"
        starts = [(text.index(name), name, "NAME"), (text.index(date), date, "DATE")]
        entities = [(start, start + len(words), label) for start, words, label in starts]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}))
    return examples


def train(nlp, examples, epochs=8, learn_rate=0.005):
    nlp.initialize(lambda: examples)
    sgd, losses = Adam(learn_rate), []
    for _ in range(epochs):
        total: dict[str, float] = {}
        for start in range(0, len(examples), 10):
            nlp.update(examples[start : start + 10], sgd=sgd, losses=total)
        losses.append(total["bioclinical_ner"])
    return losses


@pytest.fixture(scope="module")
def trained():
    fix_random_seed(0)
    nlp = blank()
    losses = train(nlp, invented_examples(nlp, 80, 1))
    assert losses[-1] < losses[0] / 5
    return nlp


TEXTS = [
    "Seen by Ada\n  Quill on 3 May.\n",
    "",
    " \n ",
    "No one was seen.",
    "Called Dirk Ames on 14 June 2031, stable.",
]


def as_tuples(doc):
    return [(ent.start_char, ent.end_char, ent.label_, ent._.confidence) for ent in doc.ents]


# --- learning and scoring -------------------------------------------------------------------------------


def test_component_learns_an_invented_task(trained):
    scores = trained.evaluate(invented_examples(trained, 40, 2))
    assert scores["ents_f"] > 0.95
    assert scores["ents_per_type"].keys() == {"NAME", "DATE"}
    meta = trained.get_pipe_meta("bioclinical_ner")
    assert meta.default_score_weights == {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    assert "doc.ents" in meta.assigns


def test_labels_are_sorted_and_name_the_tags(trained):
    ner = ner_of(trained)
    assert ner.labels == ("DATE", "NAME")
    assert ner.tag_names == ("O", "B-DATE", "I-DATE", "B-NAME", "I-NAME")
    assert ner.model.get_dim("nO") == 5


def test_entities_run_over_line_breaks_but_never_start_or_end_on_one(trained):
    (ent, *_) = trained(TEXTS[0]).ents
    assert ent.text == "Ada\n  Quill"
    ner = ner_of(trained)
    seen = 0
    rng = np.random.default_rng(0)
    for _ in range(30):  # noise in place of logits: anything may come out, but not this
        doc = trained.make_doc("\n a \n\n b  c \n d\t\n")
        for start, end, _, _ in ner._find_entities(doc, rng.normal(size=(len(doc), 5)) * 3):
            assert not doc[start].is_space
            assert not doc[end - 1].is_space
            seen += 1
    assert seen > 20


def test_empty_and_white_space_documents_have_no_entities(trained):
    docs = list(trained.pipe(["", " \n ", "", "Seen by Ada Quill on 3 May.", ""]))
    assert [len(doc.ents) for doc in docs] == [0, 0, 0, 2, 0]
    assert all(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))
    assert [len(doc.ents) for doc in trained.pipe(["", ""])] == [0, 0]


# --- confidence -----------------------------------------------------------------------------------------


def test_confidence_is_the_marginal_of_the_entity(trained):
    doc = trained(TEXTS[4])
    ner = ner_of(trained)
    log_probs = log_softmax(ner.model.predict([doc])[0])
    assert len(doc.ents) == 2
    for ent in doc.ents:
        span = TagSpan(ent.start, ent.end, ner.labels.index(ent.label_))
        assert ent._.confidence == pytest.approx(np.exp(span_log_probabilities(log_probs, [span])[0]))
        assert 0 < ent._.confidence <= 1
        assert isinstance(ent._.confidence, float)
    assert doc[0:1]._.confidence is None


def test_confidence_survives_bytes_docbin_copy_and_processes(trained):
    expected = [as_tuples(trained(text)) for text in TEXTS]
    assert sum(map(len, expected)) >= 4
    docs = [trained(text) for text in TEXTS]
    restored = [Doc(trained.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    binned = list(DocBin(store_user_data=True).from_bytes(stored).get_docs(spacy.blank("en").vocab))
    for group in (restored, binned, [doc.copy() for doc in docs]):
        assert [as_tuples(doc) for doc in group] == expected
    parallel = [as_tuples(doc) for doc in trained.pipe(TEXTS, n_process=2, batch_size=2)]
    for got, wanted in zip(parallel, expected):
        assert [entity[:3] for entity in got] == [entity[:3] for entity in wanted]
        assert [entity[3] for entity in got] == pytest.approx([entity[3] for entity in wanted], abs=1e-5)


def test_second_run_replaces_entities_and_their_confidences(trained):
    doc = trained.make_doc(TEXTS[4])
    old = Span(doc, 0, 2, label="DATE")
    doc.ents = [old]
    old._.confidence = 0.123
    again = trained(trained(doc))
    assert as_tuples(again) == as_tuples(trained(TEXTS[4]))
    assert old._.confidence is None


def test_foreign_confidence_attribute_is_an_error():
    kept = Span.get_extension("confidence")
    Span.set_extension("confidence", getter=lambda span: 1.0, force=True)
    try:
        with pytest.raises(ValueError, match="BC407"):
            blank()
    finally:
        Span.set_extension("confidence", default=kept[0], force=True)


# --- targets and loss -----------------------------------------------------------------------------------


def test_gold_tags_mask_what_is_unknown():
    nlp = spacy.blank("en")
    gold = Doc(
        nlp.vocab,
        words=["Ada", "\n", "Quill", "saw", "Or", "me", "today", "ok"],
        spaces=[True] * 4 + [False] + [True] * 3,
    )
    gold.set_ents(
        [
            Span(gold, 0, 3, label="NAME"),
            Span(gold, 5, 7, label="DATE"),
        ],  # "me today": "Orme" is one token below
        missing=[gold[7:8]],
    )
    predicted = Doc(nlp.vocab, words=["Ada", "\n", "Quill", "saw", "Orme", "today", "ok"])
    tags = gold_tags(Example(predicted, gold), {"DATE": 0, "NAME": 1}, name="ner")
    assert tags.tolist() == [3, MISSING, 4, 0, MISSING, MISSING, MISSING]


def test_gold_entity_that_starts_on_white_space_begins_at_its_first_word():
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["x", "\n", "Ada", "Quill", "Bram", "\n"])
    gold = doc.copy()
    gold.set_ents([Span(gold, 1, 4, label="NAME"), Span(gold, 4, 6, label="NAME")])
    tags = gold_tags(Example(doc, gold), {"NAME": 0}, name="ner").tolist()
    assert tags == [0, MISSING, 1, 2, 1, MISSING]
    assert is_legal([tag for tag in tags if tag != MISSING])


def test_document_without_entity_annotation_teaches_nothing():
    nlp = spacy.blank("en")
    example = Example(nlp.make_doc("one two"), nlp.make_doc("one two"))
    tags = gold_tags(example, {"NAME": 0}, name="ner")
    assert tags.tolist() == [MISSING, MISSING]
    scores: list[Any] = [np.ones((2, 3), dtype="f")]
    loss, (gradient,) = cross_entropy(scores, [tags])
    assert loss == 0
    assert not gradient.any()


def test_cross_entropy_is_the_mean_over_labelled_tokens_and_so_is_its_gradient():
    """Against torch's cross_entropy with ignore_index, the loss of transformers' token classification."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    scores: list[Any] = [rng.normal(size=(length, 5)).astype("f") * 4 for length in (3, 0, 6)]
    tags = [rng.integers(-1, 5, size=len(row)) for row in scores]
    assert MISSING in np.concatenate(tags)
    loss, gradients = cross_entropy(scores, tags)
    logits = torch.tensor(np.concatenate(scores), requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        logits, torch.tensor(np.concatenate(tags)), ignore_index=MISSING
    )
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert [gradient.shape for gradient in gradients] == [row.shape for row in scores]
    np.testing.assert_allclose(np.concatenate([*gradients]), logits.grad.numpy(), rtol=1e-4, atol=1e-7)


def test_texts_that_differ_are_an_error_without_their_words():
    nlp = blank()
    ner_of(nlp).add_label("NAME")
    example = Example(nlp.make_doc("secretname here"), nlp.make_doc("othername here"))
    example.reference.ents = [Span(example.reference, 0, 1, label="NAME")]
    with pytest.raises(ValueError, match="BC404") as caught:
        gold_tags(example, {"NAME": 0}, name="ner")
    assert "secretname" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_diverged_model_is_an_error(trained):
    ner = ner_of(trained)
    (example,) = invented_examples(trained, 1, 3)
    scores: list[Any] = [np.full((len(example.predicted), 5), np.nan, dtype="f")]
    with pytest.raises(ValueError, match="BC405"):
        ner.get_loss([example], scores)


# --- labels ---------------------------------------------------------------------------------------------


def test_no_labels_is_an_error():
    nlp = blank()
    with pytest.raises(ValueError, match="BC401"):
        nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("nothing"), {"entities": []})])


@pytest.mark.parametrize("label", ["", 7, None])
def test_label_must_be_a_string(label):
    with pytest.raises(ValueError, match="BC402"):
        ner_of(blank()).add_label(label)


def test_unknown_label_in_training_is_an_error():
    nlp = blank()
    examples = invented_examples(nlp, 4, 1)
    ner_of(nlp).initialize(lambda: examples, nlp=nlp, labels=["NAME"])
    with pytest.raises(ValueError, match=r"BC403.*'DATE'"):
        nlp.update(examples)


def test_init_labels_writes_what_initialize_reads(tmp_path):
    nlp = blank()
    examples = invented_examples(nlp, 4, 1)
    nlp.initialize(lambda: examples)
    _init_labels(nlp, tmp_path)
    other = blank()
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "bioclinical_ner.json")}
    other.config["initialize"]["components"]["bioclinical_ner"] = {"labels": reader}
    other.initialize(lambda: examples[:1])
    assert ner_of(other).labels == ("DATE", "NAME")


def test_label_added_after_training_keeps_the_old_ones(trained, tmp_path):
    nlp = blank()
    nlp.from_bytes(trained.to_bytes())
    before = [as_tuples(nlp(text)) for text in TEXTS]
    ner = ner_of(nlp)
    assert ner.add_label("PLACE") == 1
    assert ner.add_label("PLACE") == 0
    assert ner.tag_names[-1] == "I-PLACE"
    after = [as_tuples(nlp(text)) for text in TEXTS]
    assert [[e[:3] for e in row] for row in after] == [[e[:3] for e in row] for row in before]
    sgd = nlp.resume_training()
    example = Example.from_dict(nlp.make_doc("Born in Quarrytown."), {"entities": [(8, 18, "PLACE")]})
    sgd.learn_rate = 0.01
    for _ in range(60):
        nlp.update([example, *invented_examples(nlp, 4, 1)], sgd=sgd)
    assert [ent.label_ for ent in nlp("Born in Quarrytown.").ents] == ["PLACE"]
    nlp.to_disk(tmp_path / "grown")
    assert [ent.label_ for ent in spacy.load(tmp_path / "grown")("Born in Quarrytown.").ents] == ["PLACE"]


def test_model_that_cannot_grow_says_so():
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "bioclinical_ner",
        config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": SPELLINGS_CNN, "nO": None}},
    )
    ner = ner_of(nlp)
    ner.initialize(lambda: invented_examples(nlp, 4, 1), nlp=nlp)
    with pytest.raises(ValueError, match="BC406"):
        ner.add_label("PLACE")


# --- storing --------------------------------------------------------------------------------------------


def test_disk_bytes_and_source_give_the_same_output(trained, tmp_path):
    expected = [as_tuples(trained(text)) for text in TEXTS]
    trained.to_disk(tmp_path / "model")
    from_disk = spacy.load(tmp_path / "model")
    from_bytes = blank()
    from_bytes.from_bytes(trained.to_bytes())
    sourced = spacy.blank("en")
    sourced.add_pipe("bioclinical_ner", source=trained)
    for nlp in (from_disk, from_bytes, sourced):
        assert isinstance(ner_of(nlp), BioClinicalNER)
        assert ner_of(nlp).labels == ("DATE", "NAME")
        for text, wanted in zip(TEXTS, expected):
            got = as_tuples(nlp(text))
            assert [entity[:3] for entity in got] == [entity[:3] for entity in wanted]
            assert [entity[3] for entity in got] == pytest.approx([entity[3] for entity in wanted], abs=1e-6)


def test_update_on_empty_documents_does_nothing(trained):
    empty = Example(trained.make_doc(""), trained.make_doc(""))
    assert ner_of(trained).update([empty], losses={}) == {"bioclinical_ner": 0.0}
