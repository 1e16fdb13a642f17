"""Every attention kernel of this machine against a plain softmax in float64, and against each other.

Run: pytest tests/encoder/test_kernels.py
"""

import pytest
import torch

from spacy_bioclinical.encoder.attention import packed_attention
from spacy_bioclinical.encoder.kernels import KERNELS, choose, kernel_report, tiled
from spacy_bioclinical.encoder.layout import Layout
from spacy_bioclinical.encoder.modernbert import ModernBert, ModernBertSettings
from spacy_bioclinical.encoder.precision import best_precision
from tests.encoder.references import draw_ids, reference

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
CASES = [
    (name, device, precision)
    for name, kernel in KERNELS.items()
    for device in DEVICES
    for precision, dtype in DTYPES.items()
    if kernel.unusable(torch.device(device), dtype) is None
]
SHAPES = {
    "ragged": [1, 2, 63, 64, 65, 191, 192, 193, 600],
    "runs of equal length": [200, 200, 200, 30, 30, 200],
    "several tiles": [1500, 1025],
}


def operands(lengths, dtype=torch.float32, n_heads=3, width=16, strength=3.0, device="cpu"):
    """Queries, keys and values (T, N, H), as views with strides like those that the layers hand over."""
    generator = torch.Generator().manual_seed(7)
    qkv = torch.randn(sum(lengths), 3, n_heads, width, generator=generator).to(dtype)
    qkv[:, 0] *= strength
    return qkv.to(device).unbind(1)


def plain(q, k, v, lengths, window):
    """Softmax attention written out, document by document, in float64."""
    rows = []
    for parts in zip(*(x.double().split(lengths) for x in (q, k, v)), strict=True):
        q_d, k_d, v_d = (part.transpose(0, 1) for part in parts)
        scores = q_d @ k_d.transpose(1, 2) / q_d.shape[-1] ** 0.5
        if window is not None:
            place = torch.arange(len(parts[0]), device=q.device)
            scores.masked_fill_((place[:, None] - place[None]).abs() > window, float("-inf"))
        rows.append((scores.softmax(-1) @ v_d).transpose(0, 1).flatten(1))
    return torch.cat(rows)


