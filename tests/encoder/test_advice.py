"""Clinical ModernBERT is recognised by its shape, under any name, and nothing else is.

Run: pytest tests/encoder/test_advice.py
"""

import warnings

import pytest

from spacy_bioclinical.encoder.advice import trained_context, warn_of_untrained_positions

# The published shape: a BERT of 22 layers with 8,192 learned positions.
CLINICAL_MODERNBERT = {
    "model_type": "bert",
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
    "type_vocab_size": 2,
    "vocab_size": 50368,
}


def test_published_shape_has_the_published_number_of_parameters():
    """136.6 M, as the card says 137 M; a ModernBERT-base would have 149.7 M."""
    import torch
    from transformers import BertConfig, BertModel
    from transformers.modeling_utils import no_init_weights

    config = BertConfig(**{key: value for key, value in CLINICAL_MODERNBERT.items() if key != "model_type"})
    with torch.device("meta"), no_init_weights():
        model = BertModel(config, add_pooling_layer=False)
    n_head = 768 * 768 + 768 + 2 * 768 + 50368  # dense, norm, bias of the tied decoder
    n_parameters = sum(parameter.numel() for parameter in model.parameters()) + n_head
    assert round(n_parameters / 1e6, 1) == 136.6


@pytest.mark.parametrize("context", [None, 1024, 8192])
def test_untrained_positions_are_warned_of(context):
    with pytest.warns(UserWarning, match=r"BC157.*8192 learned positions.*first 128.*context = 128 to 512"):
        warn_of_untrained_positions(CLINICAL_MODERNBERT, context)


@pytest.mark.parametrize("context", [128, 256, 512])
def test_advised_context_is_silent(context):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_untrained_positions(CLINICAL_MODERNBERT, context)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "modernbert"},
        {"num_hidden_layers": 12},
        {"intermediate_size": 3072},
        {"max_position_embeddings": 512},
    ],
)
def test_other_shapes_are_silent(change):
    config = {**CLINICAL_MODERNBERT, **change}
    assert trained_context(config) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_untrained_positions(config, None)
    assert trained_context(CLINICAL_MODERNBERT) == 128
    assert trained_context({}) is None
