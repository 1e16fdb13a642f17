"""`spacy-bioclinical.AdamW.v1` beside torch's own AdamW and a training loop of plain torch and transformers."""

import math

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Linear, chain
from transformers import AutoModel, get_linear_schedule_with_warmup

from spacy_bioclinical.models.fine_tuning import layers_above
from spacy_bioclinical.models.transformer import encoder_shim
from spacy_bioclinical.training.layers import scale_gradients
from spacy_bioclinical.training.optimizer import AdamW, build_adamw_v1
from spacy_bioclinical.training.schedules import LinearDecay, build_linear_decay_v1

WORDS = ["Ada", "Quill", "denies", "chest", "pain", ",", "takes", "aspirin", "daily", "and", "lives"]
WORDS += ["in", "Quarrytown", "with", "her", "brother"]


@pytest.mark.parametrize("clip", [0.0, 0.5, 1e6])
def test_adamw_equals_torch_on_the_same_gradients(clip):
    """Two groups by decay, one norm over all parameters, a linear decay: ten steps within 1e-6."""
    rng = np.random.default_rng(1)
    model = chain(Linear(4, 3), Linear(2, 4)).initialize()
    ours = build_adamw_v1(
        learn_rate=build_linear_decay_v1(initial_rate=0.1, warmup_steps=3, total_steps=12),
        weight_decay=0.1,
        grad_clip=clip,
    )
    keys = [(layer.id, name) for layer in model.layers for name in ("W", "b")]
    nodes = {layer.id: layer for layer in model.layers}
    theirs = {key: torch.nn.Parameter(torch.tensor(nodes[key[0]].get_param(key[1]))) for key in keys}
    groups = [
        {"params": [theirs[key] for key in keys if key[1] == "W"], "weight_decay": 0.1},
        {"params": [theirs[key] for key in keys if key[1] == "b"], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_linear_schedule_with_warmup(reference, 3, 12)
    for number in range(10):
        for key in keys:
            gradient = rng.normal(0, 10.0 ** (number % 3 - 1), theirs[key].shape).astype("float32")
            theirs[key].grad = torch.tensor(gradient)
            nodes[key[0]].set_grad(key[1], gradient)
        norm = torch.nn.utils.clip_grad_norm_(theirs.values(), clip or math.inf)
        reference.step()
        schedule.step()
        model.finish_update(ours)
        ours.step_schedules()
        assert ours.grad_norm == pytest.approx(float(norm), rel=1e-6)
        for key in keys:
            assert np.abs(nodes[key[0]].get_param(key[1]) - theirs[key].detach().numpy()).max() < 1e-6
            assert not nodes[key[0]].get_grad(key[1]).any()


def examples_for(nlp, n_docs=4):
    examples = []
    for i in range(n_docs):
        words = WORDS[2 * i :] + WORDS[: 5 * i]
        tags = ["B-NAME" if w == "Ada" else "I-NAME" if w == "Quill" else "O" for w in words]
        reference = Doc(nlp.vocab, words=words, ents=tags, spaces=[True] * (len(words) - 1) + [False])
        reference.cats = {"A": float(i % 2), "B": float(1 - i % 2)}
        examples.append(Example(nlp.make_doc(reference.text), reference))
    return examples


def step(nlp, examples, optimizer):
    """One step as spaCy's training loop takes it; `nlp.update(sgd=…)` hands over an encoder's gradient too early."""
    losses = nlp.update(examples, sgd=False)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)
    optimizer.step_schedules()
    return losses


class Reference(torch.nn.Module):
    """transformers' encoder with the mean of each token's pieces, a linear layer and torch's cross-entropy."""

    def __init__(self, folder, nlp, head):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, attn_implementation="eager").train()
        W, b = head.get_param("W"), head.get_param("b")
        self.head = torch.nn.Linear(W.shape[1], W.shape[0])
        self.head.load_state_dict({"weight": torch.tensor(W.copy()), "bias": torch.tensor(b.copy())})
        self.tokenizer = encoder_shim(nlp.get_pipe("transformer").model).tokenizer

    def forward(self, doc):
        pieces = self.tokenizer.encode([doc.text])[0]
        ids = [*self.tokenizer.prefix_ids, *pieces.ids.tolist(), *self.tokenizer.suffix_ids]
        rows = self.encoder(torch.tensor([ids])).last_hidden_state[0, len(self.tokenizer.prefix_ids) :]
        spans = list(zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True))
        vectors = []
        for token in doc:
            inside = [i for i, (a, b) in enumerate(spans) if a < token.idx + len(token) and b > token.idx]
            vectors.append(rows[inside].mean(0))
        return torch.stack(vectors)


