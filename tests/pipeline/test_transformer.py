"""The shared transformer inside a pipeline. Run: pytest tests/pipeline/test_transformer.py"""

import warnings

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData
from transformers import AutoTokenizer, ModernBertModel

from spacy_bioclinical.models.transformer import encoder_shim
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "upstream": "*",
    "pooling": {"@layers": "reduce_mean.v1"},
}
NER = (
    "ner",
    {
        "model": {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "ner",
            "tok2vec": LISTENER,
            "extra_state_tokens": False,
            "hidden_width": 16,
            "maxout_pieces": 2,
            "use_upper": False,
        }
    },
)
TEXTCAT = ("textcat", {"model": {"@architectures": "spacy.TextCatReduce.v1", "exclusive_classes": True,
           "tok2vec": LISTENER, "use_reduce_first": False, "use_reduce_last": False, "use_reduce_max": False,
           "use_reduce_mean": True}})  # fmt: skip

ODD_TEXTS = {
    "empty": "",
    "one space": " ",
    "white space": " \n\n\t  \n",
    "emoji": "pain 😀👩‍👩‍👧 better",
    "combining marks": "fie\u0301vre nai\u0308ve e\u0301\u0300\u0323",
    "NUL": "a\x00b \x00 c",
    "lone surrogate": "bad \ud83d text \udc00.",
    "typed specials": "[CLS] note [SEP] with [PAD] and [MASK][SEP]",
    "CJK": "患者は胸痛を訴えた。",
    "no-break space": "5\u00a0mg\u2009daily",
    "one long token": "x" * 3000,
}


def rows_of(doc):
    """Mean row of each token, from the listeners' contract alone."""
    data = doc._.trf_data
    flat = data.model_output.last_hidden_state.reshape(-1, data.width)
    ends = numpy.cumsum(data.align.lengths)
    indices = data.align.dataXd
    return numpy.stack(
        [flat[indices[e - n : e]].mean(0) for e, n in zip(ends, data.align.lengths, strict=True)]
    )


def with_heads(nlp):
    """Give the heads labels and initialise."""
    examples = []
    for text, label in (("Ada Quill has chest pain.", "A"), ("No acute distress.", "B")):
        doc = nlp.make_doc(text)
        cats = {"A": float(label == "A"), "B": float(label == "B")}
        entities = [(0, 9, "NAME")] if label == "A" else []
        examples.append(Example.from_dict(doc, {"entities": entities, "cats": cats}))
    nlp.initialize(lambda: examples)
    return examples


def test_rows_equal_transformers_on_the_same_pieces(make_pipeline, encoder_folder, notes):
    """Text in, rows out, against AutoTokenizer and ModernBertModel."""
    nlp = make_pipeline(encoder_folder)
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder)
    model = ModernBertModel.from_pretrained(encoder_folder, attn_implementation="sdpa").eval()
    for doc in nlp.pipe(notes):
        encoding = tokenizer(doc.text, return_offsets_mapping=True, return_tensors="pt")
        offsets = encoding.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            rows = model(**encoding).last_hidden_state[0].numpy()
        assert doc._.trf_data.wordpieces.input_ids.tolist() == encoding["input_ids"].tolist()
        for token, actual in zip(doc, rows_of(doc), strict=True):
            if token.is_space:
                continue
            characters = set(range(token.idx, token.idx + len(token)))
            own = [
                i
                for i, (start, end) in enumerate(offsets)
                if any(c in characters and not doc.text[c].isspace() for c in range(start, end))
            ]
            assert own
            assert numpy.abs(rows[own].mean(0) - actual).max() < 2e-4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batched_equals_alone(make_pipeline, short_encoder_folder, notes, precision):
    nlp = make_pipeline(short_encoder_folder, overlap=16, precision=precision)
    texts = [*notes, "", *notes[::-1], " "]
    tolerance = 2e-5 if precision == "fp32" else 0.1
    seen_windows = set()
    for doc, text in zip(nlp.pipe(texts), texts, strict=True):
        assert doc.text == text
        alone = nlp(text)
        seen_windows.add(alone._.coverage["windows"])
        if len(alone):
            assert numpy.allclose(rows_of(doc), rows_of(alone), atol=tolerance)
    assert max(seen_windows) > 1
    assert 1 in seen_windows


