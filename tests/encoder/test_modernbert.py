"""Our packed ModernBERT against transformers' padded one. Run: pytest tests/encoder/test_modernbert.py"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from spacy_bioclinical.encoder import encoder_from_config
from spacy_bioclinical.encoder.modernbert import ModernBert, ModernBertSettings
from tests.encoder.references import draw_ids, padded_rows, reference

RAGGED = [1, 2, 63, 64, 65, 127, 128, 129, 200, 391]

VARIED = {
    "as published, small": {},
    "one layer": {"num_hidden_layers": 1},
    "all layers global": {"global_attn_every_n_layers": 1},
    "global every fourth": {"global_attn_every_n_layers": 4, "num_hidden_layers": 6},
    "narrow window": {"local_attention": 6},
    "odd window": {"local_attention": 33},
    "wide window": {"local_attention": 700},
    "other rope bases": {"global_rope_theta": 5e5, "local_rope_theta": 100.0},
    "one rope base": {"local_rope_theta": None},
    "all biases": {"attention_bias": True, "mlp_bias": True, "norm_bias": True},
    "other eps": {"norm_eps": 1e-2},
    "silu": {"hidden_activation": "silu"},
    "tanh gelu": {"hidden_activation": "gelu_pytorch_tanh"},
    "wide": {"hidden_size": 96, "intermediate_size": 200, "num_attention_heads": 3},
}


def ours(reference_model):
    encoder = ModernBert(ModernBertSettings.from_config(reference_model.config.to_dict()))
    encoder.load_state_dict(reference_model.state_dict(), strict=True)
    return encoder.eval()


@pytest.mark.parametrize("overrides", VARIED.values(), ids=VARIED)
def test_packed_equals_padded_reference_for_every_config(overrides):
    model = reference(**overrides)
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        expected = padded_rows(model, ids, RAGGED)
        actual = ours(model)(ids, RAGGED)
    assert actual.dtype == torch.float32
    assert (actual - expected).abs().max() < 2e-4
    # Guard against weights so weak that attention would not matter: neighbours must change a row.
    with torch.no_grad():
        alone = model(input_ids=ids[-1:][None]).last_hidden_state[0]
    assert (alone - expected[-1:]).abs().max() > 1e-2


def test_packed_equals_reference_up_to_8192_pieces():
    model = reference(num_hidden_layers=4)
    lengths = [8192, 1, 4097, 30, 8191]
    ids = draw_ids(lengths)
    encoder = ours(model)
    with torch.no_grad():
        actual = encoder(ids, lengths)
        for part, rows in zip(ids.split(lengths), actual.split(lengths), strict=True):
            assert (model(input_ids=part[None]).last_hidden_state[0] - rows).abs().max() < 2e-4


def test_trained_weights_equal_reference():
    """Weights that training has moved: a few hundred steps' worth of change in few steps, at a high rate."""
    model = reference(gain=1.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    readout = torch.nn.Linear(48, 300)
    for step in range(25):
        ids = draw_ids([40] * 4, seed=step).view(4, 40)
        rows = model(input_ids=ids).last_hidden_state
        loss = torch.nn.functional.cross_entropy(readout(rows).flatten(0, 1), ids.roll(1, dims=1).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids = draw_ids(RAGGED, seed=99)
    with torch.no_grad():
        assert (ours(model)(ids, RAGGED) - padded_rows(model, ids, RAGGED)).abs().max() < 2e-4


@pytest.mark.parametrize("overrides", [{}, {"attention_bias": True, "mlp_bias": True, "norm_bias": True}])
def test_gradients_equal_reference(overrides):
    model = reference(**overrides)
    encoder = ours(model)
    ids = draw_ids(RAGGED)
    weights = torch.randn(sum(RAGGED), 48, generator=torch.Generator().manual_seed(1))
    (padded_rows(model, ids, RAGGED) * weights).sum().backward()
    (encoder(ids, RAGGED) * weights).sum().backward()
    expected = dict(model.named_parameters())
    for name, parameter in encoder.named_parameters():
        wanted = expected[name].grad
        assert (parameter.grad - wanted).norm() <= 1e-3 * wanted.norm(), name


def test_packed_equals_alone_in_any_company():
    encoder = ours(reference())
    ids = draw_ids(RAGGED)
    parts = list(ids.split(RAGGED))
    with torch.no_grad():
        together = encoder(ids, RAGGED).split(RAGGED)
        alone = [encoder(part, [len(part)]) for part in parts]
        order = torch.randperm(len(parts), generator=torch.Generator().manual_seed(3)).tolist()
        shuffled_lengths = [RAGGED[i] for i in order]
        shuffled = encoder(torch.cat([parts[i] for i in order]), shuffled_lengths).split(shuffled_lengths)
    for i, rows in enumerate(together):
        assert torch.allclose(rows, alone[i], atol=2e-5)
        assert torch.allclose(rows, shuffled[order.index(i)], atol=2e-5)


def test_empty_windows_own_no_rows():
    encoder = ours(reference())
    ids = draw_ids([5, 7])
    with torch.no_grad():
        assert torch.equal(encoder(ids, [0, 5, 0, 7, 0]), encoder(ids, [5, 7]))
        assert encoder(ids[:0], []).shape == (0, 48)
        assert encoder(ids[:0], [0, 0]).shape == (0, 48)


@pytest.mark.parametrize("lengths", [[5], [5, 8], [-1, 13], [13, -1]])
def test_wrong_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="BC101"):
        ours(reference())(draw_ids([12]), lengths)


class LargestTensor(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for item in tree_iter(result):
            if isinstance(item, torch.Tensor) and item.untyped_storage().size():
                self.numel = max(self.numel, item.untyped_storage().nbytes() // item.element_size())
        return result


@pytest.mark.parametrize(
    ("dropout", "compute"),
    [
        (0.0, {"precision": "fp32"}),
        (0.1, {"precision": "fp32"}),
        (0.0, {"precision": "bf16", "kernel": "tiled"}),
    ],
)
def test_nothing_of_size_length_squared_is_made(dropout, compute):
    length = 4096
    encoder = ModernBert(
        ModernBertSettings.from_config(
            {**reference(num_hidden_layers=2).config.to_dict(), "attention_dropout": dropout}
        )
    ).init_weights(0)
    encoder.train().set_compute(**compute)
    ids = draw_ids([length])
    with LargestTensor() as largest:
        encoder(ids, [length]).sum().backward()
    assert 0 < largest.numel < length * length / 2
    with LargestTensor() as quadratic:  # the probe does see what it is meant to see
        torch.ones(length, 1) @ torch.ones(1, length)
    assert quadratic.numel == length * length


def test_bf16_deviates_no_more_than_the_references_bf16():
    model = reference(gain=2.0, num_hidden_layers=8)
    encoder = ours(model)
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        exact = encoder(ids, RAGGED)
        encoder.set_compute(precision="bf16")
        low = encoder(ids, RAGGED)
        theirs = padded_rows(model.to(torch.bfloat16), ids, RAGGED).float()
    assert low.dtype == torch.float32
    ours_off, theirs_off = (low - exact).norm(), (theirs - exact).norm()
    assert 0 < ours_off <= theirs_off


def test_cached_casts_follow_the_weights():
    encoder = ours(reference())
    encoder.set_compute(precision="bf16")
    ids = draw_ids([20])
    with torch.no_grad():
        before = encoder(ids, [20])
        for parameter in encoder.parameters():
            parameter.mul_(1.5)
        after = encoder(ids, [20])
        encoder.forget_casts()
        assert torch.equal(after, encoder(ids, [20]))
    assert not torch.equal(before, after)


def test_unset_local_rope_base_of_early_checkpoints_means_the_global_one():
    settings = {**reference().config.to_dict(), "local_rope_theta": -1}
    encoder = ModernBert(ModernBertSettings.from_config(settings)).init_weights(0)
    with torch.no_grad():
        assert encoder(draw_ids([50]), [50]).isfinite().all()


@pytest.mark.parametrize(
    "change", [{"model_type": "bert"}, {"rope_scaling": {"rope_type": "linear"}}, {"num_attention_heads": 5}]
)
def test_configs_that_cannot_be_computed_are_refused(change):
    with pytest.raises(ValueError, match="BC103"):
        ModernBertSettings.from_config({**reference().config.to_dict(), **change})


def test_precision_and_kernel_are_checked():
    encoder = encoder_from_config(reference().config.to_dict())
    with pytest.raises(ValueError, match="BC102"):
        encoder.set_compute(precision="fp16")
    with pytest.raises(ValueError, match="BC102"):
        encoder.set_compute(precision="fp32", kernel="fast")
