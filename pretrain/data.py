"""What a run reads: sources, cleaning, shards, the split, the term list, and the stream of batches made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.batches import BatchStream, Row, evaluation_rows
from pretrain.cleaning import Cleaning
from pretrain.masking import Vocabulary
from pretrain.model_card import data_facts
from pretrain.near_duplicates import THRESHOLD
from pretrain.recipes import Recipe
from pretrain.shards import Shards, shards_for
from pretrain.sources import Source, parse_source, read_data_file, sources_of
from pretrain.terms import TermList, read_terms
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer


@dataclass(frozen=True)
class TextOptions:
    """How text becomes shards.

    cleaning (Cleaning): see `pretrain.cleaning`. near_duplicates (str), threshold (float), workers (int): see
        `shards_for`.
    terms (tuple): files of medical terms, for recipes that mask them more often. terms_column (str | None): their
        column in tables.
    """

    cleaning: Cleaning = field(default_factory=Cleaning)
    near_duplicates: str = "group"
    threshold: float = THRESHOLD
    workers: int = 1
    terms: tuple[Path, ...] = ()
    terms_column: str | None = None


class Data:
    """The text of a run, opened: shards, both sides of the split, and what training and evaluation draw from them.

    texts (Sequence): paths, NAME=PATH:WEIGHT strings or sources.
    RAISES (ValueError): BC701 … BC707, BC735 … BC747.
    """

    def __init__(
        self,
        recipe: Recipe,
        texts: Sequence[Path | str | Source],
        tokenizer: PieceTokenizer,
        work: Path,
        *,
        text_key: str | None = None,
        options: TextOptions | None = None,
        is_quiet: bool = False,
    ):
        options = options or TextOptions()
        sources = sources_of(texts, text_key)
        self.recipe, self.sources = recipe, sources
        self.weights = {source.name: source.weight for source in sources}
        if not any(self.weights.values()):
            raise ValueError(Errors.BC741.format(what="weight", value="0 of every source", range="above 0"))
        self.shards: Shards = shards_for(
            sources,
            tokenizer,
            work,
            max_length=recipe.max_length,
            is_quiet=is_quiet,
            cleaning=options.cleaning,
            near_duplicates=options.near_duplicates,
            threshold=options.threshold,
            workers=options.workers,
        )
        self.training, self.held_out = self.shards.split(recipe.held_out)
        self.terms: TermList | None = None
        if options.terms:
            words = chain.from_iterable(read_terms(path, options.terms_column) for path in options.terms)
            self.terms = TermList.of_terms(words, tokenizer)
        self.vocabulary = Vocabulary.of_tokenizer(tokenizer)
        self.stream = BatchStream.of_recipe(
            recipe,
            self.shards,
            self.training,
            self.vocabulary,
            weights=None if self.is_even else self.weights,
            terms=self.terms,
            cache=work,
        )

    @property
    def is_even(self) -> bool:
        """Whether each document is read once an epoch."""
        return all(weight == 1.0 for weight in self.weights.values())

    def held_out_rows(self) -> list[Row]:
        """The rows to evaluate on; none without held-out documents."""
        if not len(self.held_out):
            return []
        rows = evaluation_rows(
            self.shards,
            self.held_out,
            self.vocabulary,
            row_pieces=self.recipe.row_pieces,
            mask_rate=self.recipe.eval_mask_rate,
            most_pieces=self.recipe.eval_pieces,
        )
        return list(rows)

    def identity(self) -> dict[str, Any]:
        """What of the data makes a run the one it is, besides recipe, seed and start."""
        facts: dict[str, Any] = {"data": self.shards.meta["data_hash"]}
        if not self.is_even:
            facts["weights"] = dict(sorted(self.weights.items()))
        if self.terms is not None:
            facts["terms"] = self.terms.fingerprint
        return facts

    @property
    def told(self) -> dict[str, str]:
        """Name of a source to the one that leaves this machine: a number if it is that of a file, which can tell."""
        return {
            source.name: source.name if source.is_named else f"source {number}"
            for number, source in enumerate(self.sources, start=1)
        }

    def sources_of_sequences(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the sources as `told`, and int (n_sequences,) the source of each sequence of the shards."""
        told, shards = self.told, self.shards
        return tuple(told.get(name, name) for name in shards.sources), shards.source_of[shards.documents]

    def card_facts(self) -> dict[str, Any]:
        """What a model card tells of the text."""
        told = self.told
        meta = self.shards.meta
        report = {told.get(name, name): counts for name, counts in meta["report"].items()}
        files = [{**file, "source": told.get(file["source"], file["source"])} for file in meta["sources"]]
        weights = {told[name]: weight for name, weight in self.weights.items()}
        return data_facts({**meta, "report": report, "sources": files}, weights)

    def counts(self) -> dict[str, Any]:
        """Figures for the report."""
        meta = self.shards.meta
        return {
            **{name: meta[name] for name in ("documents", "empty", "cut", "sequences", "pieces")},
            "training_sequences": len(self.training),
            "held_out_sequences": len(self.held_out),
            "packing": round(self.stream.packing_efficiency, 4),
            "tokenizer": meta["tokenizer"],
            "data_hash": meta["data_hash"],
        }


def texts_of(texts: Sequence[str], data_file: Path | None, text_key: str | None) -> list[Source]:
    """The sources named on the command line: --text PATH or NAME=PATH:WEIGHT, and those of a data file."""
    named = [parse_source(text, text_key) for text in texts]
    return sources_of([*named, *(read_data_file(data_file) if data_file else ())])