def test_windows_cover_every_piece_and_say_so(make_pipeline, short_encoder_folder, encoder_folder, notes):
    text = "\n".join(notes * 3)
    n_pieces = len(PieceTokenizer.from_folder(encoder_folder).encode([text])[0].ids)
    one = make_pipeline(encoder_folder)(text)
    assert one._.coverage == {"windows": 1, "pieces_seen": n_pieces, "pieces": n_pieces}
    many = make_pipeline(short_encoder_folder, overlap=16)(text)
    assert many._.coverage["windows"] > 5
    assert many._.coverage["pieces_seen"] == many._.coverage["pieces"] == n_pieces
    assert many._.trf_data.model_output.last_hidden_state.shape[0] == many._.coverage["windows"]
    assert max(many._.trf_data.wordpieces.lengths) <= 64


def test_each_token_reads_its_own_pieces_across_windows(make_pipeline, short_encoder_folder, notes):
    """Read back the ids through the alignment: they must be the token's own pieces, whatever window they stand in."""
    nlp = make_pipeline(short_encoder_folder, overlap=16)
    doc = nlp("\n".join(notes * 3))
    tokenizer = PieceTokenizer.from_folder(short_encoder_folder)
    pieces = tokenizer.encode([doc.text])[0]
    ids = doc._.trf_data.wordpieces.input_ids.reshape(-1)
    align = doc._.trf_data.align
    ends = numpy.cumsum(align.lengths)
    for token, end, n in zip(doc, ends, align.lengths, strict=True):
        own = (pieces.starts < token.idx + len(token)) & (pieces.ends > token.idx)
        if not token.is_space:
            assert ids[align.dataXd[end - n : end]].tolist() == pieces.ids[own].tolist()


def test_overflow_can_be_an_error_that_quotes_nothing(make_pipeline, short_encoder_folder, notes):
    nlp = make_pipeline(short_encoder_folder, on_overflow="error", overlap=0)
    nlp("Lungs clear.")
    with pytest.raises(ValueError, match="BC307") as caught:
        nlp(notes[0])
    assert not any(word in str(caught.value) for word in notes[0].split() if len(word) > 6)


@pytest.mark.parametrize("name", ODD_TEXTS)
@pytest.mark.parametrize("pooling", ["reduce_mean.v1", "reduce_first.v1", "reduce_last.v1", "reduce_max.v1"])
def test_odd_texts_pass_through_the_heads(make_pipeline, short_encoder_folder, name, pooling):
    factory, config = TEXTCAT
    listener = {**LISTENER, "pooling": {"@layers": pooling}}
    # The stock reduce_first, reduce_last and reduce_max refuse empty documents; the mean takes them.
    others = {f"use_reduce_{how}": name != "empty" for how in ("first", "last", "max")}
    head = (factory, {"model": {**config["model"], "tok2vec": listener, **others}})
    nlp = make_pipeline(short_encoder_folder, overlap=16, heads=[head], initialize=False)
    with_heads(nlp)
    text = ODD_TEXTS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doc = next(nlp.pipe([text]))
    assert any("BC309" in str(warning.message) for warning in caught) == (name == "lone surrogate")
    assert doc.text == text.replace("\ud83d", "\ufffd").replace("\udc00", "\ufffd")
    assert doc._.coverage["pieces_seen"] == doc._.coverage["pieces"]
    if name != "empty":
        assert all(0 <= score <= 1 for score in doc.cats.values())
        data = nlp.get_pipe("transformer").predict([nlp.make_doc(doc.text)]).doc_data[0]
        assert numpy.isfinite(data.model_output.last_hidden_state).all()
        assert data.align.lengths.min() >= 1


