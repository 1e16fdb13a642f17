"""Our packed BERT and RoBERTa against transformers' padded ones. Run: pytest tests/encoder/test_bert.py"""

import copy

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModel

from spacy_bioclinical.encoder import encoder_from_config
from spacy_bioclinical.encoder.base import PRECISIONS
from spacy_bioclinical.encoder.bert import Bert, BertSettings
from spacy_bioclinical.encoder.kernels import KERNELS
from tests.encoder.family_folders import strengthened
from tests.encoder.references import draw_ids, padded_rows
from tests.encoder.test_modernbert import LargestTensor

SMALL = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
RAGGED = [1, 2, 63, 64, 65, 127, 128, 129, 391, 512]
VARIED = {
    "bert": {},
    "roberta": {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1},
    "roberta, other padding index": {
        "model_type": "roberta",
        "max_position_embeddings": 515,
        "pad_token_id": 2,
    },
    "xlm-roberta": {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1},
    "camembert": {"model_type": "camembert", "max_position_embeddings": 514, "pad_token_id": 1},
    "clinical modernbert": {"max_position_embeddings": 8192, "pad_token_id": 3, "num_hidden_layers": 5},
    "one layer": {"num_hidden_layers": 1},
    "tanh gelu": {"hidden_act": "gelu_new"},
    "relu": {"hidden_act": "relu"},
    "other eps": {"layer_norm_eps": 1e-2},
    "wide": {"hidden_size": 96, "intermediate_size": 200, "num_attention_heads": 3},
}


def reference(model_type="bert", seed=0, gain=6.0, **overrides):
    """A transformers model with strong random weights."""
    config = AutoConfig.for_model(model_type, **{**SMALL, **overrides})
    model = AutoModel.from_config(config, attn_implementation="sdpa", add_pooling_layer=False)
    return strengthened(model, seed, gain)


def ours(model):
    encoder = Bert.from_config(model.config.to_dict())
    encoder.load_state_dict(model.state_dict(), strict=True)
    return encoder.eval()


@pytest.mark.parametrize("overrides", VARIED.values(), ids=VARIED)
def test_packed_equals_padded_reference_for_every_config(overrides):
    model = reference(**overrides)
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        expected = padded_rows(model, ids, RAGGED)
        actual = ours(model)(ids, RAGGED)
        # Guard against weights so weak that neither attention nor positions would matter.
        alone = model(input_ids=ids[-1:][None]).last_hidden_state[0]
    assert actual.dtype == torch.float32
    assert (actual - expected).abs().max() < 2e-5
    assert (alone - expected[-1:]).abs().max() > 1e-2


def test_positions_matter_and_start_again_in_each_window():
    encoder = ours(reference(**VARIED["roberta"]))
    ids = torch.full((12,), 9)
    with torch.no_grad():
        rows = encoder(ids, [6, 6])
    assert torch.equal(rows[:6], rows[6:])
    assert (rows[0] - rows[1]).abs().max() > 1e-2


def test_packed_equals_reference_up_to_8192_pieces():
    model = reference(max_position_embeddings=8192, num_hidden_layers=2)
    lengths = [8192, 1, 4097, 30, 600]
    ids = draw_ids(lengths)
    encoder = ours(model)
    assert encoder.context == 8192
    with torch.no_grad():
        actual = encoder(ids, lengths)
        for part, rows in zip(ids.split(lengths), actual.split(lengths), strict=True):
            assert (model(input_ids=part[None]).last_hidden_state[0] - rows).abs().max() < 2e-5


