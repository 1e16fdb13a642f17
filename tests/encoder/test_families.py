"""Each published family's folder, as the hub lays it out, loads whole. Run: pytest tests/encoder/test_families.py"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.bert import Bert
from spacy_bioclinical.encoder.checkpoint import state_from_bytes, state_to_bytes
from spacy_bioclinical.encoder.foreign import ForeignEncoder
from tests.encoder.family_folders import FAMILIES, NAMES, context_of, write_family_folder
from tests.encoder.references import draw_ids

LENGTHS = [1, 70, 512, 9]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(name, tmp_path_factory):
    return write_family_folder(name, tmp_path_factory.mktemp("families") / name)


def weights_of(encoder):
    return (encoder.model if isinstance(encoder, ForeignEncoder) else encoder).state_dict()


def test_rows_equal_transformers_reading_the_same_folder(name, folder):
    encoder = load_encoder(folder).set_compute(precision="fp32")
    model = AutoModel.from_pretrained(folder).eval()
    ids = draw_ids(LENGTHS, vocab_size=170)
    with torch.no_grad():
        for part, rows in zip(ids.split(LENGTHS), encoder(ids, LENGTHS).split(LENGTHS), strict=True):
            extra = {"attention_mask": torch.ones_like(part)[None]}
            if name == "longformer":
                extra["global_attention_mask"] = (torch.arange(len(part)) == 0).long()[None]
            assert (model(input_ids=part[None], **extra).last_hidden_state[0] - rows).abs().max() < 2e-5


def test_context_is_what_the_family_can_read(name, folder):
    encoder = load_encoder(folder)
    assert encoder.context == context_of(name)
    with torch.no_grad():
        rows = encoder(draw_ids([encoder.context], vocab_size=170), [encoder.context])
    assert rows.isfinite().all()


def test_packed_where_the_mathematics_allows(name, folder):
    encoder = load_encoder(folder)
    is_foreign = isinstance(encoder, ForeignEncoder)
    assert is_foreign == (name != "modernbert" and not FAMILIES[name].packed)
    if name in FAMILIES and FAMILIES[name].packed:
        assert isinstance(encoder, Bert)


def test_config_is_kept_as_published(folder):
    assert load_encoder(folder).config == json.loads((folder / "config.json").read_text())


def test_weights_survive_bytes(folder):
    encoder, other = load_encoder(folder), load_encoder(folder)
    weights = other.model if isinstance(other, ForeignEncoder) else other
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.zero_()
    data = state_to_bytes(encoder.model if isinstance(encoder, ForeignEncoder) else encoder)
    state_from_bytes(weights, data, "bytes")
    assert all(torch.equal(value, weights_of(encoder)[key]) for key, value in weights_of(other).items())


def test_every_weight_is_read_from_the_folder(name, folder, tmp_path):
    """Each tensor that the encoder has, changed in the file, changes in the encoder; each one missing is named."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    doubled = {key: 2 * value if value.is_floating_point() else value for key, value in tensors.items()}
    save_file(doubled, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = weights_of(load_encoder(tmp_path))
    for key, value in weights_of(load_encoder(folder)).items():
        assert torch.equal(found[key], 2 * value), key
    key = next(key for key in tensors if ".1." in key and key.endswith(".weight"))
    save_file(
        {other: value for other, value in tensors.items() if other != key}, tmp_path / "model.safetensors"
    )
    with pytest.raises(ValueError, match=r"BC107.*Unexpected: none"):
        load_encoder(tmp_path)


def test_unpublished_key_is_refused(name, folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    prefix = next(key for key in tensors if ".1." in key).split(".")[0]
    tensors[f"{prefix}.encoder.adapter.weight"] = torch.zeros(2)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"BC107.*Unexpected: \w+\.encoder\.adapter\.weight"):
        load_encoder(tmp_path)


def test_encoder_alone_and_with_heads_load_alike(name, folder, tmp_path):
    """Keys with the family's prefix (a model with heads) and without (the bare encoder)."""
    expected = weights_of(load_encoder(folder))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(
        {key: value.clone() for key, value in expected.items()},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    found = weights_of(load_encoder(tmp_path))
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-3), ("bf16", 0.1)])
def test_rows_on_a_gpu_equal_those_on_the_cpu(folder, precision, tolerance):
    lengths = [*LENGTHS, 500]
    ids = draw_ids(lengths, vocab_size=170)
    with torch.no_grad():
        here = load_encoder(folder).set_compute(precision="fp32")(ids, lengths)
        encoder = load_encoder(folder).to("cuda").set_compute(precision=precision)
        there = encoder(ids.to("cuda"), lengths).cpu()
    assert (there - here).norm() <= tolerance * here.norm()
