"""Keep the case of texts where a tokenizer would lower-case them although its vocabulary is cased.

Bio_ClinicalBERT and its kind come without tokenizer_config.json, and transformers then lower-cases: a fourth of the
vocabulary, every name and abbreviation in it, can never be met. The fault is found in the vocabulary itself, so that
a local copy under any name is treated alike and an uncased vocabulary stays as it is. Costs a few milliseconds, once.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

# Share of pieces with capitals from which a vocabulary counts as cased. BERT's cased vocabularies hold about a third,
# uncased ones none but special pieces and the odd term that somebody added.
CASED_SHARE = 0.05


def restore_case(serialised: str, special: Collection[str]) -> tuple[str, float | None]:
    """Switch lower-casing off if the vocabulary (WordPiece) is cased.

    serialised (str): the text of a tokenizer.json.
    special (Collection[str]): special pieces, which say nothing about case.
    RETURNS (tuple[str, float | None]): the text, changed or not; the share of the vocabulary that has capitals, None
        if nothing was changed. Accents are kept too, unless the files ask for stripping them explicitly.
    """
    content = json.loads(serialised)
    if content["model"].get("type") != "WordPiece" or not _lower_cases(content["normalizer"]):
        return serialised, None
    share = cased_share(content["model"]["vocab"], special)
    if share < CASED_SHARE:
        return serialised, None
    content["normalizer"] = _keeping_case(content["normalizer"])
    return json.dumps(content, ensure_ascii=False), share


def cased_share(vocabulary: Collection[str], special: Collection[str]) -> float:
    """Return the share of pieces that lower-casing would change, special and unused ones left aside."""
    ordinary = [piece for piece in vocabulary if piece not in special and not _is_bracketed(piece)]
    return sum(piece != piece.lower() for piece in ordinary) / max(len(ordinary), 1)


def _is_bracketed(piece: str) -> bool:
    return len(piece) > 2 and piece.startswith("[") and piece.endswith("]")  # [unused7]


def _lower_cases(normalizer: dict[str, Any] | None) -> bool:
    if normalizer is None:
        return False
    if normalizer["type"] == "Sequence":
        return any(_lower_cases(part) for part in normalizer["normalizers"])
    return normalizer["type"] == "Lowercase" or bool(normalizer.get("lowercase"))


def _keeping_case(normalizer: dict[str, Any]) -> dict[str, Any] | None:
    """Return a normalizer without its lower-casing; BertNormalizer strips accents only where it was told to."""
    if normalizer["type"] == "Sequence":
        parts = [_keeping_case(part) for part in normalizer["normalizers"]]
        return {**normalizer, "normalizers": [part for part in parts if part is not None]}
    if normalizer["type"] == "Lowercase":
        return None
    return {**normalizer, "lowercase": False} if normalizer.get("lowercase") else normalizer
