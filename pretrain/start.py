"""Where a run starts: the encoder folder's weights, or random ones in the recipe's shape."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pretrain.recipes.recipe import Recipe
from pretrain.text import file_hash
from spacy_bioclinical.encoder.checkpoint import WEIGHTS, load_masked_lm
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

VOCABULARY_MULTIPLE = 64  # rows of the embedding matrix come in whole blocks, as published


def load_tokenizer(folder: Path) -> PieceTokenizer:
    """Load a tokenizer. RAISES (ValueError): BC2xx; BC717 without [MASK] or [CLS] … [SEP]."""
    tokenizer = PieceTokenizer.from_folder(folder)
    lacking = {
        "mask piece": tokenizer.mask_id is None,
        "pieces around a document ([CLS], [SEP])": not (tokenizer.prefix_ids and tokenizer.suffix_ids),
    }
    for what, is_lacking in lacking.items():
        if is_lacking:
            raise ValueError(Errors.BC717.format(folder=folder, what=what))
    return tokenizer


def fitted_shape(shape: ModernBertSettings, tokenizer: PieceTokenizer) -> ModernBertSettings:
    """Return a shape with the tokenizer's vocabulary size (rounded up) and special ids."""
    rows = -(-tokenizer.vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    first, last = tokenizer.prefix_ids[0], tokenizer.suffix_ids[-1]
    return replace(
        shape,
        vocab_size=rows,
        pad_token_id=tokenizer.pad_id,
        bos_token_id=first,
        cls_token_id=first,
        eos_token_id=last,
        sep_token_id=last,
    )


def starting_model(
    recipe: Recipe, folder: Path, tokenizer: PieceTokenizer, *, is_from_scratch: bool
) -> tuple[ModernBertForMaskedLM, str]:
    """Build the model that a run starts from.

    folder (Path): encoder folder; its weights are read unless `is_from_scratch`.
    RETURNS (tuple): the model, and a word on its weights for the run's identity ("random" or their SHA-256).
    RAISES (ValueError): BC713 (no weights there), BC718 (tokenizer larger than the vocabulary), BC103 …
        BC107.
    """
    if is_from_scratch:
        model = ModernBertForMaskedLM(fitted_shape(recipe.shape, tokenizer)).init_weights(recipe.seed)
        return model, "random"
    if not (folder / WEIGHTS).is_file():
        raise ValueError(Errors.BC713.format(folder=folder))
    model = load_masked_lm(folder)
    if tokenizer.vocab_size > model.settings.vocab_size:
        n_rows = model.settings.vocab_size
        raise ValueError(Errors.BC718.format(folder=folder, n_pieces=tokenizer.vocab_size, n_rows=n_rows))
    return model, file_hash(folder / WEIGHTS)


def branch_model(recipe: Recipe, tokenizer: PieceTokenizer, state: dict[str, Any]) -> ModernBertForMaskedLM:
    """Build the model whose weights a checkpoint brings, in the shape that its state names, else in the recipe's.

    RAISES (ValueError): BC718 (tokenizer larger than the vocabulary).
    """
    config = state.get("config")
    shape = ModernBertSettings.from_config(config) if config else fitted_shape(recipe.shape, tokenizer)
    if tokenizer.vocab_size > shape.vocab_size:
        what = {"folder": "the checkpoint", "n_pieces": tokenizer.vocab_size, "n_rows": shape.vocab_size}
        raise ValueError(Errors.BC718.format(**what))
    return ModernBertForMaskedLM(shape)


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes a GPU if there is one. RAISES (ValueError): BC720."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(Errors.BC720.format(device=name)) from error
    return device