@pytest.mark.parametrize("lengths", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("window", [None, 64, 5])
@pytest.mark.parametrize(("name", "device", "precision"), CASES)
def test_kernel_equals_plain_softmax(name, device, precision, window, lengths):
    q, k, v = operands(lengths, DTYPES[precision], device=device)
    layout = Layout(tuple(lengths), q.device)
    with torch.no_grad():
        rows = packed_attention(q, k, v, layout, window=window, kernel=name)
    expected = plain(q, k, v, lengths, window)
    assert rows.dtype == q.dtype
    error = (rows.double() - expected).abs()
    # bf16: half a unit in the last place of the values (up to 4) and of the weights.
    assert error.max() < (2e-5 if precision == "fp32" else 4e-2)
    assert error.pow(2).mean().sqrt() < (2e-6 if precision == "fp32" else 4e-3)


@pytest.mark.parametrize("window", [None, 64])
@pytest.mark.parametrize(("name", "device", "precision"), CASES)
def test_kernel_has_the_gradients_of_plain_softmax(name, device, precision, window):
    lengths = SHAPES["ragged"]
    inputs = [
        x.detach().clone().requires_grad_() for x in operands(lengths, DTYPES[precision], device=device)
    ]
    copies = [x.detach().double().requires_grad_() for x in inputs]
    layout = Layout(tuple(lengths), inputs[0].device)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(sum(lengths), 48, generator=generator).to(device)
    (packed_attention(*inputs, layout, window=window, kernel=name).float() * weights).sum().backward()
    (plain(*copies, lengths, window) * weights).sum().backward()
    tolerance = 1e-4 if precision == "fp32" else 2e-2
    for ours, theirs in zip(inputs, copies, strict=True):
        assert (ours.grad.double() - theirs.grad).norm() < tolerance * theirs.grad.norm()


@pytest.mark.parametrize("precision", DTYPES)
def test_tiled_survives_scores_far_beyond_its_sample(precision):
    """A key that the sample misses and whose score is hundreds above: the overflow is found and computed again."""
    lengths = [1400]
    q, k, v = (x.clone() for x in operands(lengths, DTYPES[precision], strength=1.0))
    missed = 7
    assert missed % -(-lengths[0] // tiled._SAMPLE)
    k[missed] = 40 * q[900]
    q[1000:1010] *= 60
    layout = Layout((1400,), torch.device("cpu"))
    with torch.no_grad():
        rows = packed_attention(q, k, v, layout, window=None, kernel="tiled")
    expected = plain(q, k, v, lengths, None)
    scores = (q[:, 0].float() @ k[missed, 0].float()) / 4
    assert scores.max() > 150
    assert rows.isfinite().all()
    assert (rows.double() - expected).abs().max() < (1e-4 if precision == "fp32" else 6e-2)


def test_kernels_agree_in_a_whole_encoder():
    model = reference(gain=2.0, num_hidden_layers=6)
    encoder = ModernBert(ModernBertSettings.from_config(model.config.to_dict()))
    encoder.load_state_dict(model.state_dict())
    encoder.eval()
    lengths = [700, 300, 300, 5]
    ids = draw_ids(lengths)
    with torch.inference_mode():
        exact = encoder.set_compute(precision="fp32", kernel="banded")(ids, lengths)
        tiled_rows = encoder.set_compute(precision="fp32", kernel="tiled")(ids, lengths)
        low = {
            name: encoder.set_compute(precision="bf16", kernel=name)(ids, lengths)
            for name in ("banded", "tiled")
        }
    assert (exact - tiled_rows).abs().max() < 2e-4
    off = {name: (rows - exact).norm().item() for name, rows in low.items()}
    assert off["tiled"] < 1.2 * off["banded"]


def test_inference_in_place_equals_training_mode_arithmetic():
    """Without gradients rows are computed tile by tile in place; the values stay those of the differentiable path."""
    model = reference()
    encoder = ModernBert(ModernBertSettings.from_config(model.config.to_dict()))
    encoder.load_state_dict(model.state_dict())
    encoder.eval()
    lengths = [1300, 40, 700]
    ids = draw_ids(lengths)
    with torch.no_grad():
        rows = encoder(ids, lengths)
        again = encoder(ids, lengths)
    assert torch.equal(rows, again)
    assert (rows - encoder(ids, lengths).detach()).abs().max() < 2e-5


def test_auto_takes_a_usable_kernel_and_says_why():
    for device in DEVICES:
        for dtype in DTYPES.values():
            name, reason = kernel_report(torch.device(device), dtype)
            assert KERNELS[name].unusable(torch.device(device), dtype) is None
            assert choose("auto", torch.device(device), dtype) == name
            assert reason


def test_auto_on_cuda_takes_the_fused_kernels_in_order(monkeypatch):
    from spacy_bioclinical.encoder.kernels import flash, table, varlen

    def best(flash_missing, varlen_missing, dtype=torch.bfloat16):
        changed = {
            "flash": table.Kernel(flash.attend, ("cuda",), (torch.bfloat16,), True, lambda: flash_missing),
            "varlen": table.Kernel(
                varlen.attend, ("cuda",), (torch.bfloat16,), False, lambda: varlen_missing
            ),
        }
        monkeypatch.setattr(table, "KERNELS", {**KERNELS, **changed})
        return table._best.__wrapped__("cuda", dtype)

    assert best(None, None)[0] == "flash"
    assert best("not installed", None)[0] == "varlen"
    assert best("not installed", "too old")[0] == "banded"
    assert best(None, None, torch.float32)[0] == "banded"
    assert "not installed" in best("not installed", None)[1]


def test_kernels_that_cannot_be_used_are_refused():
    cpu = torch.device("cpu")
    for name in ("flash", "varlen"):
        with pytest.raises(ValueError, match=f"BC108.*{name}.*cuda"):
            choose(name, cpu, torch.bfloat16)
    with pytest.raises(ValueError, match="BC102"):
        choose("fast", cpu, torch.float32)
    encoder = ModernBert(ModernBertSettings.from_config(reference().config.to_dict()))
    with pytest.raises(ValueError, match="BC108"):
        encoder.set_compute(precision="bf16", kernel="flash")


def test_auto_precision_is_fp32_for_narrow_encoders_and_measured_for_wide_ones(monkeypatch):
    from spacy_bioclinical.encoder import precision

    cpu = torch.device("cpu")
    assert best_precision(cpu, 128)[0] == "fp32"
    monkeypatch.setattr(precision, "measure_products", lambda: (5e-3, 1e-3))
    assert best_precision(cpu, 768)[0] == "bf16"
    monkeypatch.setattr(precision, "measure_products", lambda: (1e-3, 1e-3))
    assert best_precision(cpu, 768)[0] == "fp32"
