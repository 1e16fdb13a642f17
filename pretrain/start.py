"""Where a run starts: the encoder folder's weights, or random ones in the recipe's shape."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pretrain.bert_start import fitted_bert, is_bert, load_bert, predicts_next_sentence
from pretrain.recipes.recipe import Recipe
from pretrain.scoring import Model
from pretrain.text import file_hash
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.encoder.checkpoint import WEIGHTS, load_masked_lm, read_config
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


def starting_config(
    recipe: Recipe, folder: Path, tokenizer: PieceTokenizer, *, is_from_scratch: bool
) -> dict[str, Any]:
    """Return the `config.json` of the encoder that a run starts from: the folder's, or the recipe's shape.

    RAISES (ValueError): BC713 (no weights there), BC105.
    """
    if not is_from_scratch:
        if not (folder / WEIGHTS).is_file():
            raise ValueError(Errors.BC713.format(folder=folder))
        return read_config(folder)
    if recipe.bert is not None:
        return fitted_bert(recipe.bert, tokenizer).to_config()
    return fitted_shape(recipe.shape, tokenizer).to_config()


def starting_model(
    recipe: Recipe, folder: Path, tokenizer: PieceTokenizer, *, is_from_scratch: bool
) -> tuple[Model, str]:
    """Build the model that a run starts from.

    folder (Path): encoder folder; its weights are read unless `is_from_scratch`. They decide on the family: a BERT or
        RoBERTa is trained by any recipe, with the next-sentence head if the recipe has pairs.
    RETURNS (tuple): the model, and a word on its weights for the run's identity ("random" or their SHA-256).
    RAISES (ValueError): BC713 (no weights there), BC718 (tokenizer larger than the vocabulary), BC103 …
        BC107.
    """
    next_sentence = predicts_next_sentence(recipe)
    if is_from_scratch:
        if recipe.bert is not None:
            fresh = BertForPretraining(fitted_bert(recipe.bert, tokenizer), next_sentence)
            return fresh.init_weights(recipe.seed), "random"
        return ModernBertForMaskedLM(fitted_shape(recipe.shape, tokenizer)).init_weights(
            recipe.seed
        ), "random"
    config = starting_config(recipe, folder, tokenizer, is_from_scratch=False)
    model: Model
    if is_bert(config):
        model = load_bert(folder, config, next_sentence=next_sentence, seed=recipe.seed)
    else:
        model = load_masked_lm(folder)
    if tokenizer.vocab_size > model.settings.vocab_size:
        n_rows = model.settings.vocab_size
        raise ValueError(Errors.BC718.format(folder=folder, n_pieces=tokenizer.vocab_size, n_rows=n_rows))
    return model, file_hash(folder / WEIGHTS)


def branch_model(recipe: Recipe, tokenizer: PieceTokenizer, config: dict[str, Any] | None) -> Model:
    """Build the model whose weights a checkpoint brings.

    config (dict | None): what the checkpoint's state says of its encoder; None: the recipe's shape.
    RAISES (ValueError): BC718 (tokenizer larger than the vocabulary).
    """
    config = config or starting_config(recipe, Path(), tokenizer, is_from_scratch=True)
    if is_bert(config):
        model: Model = BertForPretraining.from_config(config, predicts_next_sentence(recipe))
    else:
        model = ModernBertForMaskedLM(ModernBertSettings.from_config(config))
    shape = model.settings
    if tokenizer.vocab_size > shape.vocab_size:
        what = {"folder": "the checkpoint", "n_pieces": tokenizer.vocab_size, "n_rows": shape.vocab_size}
        raise ValueError(Errors.BC718.format(**what))
    return model


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
