"""Pooling of [CLS] rows over windows: definitions, and gradients down to the weights of the encoder."""

import json

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from spacy_transformers.layers import trfs2arrays
from thinc.api import Model, chain, fix_random_seed, reduce_mean
from thinc.types import Ragged
from transformers import BertModel
from transformers.file_utils import ModelOutput

from spacy_bioclinical.models.textcat import POOLINGS, build_textcat_pooling_v1, build_textcat_pooling_v2
from spacy_bioclinical.models.transformer import encoder_shim
from tests.encoder.family_folders import write_family_folder
from tests.pipeline.test_transformer import LISTENER

WIDTH, N_LABELS = 4, 3
# windows and their padded length, by document: several windows, one, no token at all, several with one token each
SHAPES = [(3, 5), (1, 4), (0, 0), (2, 3)]
N_TOKENS = [6, 2, 0, 3]


def fake_transformer(hidden):
    """Gives each document the rows of its place in the batch (the number of its first word); keeps the gradients."""

    def forward(model, docs, is_train):
        datas = []
        for doc in docs:
            if not len(doc):
                datas.append(TransformerData.empty())
                continue
            rows = hidden[int(doc[0].text)]
            n_rows = rows.shape[0] * rows.shape[1]
            align = Ragged((np.arange(len(doc)) * 7 % n_rows).astype("i"), np.ones(len(doc), dtype="i"))
            datas.append(TransformerData(WordpieceBatch.empty(), ModelOutput(last_hidden_state=rows), align))

        def backprop(d_datas):
            assert len(d_datas) == sum(len(doc) > 0 for doc in docs), "none for documents without tokens"
            model.attrs["gradient"] = [data.model_output.last_hidden_state.copy() for data in d_datas]
            return docs

        return datas, backprop

    return Model("fake_transformer", forward)


def make_model(pooling, exclusive, grad_factor=1.0):
    fix_random_seed(1)
    rng = np.random.default_rng(0)
    hidden = [rng.normal(size=(*shape, WIDTH)).astype("f") for shape in SHAPES]
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=[str(i)] * n) for i, n in enumerate(N_TOKENS)]
    source = fake_transformer(hidden)
    tok2vec = chain(source, trfs2arrays(reduce_mean(), grad_factor))
    model = build_textcat_pooling_v2(tok2vec=tok2vec, exclusive_classes=exclusive, pooling=pooling)
    model.initialize(X=docs, Y=np.zeros((len(docs), N_LABELS), dtype="f"))
    model.get_ref("output_layer").get_param("b")[:] = rng.normal(size=N_LABELS)
    return model, docs, hidden, source


def test_cls_is_the_mean_of_the_first_rows():
    model, docs, hidden, _ = make_model("cls", True)
    output = model.get_ref("output_layer")
    W, b = output.get_param("W"), output.get_param("b")
    expected = [W @ rows[:, 0].mean(axis=0) + b if len(rows) else b for rows in hidden]
    np.testing.assert_allclose(model.get_ref("logits").predict(docs), expected, rtol=1e-5, atol=1e-6)


