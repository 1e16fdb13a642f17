"""Write the encoder folder that pipelines take up: weights, config, tokenizer, the run's record, card and curves.

Layout of the hub: transformers and this project load it alike. The folder appears whole or not at all
(`pretrain.whole_folder`). What it says about the text are counts and hashes.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pretrain.curves import FOLDER as CURVES
from pretrain.curves import draw_curves
from pretrain.loop import STEP_LOG, Progress
from pretrain.model_card import CARD, CardFacts, model_card, told
from pretrain.recipes.recipe import Recipe
from pretrain.whole_folder import whole_folder
from spacy_bioclinical import __version__
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.encoder.checkpoint import save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

RECORD = "pretraining.json"
FAMILY_NAMES = {"bert": "BERT", "roberta": "RoBERTa", "xlm-roberta": "XLM-RoBERTa", "camembert": "CamemBERT"}


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
    model: ModernBertForMaskedLM | BertForPretraining,
    tokenizer: PieceTokenizer,
    folder: Path,
    *,
    recipe: Recipe,
    identity: dict[str, Any],
    data: dict[str, Any],
    progress: Progress,
    card: CardFacts | None = None,
    work: Path | None = None,
) -> None:
    """Write an encoder folder, whole or not at all; other files that an older one holds stay.

    data (dict): counts of the text (documents, sequences, pieces, held out), "sources", "cleaning" and "duplicates" as
        `pretrain.model_card` writes them; no text and no file names.
    card (CardFacts | None): write README.md with it. work (Path | None): draw the curves of the logs there into it.
    RAISES (ValueError): BC774 for logs that cannot be read. (OSError): a full disk; the folder stays as it was.
    """
    record = {
        "family": FAMILY_NAMES.get(str(model.model.config["model_type"]), "ModernBERT"),
        "signature": signature(recipe, identity["data"], progress),
        "version": __version__,
        "run": identity,
        "recipe": recipe.to_dict(),
        "data": told(data),
        "steps": progress.step,
        "pieces": progress.pieces,
        "held_out_before": progress.before,
        "held_out_after": progress.after,
    }
    with whole_folder(folder, replaced=(RECORD, CARD, CURVES)) as aside:
        tokenizer.save(aside)
        save_folder(model, aside)
        _mend_config(model, aside)
        (aside / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf8")
        if card is not None:
            pictures = {}
            if work is not None and (work / STEP_LOG).is_file():
                drawn = draw_curves(work, aside / CURVES)
                pictures = {f"{CURVES}/{name}": title for name, title in drawn.items()}
            text = model_card(record, card, name=folder.resolve().name, pictures=pictures)
            (aside / CARD).write_text(text, encoding="utf8")


def _mend_config(model: ModernBertForMaskedLM | BertForPretraining, folder: Path) -> None:
    """Write a local RoPE base of -1 (early checkpoints: "as the global one") out; transformers computes nan from it."""
    settings = model.settings
    if isinstance(settings, BertSettings):
        return
    if settings.local_rope_theta is not None and settings.local_rope_theta <= 0:
        config = replace(settings, local_rope_theta=settings.global_rope_theta).to_config()
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "config.json").write_text(text, encoding="utf8")
