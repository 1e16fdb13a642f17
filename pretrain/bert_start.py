"""What a run needs to know of a BERT or RoBERTa that it starts from: its heads, its positions, whether pairs suit it.

Folders on the hub often hold an encoder alone, or the head for masked pieces alone (BioBERT's). Heads that are missing
are drawn anew, with a warning, as transformers does; an encoder's weights are never invented.
"""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from pretrain.recipes.recipe import Recipe
from spacy_bioclinical.encoder.bert import FAMILIES, BertSettings
from spacy_bioclinical.encoder.bert_pretraining import NEXT_SENTENCE_KEYS, BertForPretraining, without_copies
from spacy_bioclinical.encoder.checkpoint import RENAMES, load_strictly, read_weights, shared_names
from spacy_bioclinical.encoder.source import WEIGHTS
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

# Names at the beginning of a bare encoder's keys, as `BertModel.save_pretrained` writes them.
_BARE = ("embeddings.", "encoder.", "pooler.")
_POOLER = "bert.pooler."


def is_bert(config: dict[str, Any]) -> bool:
    """Tell whether a `config.json` is that of a BERT or RoBERTa, whose positions are learned one by one."""
    return config.get("model_type") in FAMILIES


def predicts_next_sentence(recipe: Recipe) -> bool:
    """Tell whether a recipe trains the next-sentence head."""
    return recipe.instances is not None and recipe.instances.next_sentence


def fitted_bert(settings: BertSettings, tokenizer: PieceTokenizer) -> BertSettings:
    """Return a shape with the tokenizer's vocabulary size and padding piece, for random weights."""
    return replace(settings, vocab_size=tokenizer.vocab_size, pad_token_id=tokenizer.pad_id)


def fitted_recipe(recipe: Recipe, config: dict[str, Any]) -> Recipe:
    """Return the recipe with documents no longer than the encoder's learned positions; others as they are.

    config (dict): `config.json` of the encoder.
    RAISES (ValueError): BC778 for sentence pairs with an encoder that is no BERT; BC103.
    """
    if recipe.instances is not None and config.get("model_type") != "bert":
        family = config.get("model_type")
        raise ValueError(Errors.BC778.format(name=recipe.name, family=family))
    if not is_bert(config):
        return recipe
    context = BertSettings.from_config(config).context
    if recipe.max_length <= context:
        return recipe
    instances = recipe.instances and replace(recipe.instances, max_length=context)
    return replace(recipe, max_length=context, instances=instances)


def load_bert(folder: Path, config: dict[str, Any], *, next_sentence: bool, seed: int) -> BertForPretraining:
    """Load a BERT or RoBERTa with its pretraining heads; those that the folder lacks are drawn anew.

    config (dict): the folder's `config.json`. next_sentence (bool): with pooler and next-sentence head, else these are
        left out even if the folder holds them. seed (int): of heads that are drawn; a warning (BC779) names them.
    RAISES (ValueError): BC103, BC105 … BC107, BC750.
    """
    model = BertForPretraining.from_config(config, next_sentence).init_weights(seed)
    base = "bert." if config["model_type"] == "bert" else "roberta."
    tensors = without_copies(read_weights(folder))
    if not any(key.startswith(base) for key in tensors):
        tensors = {base + key if key.startswith(_BARE) else key: tensor for key, tensor in tensors.items()}
    heads = {name for name in model.state_dict() if not name.startswith(base) or name.startswith(_POOLER)}
    load_strictly(model, tensors, folder, optional=heads)
    missing = heads - {_renamed(key) for key in tensors} - shared_names(model)
    if missing:
        warnings.warn(Errors.BC779.format(folder=folder, heads=", ".join(_heads(missing))), stacklevel=2)
    return model


def check_head(recipe: Recipe, checkpoint: Path) -> None:
    """Check that a checkpoint holds the next-sentence head if, and only if, the recipe trains it.

    RAISES (ValueError): BC781: its moments would not fit the other model.
    """
    with safe_open(checkpoint / WEIGHTS, "pt") as file:
        has_head = set(NEXT_SENTENCE_KEYS) <= set(file.keys())
    if has_head != predicts_next_sentence(recipe):
        holds, trains = ("a", "none") if has_head else ("no", "one")
        raise ValueError(Errors.BC781.format(place=checkpoint, holds=holds, name=recipe.name, trains=trains))


def _renamed(key: str) -> str:
    for old, new in RENAMES:
        if key.endswith(old):
            return key[: -len(old)] + new
    return key


def _heads(names: Iterable[str]) -> list[str]:
    """Name heads by the modules that hold them."""
    known = ("cls.predictions", "lm_head", "bert.pooler", "cls.seq_relationship")
    return [head for head in known if any(name.startswith(head) for name in names)]
