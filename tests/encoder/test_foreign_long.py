"""Longformer and BigBird: the same rows in every company, no trace left behind.

Run: pytest tests/encoder/test_foreign_long.py
"""

# numpy's global generator is what transformers seeds:
# ruff: noqa: NPY002

import copy
import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import BigBirdConfig, BigBirdModel, LongformerConfig, LongformerModel
from transformers.utils import logging as transformers_logging

from spacy_bioclinical.encoder import encoder_from_config
from spacy_bioclinical.encoder.foreign import MAX_PADDED_SHARE
from tests.encoder.family_folders import strengthened
from tests.encoder.references import draw_ids

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def longformer(**overrides):
    settings = {"max_position_embeddings": 514, "attention_window": [64, 32, 64], "pad_token_id": 1}
    return strengthened(
        LongformerModel(LongformerConfig(**{**SMALL, **settings, **overrides}), add_pooling_layer=False),
        gain=6.0,
    )


def big_bird(**overrides):
    settings = {"max_position_embeddings": 512, "block_size": 16, "num_random_blocks": 2}
    return strengthened(
        BigBirdModel(BigBirdConfig(**{**SMALL, **settings, **overrides}), add_pooling_layer=False), gain=6.0
    )


MODELS = {"longformer": longformer, "big_bird": big_bird}
# Around each edge: steps of narrowed windows, attention windows, blocks, BigBird's shortest sparse row (144), context.
LENGTHS = [
    1,
    2,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    143,
    144,
    145,
    160,
    161,
    300,
    301,
    305,
    511,
    512,
]
COMPANY = [512, 3, 40, 150, 149, 400, 500]


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def ours(model):
    encoder = encoder_from_config(model.config.to_dict())
    encoder.model.load_state_dict(model.state_dict(), strict=True)
    return encoder.train(model.training).set_compute(precision="fp32")


def alone(model, part):
    """Rows of one window by a fresh copy of transformers' model, with global attention on the first piece."""
    extra = {}
    if isinstance(model, LongformerModel):
        extra["global_attention_mask"] = (torch.arange(len(part)) == 0).long()[None]
    return copy.deepcopy(model)(
        input_ids=part[None], attention_mask=torch.ones_like(part)[None], **extra
    ).last_hidden_state[0]


def padded(model, ids, lengths):
    """Rows of each window by one model that is used for all."""
    return torch.cat([alone(model, part) for part in ids.split(lengths)])


@pytest.mark.parametrize("is_training", [False, True])
def test_rows_equal_transformers_alone(model, is_training):
    """In training too: BigBird's random blocks follow from layer and length."""
    model.train(is_training)
    encoder, ids = ours(model), draw_ids(LENGTHS)
    assert encoder.context == 512
    with torch.no_grad():
        for part, rows in zip(ids.split(LENGTHS), encoder(ids, LENGTHS).split(LENGTHS), strict=True):
            assert (alone(model, part) - rows).abs().max() < 2e-5, len(part)


def test_rows_do_not_depend_on_company_or_history(model):
    encoder, ids = ours(model), draw_ids(LENGTHS)
    with torch.no_grad():
        first = encoder(ids, LENGTHS)
        for length in (5, 512, 5):  # what would switch transformers' BigBird for good
            encoder(draw_ids([length], seed=9), [length])
        assert torch.equal(encoder(ids, LENGTHS), first)
        for i, part in enumerate(ids.split(LENGTHS)):
            mixed = encoder(torch.cat([draw_ids(COMPANY, seed=i), part]), [*COMPANY, len(part)])
            assert torch.allclose(mixed[-len(part) :], first.split(LENGTHS)[i], atol=2e-5)


def test_first_piece_is_seen_by_all(model):
    """Twelve windows of attention away, in one layer."""
    config = {**model.config.to_dict(), "num_hidden_layers": 1}
    if isinstance(config.get("attention_window"), list):
        config["attention_window"] = [32]
    torch.manual_seed(0)
    encoder = encoder_from_config(config).eval()
    ids = draw_ids([500])
    other = ids.clone()
    other[0] = 5 if ids[0] != 5 else 6
    with torch.no_grad():
        changed = (encoder(ids, [500]) - encoder(other, [500])).abs().amax(dim=-1)
    assert (changed > 0).all()