def test_training_of_encoder_and_tagger_equals_a_loop_of_torch(encoder_folder, make_pipeline):
    """Three steps of `bioclinical_ner` with its encoder: clipped by the common norm, decayed, two learn rates."""
    nlp = make_pipeline(encoder_folder, heads=[("bioclinical_ner", {})], initialize=False, precision="fp32")
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    ner = nlp.get_pipe("bioclinical_ner")
    head = ner.model.get_ref("output_layer")
    head.set_param("W", np.random.default_rng(3).normal(0, 0.5, head.get_param("W").shape).astype("float32"))
    torch_model = Reference(encoder_folder, nlp, head)
    decayed = [p for p in torch_model.encoder.parameters() if p.ndim > 1]
    others = [p for p in torch_model.encoder.parameters() if p.ndim == 1]
    groups = [
        {"params": decayed, "weight_decay": 0.1, "lr": 1e-3},
        {"params": others, "weight_decay": 0.0, "lr": 1e-3},
        {"params": [torch_model.head.weight], "weight_decay": 0.1, "lr": 1e-2},
        {"params": [torch_model.head.bias], "weight_decay": 0.0, "lr": 1e-2},
    ]
    reference = torch.optim.AdamW(groups)
    ours = build_adamw_v1(learn_rate=1e-3, head_learn_rate=1e-2, weight_decay=0.1, grad_clip=0.05)
    labels = {"O": 0, "B-NAME": 1, "I-NAME": 2}
    targets = torch.tensor(
        [labels[f"{t.ent_iob_}-{t.ent_type_}".rstrip("-")] for eg in examples for t in eg.reference]
    )
    for _ in range(3):
        rows = torch.cat([torch_model(eg.predicted) for eg in examples])
        loss = torch.nn.functional.cross_entropy(torch_model.head(rows), targets)
        reference.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(torch_model.parameters(), 0.05)
        reference.step()
        losses = step(nlp, examples, ours)
        assert losses["bioclinical_ner"] == pytest.approx(float(loss), abs=1e-5)
        assert ours.grad_norm == pytest.approx(float(norm), rel=1e-4)
        assert norm > 0.05
    trained = dict(encoder_shim(nlp.get_pipe("transformer").model).encoder.named_parameters())
    for name, parameter in torch_model.encoder.named_parameters():
        # Adam's first steps have the size of the rate whatever the gradient's, so tiny differences of sums show.
        assert float((trained[name] - parameter).abs().mean()) < 2e-6, name
    assert np.abs(head.get_param("W") - torch_model.head.weight.detach().numpy()).max() < 2e-5


def test_layers_learn_at_their_own_rates_and_frozen_ones_not_at_all(encoder_folder, make_pipeline):
    nlp = make_pipeline(encoder_folder, heads=[("bioclinical_ner", {})], initialize=False, frozen_layers=1)
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    ours = AdamW(1e-3, weight_decay=0.0, layer_decay=0.5, grad_clip=0.0)
    step(nlp, examples, ours)
    # The first step of Adam moves each weight by its rate, wherever the gradient is not tiny.
    moved = {name: float((p - before[name]).abs().max()) for name, p in encoder.named_parameters()}
    assert all(moved[name] == 0.0 for name in moved if name.startswith(("embeddings", "layers.0.")))
    for number, rate in ((1, 2.5e-4), (2, 5e-4), (3, 1e-3)):
        assert moved[f"layers.{number}.attn.Wqkv.weight"] == pytest.approx(rate, rel=1e-2)
    assert moved["final_norm.weight"] == pytest.approx(1e-3, rel=1e-2)
    with pytest.raises(ValueError, match="BC445"):
        make_pipeline(encoder_folder, frozen_layers=5)


def test_layers_above_knows_the_families_names():
    names = ["embeddings.norm.weight", "layers.0.attn.Wo.weight", "layers.2.mlp.Wo.weight", "final_norm.bias"]
    assert list(layers_above(names).values()) == [3, 2, 0, 0]
    names = ["embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.bias", "pooler.dense.bias"]
    assert list(layers_above(names).values()) == [1, 0, 0]


def test_gradients_of_parts_add_up_to_that_of_the_batch(encoder_folder, make_pipeline):
    """Parts of unequal size, weighed by tokens, give the gradient that the whole batch has at once."""
    from spacy_bioclinical.training.batcher import Batch

    nlp = make_pipeline(encoder_folder, heads=[("bioclinical_ner", {})], initialize=False, precision="fp32")
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder

    def gradients():
        found = {name: p.grad.clone() for name, p in encoder.named_parameters()}
        node = nlp.get_pipe("bioclinical_ner").model.get_ref("output_layer")
        head = node.get_grad("W").copy()
        scale_gradients(nlp, 0.0)
        return found, head

    nlp.update(examples, sgd=False)
    whole, whole_head = gradients()
    batch = Batch([examples[:1], examples[1:]], "tokens")
    shares = batch.shares()
    nlp.update(batch.parts[0], sgd=False)
    scale_gradients(nlp, shares[0] / shares[1])
    nlp.update(batch.parts[1], sgd=False)
    scale_gradients(nlp, shares[1])
    parts, parts_head = gradients()
    assert max(float((whole[name] - parts[name]).abs().max()) for name in whole) < 1e-5
    assert np.abs(whole_head - parts_head).max() < 1e-6
    assert np.abs(whole_head).max() > 1e-2


def test_adamw_stops_at_a_gradient_that_is_not_finite():
    ours = AdamW(0.1)
    weights = np.ones(3, dtype="f")
    ours((1, "W"), weights, np.array([1.0, np.nan, 0.0], dtype="f"))
    with pytest.raises(ValueError, match="BC442"):
        ours.step_schedules()
    assert (weights == 1.0).all()


def test_settings_out_of_range_are_refused():
    for settings in ({"layer_decay": 0.0}, {"grad_clip": -1.0}, {"weight_decay": -0.1}, {"beta2": 1.0}):
        with pytest.raises(ValueError, match="BC444"):
            build_adamw_v1(**settings)
    with pytest.raises(ValueError, match="BC444"):
        build_linear_decay_v1(initial_rate=0.0)


def test_open_linear_decay_wants_to_know_its_end():
    schedule = LinearDecay(0.5)
    assert next(schedule) == 0.5
    with pytest.raises(ValueError, match="BC443"):
        next(schedule)
    bound = LinearDecay(0.5)
    bound.bind(4)
    assert [next(bound) for _ in range(5)] == [0.5, 0.375, 0.25, 0.125, 0.0]