def test_cls_attention_lets_each_label_choose_its_window():
    model, docs, hidden, _ = make_model("cls_attention", False)
    output = model.get_ref("output_layer")
    U, W, b = (output.get_param(name) for name in "UWb")
    for doc, rows, logits in zip(docs, hidden, model.get_ref("logits").predict(docs)):
        expected = b.copy()
        if len(rows):
            weights = np.exp(rows[:, 0] @ U.T)
            weights /= weights.sum(axis=0)
            expected += np.einsum("wl,wd,ld->l", weights, rows[:, 0], W)
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
        assert len(doc) or (logits == b).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_batched_equals_unbatched(pooling):
    model, docs, _, _ = make_model(pooling, False)
    alone = [model.predict([doc])[0] for doc in docs]
    np.testing.assert_allclose(model.predict(docs), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_reaches_parameters_and_transformer_rows(pooling, exclusive):
    """Backprop of p − y against finite differences of the mean cross-entropy, down to each row of each window."""
    model, docs, hidden, source = make_model(pooling, exclusive)
    truth = np.eye(N_LABELS, dtype="f")[[0, 1, 2, 1]]

    def loss():
        p = model.predict(docs).astype("float64")
        if exclusive:
            return -float(np.log(p)[truth == 1].sum()) / len(docs)
        return -float((truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum()) / len(docs)

    scores, backprop = model.begin_update(docs)
    backprop(scores - truth)
    output = model.get_ref("output_layer")
    arrays = [(output.get_param(name), output.get_grad(name)) for name in output.param_names]
    arrays += list(zip([rows for rows in hidden if rows.size], source.attrs["gradient"], strict=True))
    step, largest = 2e-3, 0.0
    for array, gradient in arrays:
        assert array.shape == gradient.shape
        for index in np.ndindex(array.shape):
            keep = array[index]
            array[index] = keep + step
            up = loss()
            array[index] = keep - step
            down = loss()
            array[index] = keep
            assert gradient[index] == pytest.approx((up - down) / (2 * step), rel=2e-2, abs=1e-3)
            if array.ndim == 3:
                largest = max(largest, abs(gradient[index]))
    assert largest > 0.02, "the rows do get a gradient"


def test_grad_factor_scales_what_reaches_the_transformer():
    gradients = []
    for factor in (1.0, 0.25):
        model, docs, _, source = make_model("cls", True, grad_factor=factor)
        scores, backprop = model.begin_update(docs)
        backprop(scores)
        gradients.append(source.attrs["gradient"])
    for full, quarter in zip(*gradients, strict=True):
        np.testing.assert_allclose(quarter, full / 4, rtol=1e-6)
        assert full.any()


@pytest.mark.parametrize("pooling", ["mean", "max", "mean_max", "attention"])
def test_version_2_computes_what_version_1_computes(pooling):
    model, docs, hidden, _ = make_model(pooling, False)
    tok2vec = chain(fake_transformer(hidden), trfs2arrays(reduce_mean(), 1.0))
    first = build_textcat_pooling_v1(tok2vec=tok2vec, exclusive_classes=False, pooling=pooling)
    first.initialize(X=docs, Y=np.zeros((len(docs), N_LABELS), dtype="f"))
    for name in model.get_ref("output_layer").param_names:
        first.get_ref("output_layer").set_param(name, model.get_ref("output_layer").get_param(name))
    np.testing.assert_array_equal(model.predict(docs), first.predict(docs))


def test_cls_of_no_transformer_is_refused():
    tok2vec = Model("words", lambda model, docs, is_train: ([], lambda d: []))
    with pytest.raises(ValueError, match=r"BC434.*words"):
        build_textcat_pooling_v2(tok2vec=tok2vec, exclusive_classes=True, pooling="cls")


# --- with a real transformer -----------------------------------------------------------------------------------


def cls_head(pooling="cls", exclusive=True):
    model = {
        "@architectures": "spacy-bioclinical.TextCatPooling.v2",
        "tok2vec": LISTENER,
        "exclusive_classes": exclusive,
        "pooling": pooling,
    }
    return ("textcat" if exclusive else "textcat_multilabel", {"model": model})


def labelled(nlp, texts):
    examples = []
    for i, text in enumerate(texts):
        cats = {label: float(j == i % N_LABELS) for j, label in enumerate("ABC")}
        examples.append(Example.from_dict(nlp.make_doc(text), {"cats": cats}))
    return examples


def test_single_window_equals_transformers_and_trains_the_same_weights(make_pipeline, notes, tmp_path):
    """Loss and gradient of every encoder weight: BertModel's first row, a linear layer, torch's cross-entropy."""
    folder = write_family_folder("bert", tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (folder / "config.json").write_text(json.dumps(config))
    nlp = make_pipeline(folder, heads=[cls_head()], initialize=False)
    examples = labelled(nlp, [note[:150] for note in notes])
    nlp.initialize(lambda: examples)
    head, encoder = nlp.get_pipe("textcat"), encoder_shim(nlp.get_pipe("transformer").model).encoder
    output = head.model.get_ref("output_layer")

    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    linear = torch.nn.Linear(bert.config.hidden_size, N_LABELS)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(output.get_param("W")))
        linear.bias.normal_()
    output.get_param("b")[:] = linear.bias.detach().numpy()
    loss, logits = torch.tensor(0.0), []
    transformer = nlp.get_pipe("transformer")
    windows = [transformer(nlp.make_doc(eg.text))._.trf_data.wordpieces.input_ids for eg in examples]
    assert all(len(ids) == 1 for ids in windows)
    for i, ids in enumerate(windows):
        rows = bert(input_ids=torch.from_numpy(ids).long()).last_hidden_state
        logits.append(linear(rows[:, 0]))
        loss = loss + torch.nn.functional.cross_entropy(logits[-1], torch.tensor([i % N_LABELS])) / len(
            windows
        )
    loss.backward()

    expected = torch.softmax(torch.cat(logits), dim=1).detach().numpy()
    cats = [list(doc.cats.values()) for doc in nlp.pipe(eg.text for eg in examples)]
    np.testing.assert_allclose(cats, expected, atol=1e-5)
    nlp.update(examples, sgd=False, drop=0.0)
    np.testing.assert_allclose(output.get_grad("W"), linear.weight.grad.numpy(), rtol=1e-3, atol=1e-5)
    ours = {tuple(p.shape): p.grad for p in encoder.parameters() if p.grad is not None}
    theirs = bert.embeddings.word_embeddings.weight.grad
    assert theirs.abs().max() > 1e-4
    assert torch.allclose(ours[tuple(theirs.shape)], theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "cls_attention"])
def test_document_in_several_windows_reads_each_of_them(make_pipeline, short_encoder_folder, notes, pooling):
    nlp = make_pipeline(
        short_encoder_folder, heads=[cls_head(pooling)], initialize=False, overlap=16, keep_hidden=True
    )
    long = notes[0] + " " + notes[1]
    examples = labelled(nlp, [long, notes[2], "Plan."])
    nlp.initialize(lambda: examples)
    doc = nlp(long)
    assert doc._.coverage["windows"] >= 3
    output = nlp.get_pipe("textcat").model.get_ref("output_layer")
    rows = doc._.trf_data.model_output.last_hidden_state[:, 0]
    if pooling == "cls":
        logits = output.get_param("W") @ rows.mean(axis=0) + output.get_param("b")
    else:
        logits = output.predict([rows])[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(list(doc.cats.values()), expected, atol=1e-5)
    losses = [nlp.update(examples, drop=0.0)["textcat"] for _ in range(10)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("pooling", ["cls", "cls_attention"])
def test_replaced_listeners_keep_their_output(make_pipeline, short_encoder_folder, tmp_path, notes, pooling):
    nlp = make_pipeline(short_encoder_folder, heads=[cls_head(pooling)], initialize=False, overlap=16)
    nlp.initialize(lambda: labelled(nlp, notes))
    expected = [doc.cats for doc in nlp.pipe([*notes, ""])]
    nlp.to_disk(tmp_path / "shared")
    assert [doc.cats for doc in spacy.load(tmp_path / "shared").pipe([*notes, ""])] == expected
    nlp.replace_listeners("transformer", "textcat", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert [doc.cats for doc in nlp.pipe([*notes, ""])] == expected
    nlp.to_disk(tmp_path / "alone")
    assert [doc.cats for doc in spacy.load(tmp_path / "alone").pipe([*notes, ""])] == expected