def test_hundred_thousand_tokens(make_pipeline, encoder_folder, notes):
    nlp = make_pipeline(encoder_folder)
    nlp.max_length = 10_000_000
    words = [token.text for token in nlp.make_doc(notes[0])]
    doc = Doc(nlp.vocab, words=(words * (100_000 // len(words) + 1))[:100_000])
    doc = nlp.get_pipe("transformer")(doc)
    assert doc._.coverage["windows"] > 10
    assert doc._.coverage["pieces_seen"] == doc._.coverage["pieces"]
    assert len(doc._.trf_data.align.lengths) == 100_000
    assert numpy.isfinite(rows_of(doc)).all()


def test_typed_special_pieces_stay_text(make_pipeline, encoder_folder):
    ids = make_pipeline(encoder_folder)("seen [SEP] today")._.trf_data.wordpieces.input_ids[0].tolist()
    assert ids.count(1) == 1  # [CLS]
    assert ids.count(2) == 1  # [SEP]


def test_hidden_states_go_when_the_last_listener_has_read_them(make_pipeline, encoder_folder, notes):
    nlp = make_pipeline(encoder_folder, heads=[NER, TEXTCAT], initialize=False)
    with_heads(nlp)
    for doc in nlp.pipe(notes):
        with pytest.raises(ValueError, match="BC306"):
            _ = doc._.trf_data.model_output
        assert doc.cats
        assert doc._.coverage["windows"] == 1
        Doc(nlp.vocab).from_bytes(doc.to_bytes())
    # One of two listeners left out: the rows must stay for whoever reads later.
    for doc in nlp.pipe(notes, disable=["textcat"]):
        assert doc._.trf_data.width == 32
        doc = nlp.get_pipe("textcat")(doc)
        assert doc.cats
    assert nlp(notes[0])._.trf_data.width == 32


def test_hidden_states_stay_when_asked(make_pipeline, encoder_folder, notes):
    nlp = make_pipeline(encoder_folder, heads=[NER], initialize=False, keep_hidden=True)
    with_heads(nlp)
    assert all(doc._.trf_data.width == 32 for doc in nlp.pipe(notes))


def test_hidden_states_stay_without_listeners(make_pipeline, encoder_folder, notes):
    assert all(doc._.trf_data.width == 32 for doc in make_pipeline(encoder_folder).pipe(notes))


@pytest.mark.parametrize("budget", [1, 100, 100_000])
def test_budget_changes_nothing_but_the_batches(make_pipeline, short_encoder_folder, notes, budget):
    small = make_pipeline(short_encoder_folder, overlap=16, max_batch_pieces=budget)
    usual = make_pipeline(short_encoder_folder, overlap=16)
    calls = []
    encoder = encoder_shim(small.get_pipe("transformer").model).encoder
    encoder.register_forward_pre_hook(lambda module, args: calls.append(sum(args[1])))
    for doc, other in zip(small.pipe(notes * 2), usual.pipe(notes * 2), strict=True):
        assert numpy.allclose(rows_of(doc), rows_of(other), atol=2e-5)
    assert max(calls) <= max(budget, 64)
    assert (len(calls) == 1) == (budget == 100_000)


def test_budget_must_be_positive(make_pipeline, encoder_folder):
    with pytest.raises(ValueError, match="BC308"):
        make_pipeline(encoder_folder, max_batch_pieces=0)


def test_training_moves_encoder_and_heads_and_lowers_the_loss(make_pipeline, short_encoder_folder, notes):
    nlp = make_pipeline(short_encoder_folder, overlap=16, heads=[NER, TEXTCAT], initialize=False)
    examples = with_heads(nlp)
    empty = Example.from_dict(nlp.make_doc(""), {"cats": {"A": 0.0, "B": 1.0}})
    long = Example.from_dict(
        nlp.make_doc(notes[0]), {"cats": {"A": 1.0, "B": 0.0}, "entities": [(28, 37, "NAME")]}
    )
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 5e-4
    history = []
    for _ in range(60):
        losses = {}
        nlp.update([empty, *examples, long], sgd=optimizer, losses=losses)
        history.append(losses["ner"] + losses["textcat"])
    assert sum(history[-5:]) < 0.5 * sum(history[:5])
    untouched = [name for name, value in encoder.state_dict().items() if torch.equal(value, before[name])]
    assert untouched == []


def test_gradients_of_windows_equal_torch_alone(make_pipeline, short_encoder_folder, notes):
    """What listeners hand back must reach the weights as plain autograd computes it."""
    nlp = make_pipeline(short_encoder_folder, overlap=16)
    model = nlp.get_pipe("transformer").model
    shim = encoder_shim(model)
    docs = [nlp.make_doc(text) for text in (notes[0], "", notes[1])]
    batch, backprop = model.begin_update(docs)
    rng = numpy.random.default_rng(0)
    arrays = [
        [rng.normal(size=data.model_output.last_hidden_state.shape).astype("f")]
        for data in batch.doc_data
        if len(data.wordpieces.lengths)
    ]
    assert max(len(array[0]) for array in arrays) > 1
    backprop(batch.unsplit_by_doc(arrays))
    actual = {name: parameter.grad.clone() for name, parameter in shim.encoder.named_parameters()}
    shim.encoder.zero_grad()
    for data, (array,) in zip([batch.doc_data[0], batch.doc_data[2]], arrays, strict=True):
        for ids, length, wanted in zip(
            data.wordpieces.input_ids, data.wordpieces.lengths, array, strict=True
        ):
            rows = shim.encoder(torch.as_tensor(ids[:length].astype("int64")), [length])
            (rows * torch.as_tensor(wanted[:length])).sum().backward()
    for name, parameter in shim.encoder.named_parameters():
        assert torch.allclose(actual[name], parameter.grad, rtol=1e-3, atol=1e-4), name


def test_frozen_transformer_trains_the_head_alone(make_pipeline, encoder_folder):
    nlp = make_pipeline(encoder_folder, heads=[TEXTCAT], initialize=False)
    examples = with_heads(nlp)
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.05
    losses = [{} for _ in range(15)]
    for step in losses:
        nlp.update(examples, sgd=optimizer, losses=step, exclude=["transformer"], annotates=["transformer"])
    assert losses[-1]["textcat"] < losses[0]["textcat"]
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_averaged_weights_are_used_and_put_back(make_pipeline, encoder_folder):
    nlp = make_pipeline(encoder_folder, heads=[TEXTCAT], initialize=False)
    examples = with_heads(nlp)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-2
    optimizer.averages = {}
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    shim = encoder_shim(nlp.get_pipe("transformer").model)
    weight = shim.encoder.final_norm.weight
    trained = weight.detach().clone()
    with nlp.use_params(optimizer.averages):
        assert torch.equal(
            weight.detach(), torch.as_tensor(optimizer.averages[(shim.id, "final_norm.weight")])
        )
        assert not torch.equal(weight, trained)
    assert torch.equal(weight, trained)


def test_copied_models_do_not_share_an_optimizers_state(make_pipeline, encoder_folder):
    model = make_pipeline(encoder_folder).get_pipe("transformer").model
    copied = model.copy()
    assert encoder_shim(copied).id != encoder_shim(model).id
    one, other = encoder_shim(model).encoder, encoder_shim(copied).encoder
    with torch.no_grad():
        other.final_norm.weight.zero_()
    assert one.final_norm.weight.any()


def test_several_processes_give_equal_output(make_pipeline, encoder_folder, notes):
    nlp = make_pipeline(encoder_folder, heads=[TEXTCAT], initialize=False)
    with_heads(nlp)
    texts = notes * 3
    alone = [doc.cats for doc in nlp.pipe(texts)]
    shared = [doc.cats for doc in nlp.pipe(texts, n_process=2, batch_size=4)]
    for one, other in zip(alone, shared, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_documents_with_rows_survive_bytes(make_pipeline, encoder_folder, notes):
    doc = make_pipeline(encoder_folder)(notes[0])
    again = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert isinstance(again._.trf_data, TransformerData)
    assert numpy.array_equal(rows_of(again), rows_of(doc))
    assert again._.coverage == doc._.coverage


def test_without_an_encoder_the_error_says_what_to_type(notes):
    nlp = spacy.blank("en")
    nlp.add_pipe("bioclinical_transformer")
    with pytest.raises(ValueError, match=r"BC301.*EncoderFolder"):
        nlp(notes[0])
    with pytest.raises(ValueError, match="BC301"):
        nlp.initialize()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"context": 2}, "BC302"),
        ({"context": 9000}, "BC302"),
        ({"overlap": 8190}, "BC305"),
        ({"on_overflow": "cut"}, "BC102"),
        ({"precision": "fp8"}, "BC102"),
        ({"kernel": "magic"}, "BC102"),
        ({"device": "cuda:99"}, "BC304"),
        ({"device": "abacus"}, "BC304"),
    ],
)
def test_impossible_settings_are_refused(make_pipeline, encoder_folder, settings, code):
    with pytest.raises(ValueError, match=code):
        make_pipeline(encoder_folder, **settings)
