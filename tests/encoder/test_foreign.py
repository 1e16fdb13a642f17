"""Other families through transformers, behind the packed interface. Run: pytest tests/encoder/test_foreign.py"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraForPreTraining,
    MPNetConfig,
    MPNetForMaskedLM,
)

from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.foreign import MAX_GROUP_PIECES, MAX_PADDED_SHARE, ForeignEncoder
from tests.encoder.references import draw_ids

SHAPE = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES = {
    "electra": lambda: ElectraForPreTraining(
        ElectraConfig(**SHAPE, embedding_size=16, intermediate_size=64, max_position_embeddings=512)
    ),
    "albert": lambda: AlbertForPreTraining(
        AlbertConfig(**SHAPE, embedding_size=16, intermediate_size=64, max_position_embeddings=512)
    ),
    "deberta-v2": lambda: DebertaV2ForMaskedLM(
        DebertaV2Config(**SHAPE, intermediate_size=64, relative_attention=True, pos_att_type=["p2c", "c2p"])
    ),
    "mpnet": lambda: MPNetForMaskedLM(
        MPNetConfig(**SHAPE, intermediate_size=64, max_position_embeddings=514, pad_token_id=1)
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


def change(folder, edit):
    tensors = edit(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_foreign_encoder_equals_reference_alone(model_and_folder):
    model, folder = model_and_folder
    encoder = load_encoder(folder)
    assert isinstance(encoder, ForeignEncoder)
    assert encoder.context == 512
    assert encoder.width == 32
    base = getattr(model, model.base_model_prefix, model)
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
    encoder = load_encoder(model_and_folder[1]).set_compute(precision="fp32")
    ids = draw_ids(LENGTHS)
    with torch.no_grad():
        exact = encoder(ids, LENGTHS)
        low = encoder.set_compute(precision="bf16")(ids, LENGTHS)
    assert low.dtype == torch.float32
    assert 0 < (low - exact).abs().max() < 0.1


def test_config_of_a_half_precision_file_computes_in_fp32(model_and_folder):
    _, folder = model_and_folder
    expected = load_encoder(folder).state_dict()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "float16"}))
    found = load_encoder(folder)
    assert all(torch.equal(value, expected[key]) for key, value in found.state_dict().items())
    assert {parameter.dtype for parameter in found.parameters()} == {torch.float32}


def test_no_rows_for_no_pieces(model_and_folder):
    encoder = load_encoder(model_and_folder[1])
    assert encoder(draw_ids([1])[:0], []).shape == (0, 32)
    assert encoder(draw_ids([1])[:0], [0, 0]).shape == (0, 32)


@pytest.mark.parametrize("lengths", [[5], [5, 8], [-1, 13], [13, -1]])
def test_wrong_lengths_are_refused(model_and_folder, lengths):
    with pytest.raises(ValueError, match="BC101"):
        load_encoder(model_and_folder[1])(draw_ids([12]), lengths)


def test_windows_beyond_the_positions_are_refused(model_and_folder):
    with pytest.raises(ValueError, match=r"BC120.*513.*512"):
        load_encoder(model_and_folder[1])(draw_ids([513]), [513])


def test_missing_key_of_a_foreign_encoder_is_named(model_and_folder):
    model, folder = model_and_folder
    keys = load_file(folder / "model.safetensors")
    key = max(key for key in keys if ".attention" in key and key.endswith(".weight"))
    change(folder, lambda tensors: {name: value for name, value in tensors.items() if name != key})
    with pytest.raises(ValueError, match=f"BC107.*{key.removeprefix(model.base_model_prefix + '.')}"):
        load_encoder(folder)


@pytest.mark.parametrize("seed", range(5))
def test_groups_hold_every_window_once_and_little_padding(seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, 512, (200,), generator=generator).tolist()
    encoder = ForeignEncoder({**FAMILIES["electra"]().config.to_dict()})
    groups = list(encoder.groups(lengths))
    indices = [i for _, group in groups for i in group]
    assert sorted(indices) == [i for i, length in enumerate(lengths) if length]
    assert len(groups) < 150
    for row_length, group in groups:
        assert row_length == max(lengths[i] for i in group)
        padded = row_length * len(group)
        assert padded <= MAX_GROUP_PIECES
        assert 1 - sum(lengths[i] for i in group) / padded <= MAX_PADDED_SHARE


def test_config_without_a_family_is_refused():
    with pytest.raises(ValueError, match=r"BC103.*model_type = None"):
        ForeignEncoder({"hidden_size": 32})