def test_gradients_equal_transformers(model):
    lengths = [9, 145, 150, 300]
    encoder, ids = ours(model), draw_ids(lengths, seed=3)
    weights = torch.randn(sum(lengths), 32, generator=torch.Generator().manual_seed(1))
    (encoder(ids, lengths) * weights).sum().backward()
    for part, weight in zip(ids.split(lengths), weights.split(lengths), strict=True):
        extra = {}
        if isinstance(model, LongformerModel):
            extra["global_attention_mask"] = (torch.arange(len(part)) == 0).long()[None]
        else:
            model.set_attention_type("block_sparse")
        mask = torch.ones_like(part)[None]
        rows = model(input_ids=part[None], attention_mask=mask, **extra).last_hidden_state[0]
        (rows * weight).sum().backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    scale = max(grad.norm() for grad in expected.values())
    for name, parameter in encoder.model.named_parameters():
        assert (parameter.grad - expected[name]).norm() <= 1e-4 * expected[name].norm() + 1e-6 * scale, name


def test_padding_by_batching_stays_under_five_percent(model):
    encoder = ours(model)
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 513, (120,), generator=generator).tolist()
    groups = list(encoder.groups(lengths))
    assert sorted(i for _, group in groups for i in group) == [i for i, n in enumerate(lengths) if n]
    for row_length, group in groups:
        own = sum(encoder.row_length(lengths[i]) for i in group)
        assert own <= row_length * len(group) <= max(encoder.group_pieces, row_length)
        assert 1 - own / (row_length * len(group)) <= MAX_PADDED_SHARE
    computed = sum(row_length * len(group) for row_length, group in groups)
    # What the families themselves fill up, here with small windows and blocks, counts as padding too.
    assert 1 - sum(lengths) / computed < 0.15


def test_published_shapes_waste_little():
    """Rows of full-size windows of notes, own padding included; short Longformer windows are not filled up to 512."""
    full = {**SMALL, "num_hidden_layers": 1}
    notes = encoder_from_config(
        LongformerConfig(
            **full, max_position_embeddings=4098, attention_window=[512], pad_token_id=1
        ).to_dict()
    )
    birds = encoder_from_config(BigBirdConfig(**full).to_dict())
    assert (notes.context, birds.context) == (4096, 4096)
    assert [notes.row_length(n) for n in (1, 40, 248, 249, 512, 513, 4096)] == [
        16,
        80,
        496,
        512,
        512,
        1024,
        4096,
    ]
    assert [birds.row_length(n) for n in (1, 704, 705, 4096)] == [1, 704, 768, 4096]
    lengths = torch.randint(705, 4097, (400,), generator=torch.Generator().manual_seed(0)).tolist()
    computed = sum(row * len(group) for row, group in birds.groups(lengths))
    assert 1 - sum(lengths) / computed < MAX_PADDED_SHARE


def test_global_generators_are_left_alone(model):
    encoder, ids = ours(model.train()), draw_ids(COMPANY)
    np.random.seed(7)
    torch.manual_seed(7)
    expected = np.random.rand(), torch.rand(()).item()
    np.random.seed(7)
    torch.manual_seed(7)
    encoder(ids, COMPANY).sum().backward()
    assert (np.random.rand(), torch.rand(()).item()) == expected
    np.random.seed(1)
    with torch.no_grad():
        one = encoder(ids, COMPANY)
        np.random.seed(2)
        assert torch.equal(encoder(ids, COMPANY), one)


