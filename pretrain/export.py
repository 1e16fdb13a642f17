"""Write the encoder folder that pipelines take up: weights, config, tokenizer, and the run's record."""

import json
import os
from pathlib import Path
from typing import Any

from pretrain.loop import Progress
from pretrain.recipes.recipe import Recipe
from spacy_bioclinical import __version__
from spacy_bioclinical.encoder.checkpoint import save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

RECORD = "pretraining.json"


def signature(recipe: Recipe, data_hash: str, progress: Progress) -> str:
    """Return the line to be quoted next to any score: what run these weights come from."""
    parts = {
        "recipe": recipe.name,
        "recipe_hash": recipe.fingerprint[:8],
        "seed": recipe.seed,
        "data": data_hash[:8],
        "steps": progress.step,
        "version": __version__,
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())


def export(
    model: ModernBertForMaskedLM,
    tokenizer: PieceTokenizer,
    folder: Path,
    *,
    recipe: Recipe,
    identity: dict[str, Any],
    data: dict[str, Any],
    progress: Progress,
) -> None:
    """Write an encoder folder; `pretraining.json` comes last, so its presence says that the folder is whole.

    data (dict): counts of the text (documents, sequences, pieces, held out); no text and no file names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    tokenizer.save(folder)
    save_folder(model, folder)
    record = {
        "signature": signature(recipe, identity["data"], progress),
        "version": __version__,
        "run": identity,
        "recipe": recipe.to_dict(),
        "data": data,
        "steps": progress.step,
        "pieces": progress.pieces,
        "held_out_before": progress.before,
        "held_out_after": progress.after,
    }
    aside = folder / f".{RECORD}.writing"
    aside.write_text(json.dumps(record, indent=2) + "\n", encoding="utf8")
    os.replace(aside, folder / RECORD)
