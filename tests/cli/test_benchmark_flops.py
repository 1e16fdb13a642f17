"""The formula for an encoder's work, against torch's own count and against brute force."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from spacy_bioclinical.cli.benchmark.flops import (
    attention_flops,
    describe,
    has_formula,
    keys_of_piece,
    keys_within,
    linear_flops,
    products_of,
)
from spacy_bioclinical.cli.benchmark.shapes import SHAPES

SMALL = {"vocab_size": 120, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3}


def counted(config, length):
    """FLOP of transformers' model with eager attention, which computes every key of every piece."""
    model = AutoModel.from_config(config, attn_implementation="eager").eval()
    ids = torch.arange(2 * length).view(2, length) % 100
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=ids)
    return counter.get_total_flops()


@pytest.mark.parametrize("length", [5, 9])
def test_modernbert_equals_torchs_count(length):
    special = dict.fromkeys(
        ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0
    )
    config = AutoConfig.for_model("modernbert", **SMALL, **special, intermediate_size=36, local_attention=16)
    config.reference_compile = False
    plain = config.to_dict()
    # Within half a window of everything, local layers see what global ones see. RoPE's angles are a product in
    # transformers: head width / 2 x 2 FLOP for each position and layer.
    angles = 4 * 2 * length * (24 // 3 // 2)
    expected = 2 * length * linear_flops(plain) + attention_flops(plain, [length, length])
    assert counted(config, length) - expected == angles


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_bert_equals_torchs_count(family):
    config = AutoConfig.for_model(family, **SMALL, intermediate_size=40, max_position_embeddings=64)
    plain = config.to_dict()
    pooler = 2 * 2 * 24 * 24  # one row a document, which no benchmark needs
    expected = 2 * 11 * linear_flops(plain) + attention_flops(plain, [11, 11])
    assert counted(config, 11) - pooler == expected


@pytest.mark.parametrize(("length", "window"), [(1, 4), (5, 4), (6, 0), (40, 4), (9, 8), (9, 9)])
def test_keys_within_a_window_are_counted_as_a_mask_would(length, window):
    position = torch.arange(length)
    mask = (position[:, None] - position[None, :]).abs() <= window
    assert keys_within(length, window) == int(mask.sum())


def test_modernbert_base_costs_what_is_known():
    config = AutoConfig.for_model("modernbert").to_dict()
    assert linear_flops(config) == 220_594_176  # 22 x 2 x (4 x 768² + 3 x 768 x 1152)
    for length, millions in ((512, 239), (4096, 327), (8192, 427)):
        assert describe(config, [length])["total"] / length / 1e6 == pytest.approx(millions, abs=1)
    assert attention_flops(config, [512, 512]) == 2 * attention_flops(config, [512])


def test_local_and_sparse_families_pay_for_the_keys_they_see():
    shape = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
    longformer = {**shape, "model_type": "longformer", "attention_window": [4, 4]}
    assert keys_of_piece(longformer, 100) == 5
    assert keys_of_piece(longformer, 3) == 3
    assert len(products_of(longformer)) == len(products_of({**shape, "model_type": "bert"})) + 2
    big_bird = {**shape, "model_type": "big_bird", "block_size": 4, "num_random_blocks": 3}
    assert keys_of_piece(big_bird, 44) == 44
    assert keys_of_piece(big_bird, 45) == 32
    assert keys_of_piece({**big_bird, "attention_type": "original_full"}, 45) == 45


def test_a_family_without_formula_has_none():
    assert not has_formula({"model_type": "electra"})
    assert all(has_formula(shape) for shape in SHAPES.values())
    with pytest.raises(ValueError, match=r"BC530.*electra"):
        products_of({"model_type": "electra"})
