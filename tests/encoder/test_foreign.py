"""Other families through transformers, behind the packed interface. Run: pytest tests/encoder/test_foreign.py"""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.foreign import MAX_GROUP_PIECES, MAX_PADDED_SHARE, length_groups
from tests.encoder.references import draw_ids

SHAPE = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES = {
    "bert": lambda: BertForMaskedLM(BertConfig(**SHAPE, intermediate_size=64, max_position_embeddings=512)),
    "roberta": lambda: RobertaModel(
        RobertaConfig(**SHAPE, intermediate_size=64, max_position_embeddings=514)
    ),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    ),
}
LENGTHS = [5, 100, 7, 512, 99, 1]


@pytest.fixture(params=FAMILIES)
def model_and_folder(request, tmp_path):
    torch.manual_seed(0)
    model = FAMILIES[request.param]().eval()
    model.save_pretrained(tmp_path, safe_serialization=True)
    return model, tmp_path


def test_foreign_encoder_equals_reference_alone(model_and_folder):
    model, folder = model_and_folder
    encoder = load_encoder(folder)
    assert encoder.context == 512
    assert encoder.width == 32
    base = getattr(model, "bert", model)
    ids = draw_ids(LENGTHS)
    with torch.no_grad():
        actual = encoder(ids, LENGTHS)
        for part, rows in zip(ids.split(LENGTHS), actual.split(LENGTHS), strict=True):
            assert (base(input_ids=part[None]).last_hidden_state[0] - rows).abs().max() < 2e-5


def test_foreign_gradients_reach_the_weights(model_and_folder):
    encoder = load_encoder(model_and_folder[1])
    encoder(draw_ids([4, 9]), [4, 9]).sum().backward()
    without = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert without == []


def test_bf16_is_close_and_fp32_on_the_outside(model_and_folder):
    encoder = load_encoder(model_and_folder[1])
    ids = draw_ids(LENGTHS)
    with torch.no_grad():
        exact = encoder(ids, LENGTHS)
        low = encoder.set_compute(precision="bf16")(ids, LENGTHS)
    assert low.dtype == torch.float32
    assert 0 < (low - exact).abs().max() < 0.1


def test_no_rows_for_no_pieces(model_and_folder):
    encoder = load_encoder(model_and_folder[1])
    assert encoder(draw_ids([1])[:0], []).shape == (0, 32)


def test_old_layer_norm_names_load(tmp_path):
    torch.manual_seed(0)
    FAMILIES["bert"]().save_pretrained(tmp_path, safe_serialization=True)
    expected = load_encoder(tmp_path).state_dict()
    tensors = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in load_file(tmp_path / "model.safetensors").items()
    }
    assert any(key.endswith("gamma") for key in tensors)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert all(
        torch.equal(value, expected[key]) for key, value in load_encoder(tmp_path).state_dict().items()
    )


def test_missing_key_of_a_foreign_encoder_is_named(tmp_path):
    FAMILIES["bert"]().save_pretrained(tmp_path, safe_serialization=True)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop("bert.encoder.layer.1.output.dense.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"BC107.*encoder.layer.1.output.dense.weight"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_length_groups_hold_every_window_once_and_little_padding(seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, 600, (200,), generator=generator).tolist()
    groups = list(length_groups(lengths))
    assert sorted(i for group in groups for i in group) == [i for i, length in enumerate(lengths) if length]
    assert len(groups) < 150
    for group in groups:
        padded = max(lengths[i] for i in group) * len(group)
        assert padded <= MAX_GROUP_PIECES
        assert 1 - sum(lengths[i] for i in group) / padded <= MAX_PADDED_SHARE
