"""Clinical ModernBERT's 8,192 positions are warned of once, at initialisation.

Run: pytest tests/models/test_context_advice.py
"""

import warnings

import pytest
import spacy
import torch

from tests.conftest import write_byte_level_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clinical ModernBERT's depth, feed-forward width and positions, everything else tiny."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoders") / "any-name"
    write_byte_level_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=704,
        hidden_size=16,
        num_hidden_layers=22,
        num_attention_heads=2,
        intermediate_size=1152,
        max_position_embeddings=8192,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder, safe_serialization=True)
    return folder


def test_context_left_at_null_is_warned_of_at_initialisation_alone(folder, make_pipeline, tmp_path):
    with pytest.warns(UserWarning, match="BC157") as caught:
        nlp = make_pipeline(folder)
    assert len([one for one in caught if "BC157" in str(one.message)]) == 1
    nlp.to_disk(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        spacy.load(tmp_path)("She rests.")


def test_context_as_advised_is_silent(folder, make_pipeline):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        doc = make_pipeline(folder, context=128, overlap=16)("She rests. " * 100)
    assert doc._.coverage["windows"] > 1