@pytest.mark.parametrize("name", ["bert", "roberta", "clinical modernbert"])
def test_gradients_equal_reference(name):
    model = reference(**VARIED[name])
    encoder = ours(model)
    ids = draw_ids(RAGGED, seed=1)
    ids[ids == model.config.pad_token_id] = 20  # the reference keeps the padding piece's gradient at 0
    weights = torch.randn(sum(RAGGED), 48, generator=torch.Generator().manual_seed(1))
    (padded_rows(model, ids, RAGGED) * weights).sum().backward()
    (encoder(ids, RAGGED) * weights).sum().backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    found = {name: parameter.grad for name, parameter in encoder.named_parameters()}
    assert set(found) == set(expected)
    scale = max(grad.norm() for grad in expected.values())
    for key, grad in found.items():
        # A key's bias moves all scores of a row alike: its gradient is 0 but for rounding.
        assert (grad - expected[key]).norm() <= 1e-4 * expected[key].norm() + 1e-6 * scale, key


def test_trained_weights_equal_reference():
    """Weights that training has moved, by the same steps on both sides."""
    model = reference(gain=1.0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    encoder = ours(model)
    readout = torch.randn(48, 300, generator=torch.Generator().manual_seed(2))
    for module in (model.train(), encoder.train()):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for step in range(8):
            ids = draw_ids([40] * 4, seed=step)
            rows = padded_rows(module, ids, [40] * 4) if module is model else module(ids, [40] * 4)
            optimizer.zero_grad()
            F.cross_entropy(rows @ readout, ids.roll(1)).backward()
            optimizer.step()
    name = "encoder.layer.0.output.dense.weight"
    assert (encoder.state_dict()[name] - reference(gain=1.0).state_dict()[name]).abs().max() > 1e-3
    for key, value in model.state_dict().items():
        assert (encoder.state_dict()[key] - value).abs().max() < 1e-4, key


@pytest.mark.parametrize("name", ["bert", "roberta", "clinical modernbert"])
def test_bf16_deviates_no_more_than_the_references_bf16(name):
    model = reference(**VARIED[name], gain=4.0)
    encoder = ours(model)
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        exact = encoder(ids, RAGGED)
        low = encoder.set_compute(precision="bf16")(ids, RAGGED)
        theirs = padded_rows(model.to(torch.bfloat16), ids, RAGGED).float()
    assert low.dtype == torch.float32
    assert 0 < (low - exact).norm() <= (theirs - exact).norm()
    assert (low - exact).abs().max() <= (theirs - exact).abs().max()
    ours_cosine, theirs_cosine = (F.cosine_similarity(rows, exact, dim=-1) for rows in (low, theirs))
    assert ours_cosine.mean() >= theirs_cosine.mean() > 0.9


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


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_of_this_machine_computes_the_same(kernel, precision):
    why_not = KERNELS[kernel].unusable(torch.device("cpu"), PRECISIONS[precision])
    if why_not is not None:
        pytest.skip(f"kernel {kernel}: {why_not}")
    encoder = ours(reference(gain=4.0))
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        exact = encoder.set_compute(precision="fp32", kernel="banded")(ids, RAGGED)
        rows = encoder.set_compute(precision=precision, kernel=kernel)(ids, RAGGED)
    assert encoder.kernel == kernel
    assert (rows - exact).norm() <= (1e-5 if precision == "fp32" else 2e-2) * exact.norm()


def test_many_rows_equal_few():
    """More rows than go through the feed-forward block at once."""
    encoder = ours(reference())
    lengths = [500] * 9
    ids = draw_ids(lengths)
    with torch.no_grad():
        rows = encoder(ids, lengths)
        assert torch.allclose(rows[-500:], encoder(ids[-500:], [500]), atol=2e-5)
    assert torch.allclose(rows, encoder(ids, lengths), atol=2e-5)  # with gradients, all at once


def test_empty_windows_own_no_rows():
    encoder = ours(reference())
    ids = draw_ids([5, 7])
    with torch.no_grad():
        assert torch.equal(encoder(ids, [0, 5, 0, 7, 0]), encoder(ids, [5, 7]))
        assert encoder(ids[:0], []).shape == (0, 48)
        assert encoder(ids[:0], [0, 0]).shape == (0, 48)


def test_dropout_of_the_config_is_on_in_training_only():
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        encoder = ours(reference(**{**none, key: 0.3}))
        ids = draw_ids([30])
        exact = encoder(ids, [30])
        assert torch.equal(exact, encoder(ids, [30]))
        encoder.train()
        torch.manual_seed(0)
        one, other = encoder(ids, [30]), encoder(ids, [30])
        assert (one - other).abs().max() > 1e-3, key
        torch.manual_seed(0)
        assert torch.equal(one, encoder(ids, [30])), key
        still = ours(reference(**none)).train()
        assert torch.equal(still(ids, [30]), still(ids, [30]))


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_nothing_of_size_length_squared_is_made(dropout):
    length = 4096
    config = {**SMALL, "model_type": "bert", "num_hidden_layers": 2, "max_position_embeddings": length}
    encoder = Bert.from_config({**config, "attention_probs_dropout_prob": dropout}).train()
    ids = draw_ids([length])
    with LargestTensor() as largest:
        encoder(ids, [length]).sum().backward()
    assert 0 < largest.numel < length * length / 2


def test_context_counts_usable_positions():
    assert reference(**VARIED["roberta"]).config.max_position_embeddings == 514
    assert ours(reference(**VARIED["roberta"])).context == 512
    assert ours(reference(**VARIED["roberta, other padding index"])).context == 512
    assert ours(reference()).context == 512


def test_windows_beyond_the_positions_are_refused():
    encoder = ours(reference(**VARIED["roberta"]))
    with pytest.raises(ValueError, match=r"BC120.*513.*512"):
        encoder(draw_ids([20, 513]), [20, 513])


@pytest.mark.parametrize("lengths", [[5], [5, 8], [-1, 13], [13, -1]])
def test_wrong_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="BC101"):
        ours(reference())(draw_ids([12]), lengths)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("model_type", {"model_type": "electra"}),
        ("is_decoder", {"is_decoder": True}),
        ("add_cross_attention", {"add_cross_attention": True}),
        ("position_embedding_type", {"position_embedding_type": "relative_key"}),
        ("hidden_act", {"hidden_act": "no such thing"}),
        ("hidden_size", {"num_attention_heads": 5}),
        ("max_position_embeddings", {"model_type": "roberta", "max_position_embeddings": 2}),
    ],
)
def test_configs_that_cannot_be_computed_are_refused(key, change):
    config = {**SMALL, "model_type": "bert"}
    assert isinstance(encoder_from_config(config), Bert)
    with pytest.raises(ValueError, match=f"BC103.*{key} = "):
        Bert.from_config({**config, **change})


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta", "camembert"])
def test_fields_that_a_config_leaves_out_are_transformers_own(model_type):
    theirs = AutoConfig.for_model(model_type)
    settings = BertSettings.from_config({"model_type": model_type, "layer_norm_eps": None})
    for key, value in vars(settings).items():
        assert getattr(theirs, key) == value, key


def test_written_config_is_what_transformers_reads():
    model = reference(**VARIED["roberta"])
    config = BertSettings.from_config(model.config.to_dict()).to_config()
    again = AutoModel.from_config(AutoConfig.for_model(**config), add_pooling_layer=False)
    again.load_state_dict(model.state_dict(), strict=True)
    ids = draw_ids(RAGGED)
    with torch.no_grad():
        assert torch.equal(padded_rows(again.eval(), ids, RAGGED), padded_rows(model, ids, RAGGED))


def test_cached_casts_follow_the_weights():
    encoder = ours(reference()).set_compute(precision="bf16")
    ids = draw_ids([20])
    with torch.no_grad():
        before = encoder(ids, [20])
        other = copy.deepcopy(encoder)
        for parameter in encoder.parameters():
            parameter.mul_(1.5)
        after = encoder(ids, [20])
        encoder.forget_casts()
        assert torch.equal(after, encoder(ids, [20]))
        assert torch.equal(other(ids, [20]), before)
    assert not torch.equal(before, after)
