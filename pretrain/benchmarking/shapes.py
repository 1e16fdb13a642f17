"""Encoder shapes to measure: those of the recipes, and some under short names; random weights, small special ids."""

from dataclasses import replace

from pretrain.benchmarking.documents import CLS, PAD, SEP
from pretrain.recipes import RECIPES
from pretrain.recipes.bioclinical import BASE_SHAPE, LARGE_SHAPE
from pretrain.recipes.small import SMALL_SHAPE
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

SHAPES: dict[str, ModernBertSettings] = {
    **{
        recipe.name: recipe.shape
        for recipe in RECIPES.values()
        if isinstance(recipe.shape, ModernBertSettings)
    },
    "small": SMALL_SHAPE,
    "base": BASE_SHAPE,
    "large": LARGE_SHAPE,
}


def shape_of(name: str) -> ModernBertSettings:
    """Return the shape of a recipe or of the table, without dropout and with a context of at least 8,192.

    The weights' scale is that of unit gain, 1 / sqrt(width): with the published 0.02 fresh weights give nearly the
    same loss whatever the encoder does, and the gate before the race would see little.

    RAISES (ValueError): BC776 for an unknown name.
    """
    if name not in SHAPES:
        known = ", ".join(SHAPES)
        raise ValueError(Errors.BC776.format(what="--shape", given=f"'{name}'", wanted=f"one of {known}"))
    return for_racing(SHAPES[name])


def for_racing(shape: ModernBertSettings) -> ModernBertSettings:
    """Give a shape the special ids, weights' scale and context that the benchmark needs; see `shape_of`."""
    return replace(
        shape,
        initializer_range=shape.hidden_size**-0.5,
        max_position_embeddings=max(8192, shape.max_position_embeddings),
        pad_token_id=PAD,
        bos_token_id=CLS,
        cls_token_id=CLS,
        eos_token_id=SEP,
        sep_token_id=SEP,
        embedding_dropout=0.0,
        attention_dropout=0.0,
        mlp_dropout=0.0,
    )