def test_model_is_left_as_it_was(model):
    encoder = ours(model)
    names = [name for name, _ in encoder.named_parameters()]
    config = encoder.model.config.to_dict()
    for lengths in ([5], [512], [5, 512]):
        encoder(draw_ids(lengths), lengths)
        assert [name for name, _ in encoder.named_parameters()] == names
        assert encoder.model.config.to_dict() == config
        assert not any(parameter.is_meta for parameter in encoder.parameters())
        if isinstance(model, BigBirdModel):
            assert encoder.model.attention_type == "block_sparse"
            assert not any(module.training for module in encoder.modules())
        else:
            layers = encoder.model.encoder.layer
            assert [layer.attention.self.one_sided_attn_window_size for layer in layers] == [32, 16, 32]


def test_failure_leaves_the_model_as_it_was(model, monkeypatch):
    encoder = ours(model)

    def out_of_memory(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(encoder.model.embeddings, "forward", out_of_memory)
    with pytest.raises(RuntimeError, match="out of memory"):
        encoder(draw_ids([5]), [5])
    monkeypatch.undo()
    with torch.no_grad():
        assert torch.equal(encoder(draw_ids([500]), [500]), ours(model)(draw_ids([500]), [500]))


def test_copies_compute_the_same(model):
    encoder, ids = ours(model), draw_ids(COMPANY)
    with torch.no_grad():
        expected = encoder(ids, COMPANY)
        assert torch.equal(copy.deepcopy(encoder)(ids, COMPANY), expected)


def test_bf16_deviates_no_more_than_transformers_bf16(model):
    encoder, ids = ours(model), draw_ids(LENGTHS)
    with torch.no_grad():
        exact = encoder(ids, LENGTHS)
        low = encoder.set_compute(precision="bf16")(ids, LENGTHS)
        theirs = padded(model.to(torch.bfloat16), ids, LENGTHS).float()
    assert low.dtype == torch.float32
    assert 0 < (low - exact).norm() <= (theirs - exact).norm()
    ours_cosine, theirs_cosine = (F.cosine_similarity(rows, exact, dim=-1) for rows in (low, theirs))
    assert ours_cosine.mean() >= theirs_cosine.mean() > 0.9


def test_nothing_is_said(model, caplog, capfd):
    """transformers warns of switched attention and filled-up rows; none of it concerns whoever reads the log."""
    logging.Logger.warning_once.cache_clear()  # what was said in another test would not be said again
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_warning()  # another test may have lowered it
    transformers_logging.enable_propagation()
    try:
        with caplog.at_level(logging.DEBUG), torch.no_grad():
            for lengths in ([5], [500, 5], LENGTHS):
                ours(model)(draw_ids(lengths), lengths)
            assert caplog.text == ""
            assert capfd.readouterr() == ("", "")
            alone(model, draw_ids([5]))
            assert caplog.text, "else this test could not have failed"
    finally:
        transformers_logging.disable_propagation()
        transformers_logging.set_verbosity(verbosity)


def test_full_attention_of_the_config_is_kept():
    model = big_bird(attention_type="original_full")
    encoder, ids = ours(model), draw_ids([400, 30])
    with torch.no_grad():
        rows = encoder(ids, [400, 30])
        assert (rows[:400] - alone(model, ids[:400])).abs().max() < 2e-5
    assert [row for row, _ in encoder.groups([400, 30])] == [400, 30]


def test_context_holds_whole_blocks():
    """A last block that is not whole would be filled up beyond the positions."""
    model = big_bird(max_position_embeddings=500)
    encoder = ours(model)
    assert encoder.context == 496
    with torch.no_grad():
        assert encoder(draw_ids([496]), [496]).isfinite().all()
    short = ours(big_bird(max_position_embeddings=100))
    assert short.context == 100  # never block-sparse
    with torch.no_grad():
        assert short(draw_ids([100]), [100]).isfinite().all()


def test_one_attention_window_for_all_layers():
    config = longformer().config.to_dict()
    encoder = encoder_from_config({**config, "attention_window": 32}).eval()
    assert encoder.row_length(30) == 32
    with torch.no_grad():
        assert encoder(draw_ids([70, 3]), [70, 3]).shape == (73, 32)
