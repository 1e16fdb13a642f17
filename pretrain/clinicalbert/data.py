"""What a run on sentence pairs reads: sources, cleaning, sentences, the split, and the stream of pairs made of them.

The same face as `pretrain.data.Data`, which it extends. A source's weight changes the passes over its documents:
dupe_factor times the weight, rounded to whole passes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from pretrain.batches import EVALUATION, generator_for
from pretrain.clinicalbert.instances import Pair, PairRow, PairSettings, plan_pairs
from pretrain.clinicalbert.store import PairStore, store_for
from pretrain.clinicalbert.stream import PairStream
from pretrain.data import Data, TextOptions
from pretrain.masking import Vocabulary
from pretrain.recipes import ClinicalBertInstances, Recipe
from pretrain.sources import Source, sources_of
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer


class PairData(Data):
    """The text of a run on sentence pairs, opened.

    recipe (Recipe): one with `instances`. texts (Sequence): paths, NAME=PATH:WEIGHT strings or sources.
    options (TextOptions | None): its workers and terms are not used.
    RAISES (ValueError): BC701 … BC707, BC735 … BC744, BC753, BC754.
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
        made = recipe.instances or ClinicalBertInstances(max_length=recipe.max_length)
        sources = sources_of(texts, text_key)
        self.recipe, self.sources, self.terms = recipe, sources, None
        self.weights = {source.name: source.weight for source in sources}
        if not any(self.weights.values()):
            raise ValueError(Errors.BC741.format(what="weight", value="0 of every source", range="above 0"))
        self.store: PairStore = store_for(
            sources,
            tokenizer,
            work,
            cleaning=options.cleaning,
            near_duplicates=options.near_duplicates,
            threshold=options.threshold,
            is_quiet=is_quiet,
        )
        self.shards = cast(Any, self.store)  # what `Data` asks of shards, it has
        self.training, self.held_out = self.store.split(recipe.held_out)
        self.vocabulary = Vocabulary.of_tokenizer(tokenizer)
        self.settings = pair_settings(made)
        self._special = {"cls_id": tokenizer.prefix_ids[0], "sep_id": tokenizer.suffix_ids[-1]}
        weight_of = np.array([self.weights[name] for name in self.store.sources])
        passes = np.rint(made.dupe_factor * weight_of[self.store.source_of[self.training]]).astype(np.int64)
        self.stream = cast(
            Any, self._stream(self.training, self.settings, None if self.is_even else passes, made)
        )

    def held_out_rows(self) -> list[PairRow]:  # type: ignore[override]
        """The rows to evaluate on, always the same: one pass over held-out documents, drawn if they are many.

        Empty if fewer than two documents are held out: a random second half must not come from training text.
        """
        if len(self.held_out) < 2:
            return []
        settings = replace(
            self.settings, dupe_factor=1, masked_share=self.recipe.eval_mask_rate, seed=EVALUATION
        )
        made = self.recipe.instances or ClinicalBertInstances(max_length=self.recipe.max_length)
        stream = self._stream(self.held_out, settings, None, made)
        rows: list[PairRow] = []
        waiting: list[Pair] = []
        n_pieces, most = 0, self.recipe.eval_pieces
        for document in generator_for(EVALUATION).permutation(len(stream.sentences)).tolist():
            if rows and n_pieces >= most:
                return rows
            waiting += plan_pairs(stream.sentences, document, 0, settings)
            while len(waiting) >= stream.pairs_per_row and not (rows and n_pieces >= most):
                rows.append(stream.row_of(waiting[: stream.pairs_per_row]))
                waiting = waiting[stream.pairs_per_row :]
                n_pieces += rows[-1].n_pieces
        if waiting and not (rows and n_pieces >= most):
            rows.append(stream.row_of(waiting))
        return rows

    def counts(self) -> dict[str, Any]:
        """Figures for the report; no document is cut, every sentence is read."""
        meta = self.store.meta
        return {
            **{name: meta[name] for name in ("documents", "empty")},
            "cut": 0,
            **{name: meta[name] for name in ("sentences", "pieces")},
            "training_documents": len(self.training),
            "held_out_documents": len(self.held_out),
            "packing": round(self.stream.packing_efficiency, 4),
            "tokenizer": meta["tokenizer"],
            "data_hash": meta["data_hash"],
        }

    def _stream(
        self,
        documents: np.ndarray,
        settings: PairSettings,
        passes: np.ndarray | None,
        made: ClinicalBertInstances,
    ) -> PairStream:
        return PairStream(
            self.store.sentences.only(documents),
            self.vocabulary,
            settings=settings,
            pairs_per_row=max(1, self.recipe.row_pieces // self.recipe.max_length),
            rows_per_step=self.recipe.rows_per_step,
            passes=passes,
            next_sentence=made.next_sentence,
            seed=self.recipe.seed,
            **self._special,
        )


def pair_settings(made: ClinicalBertInstances) -> PairSettings:
    """Return a recipe's settings of instances under the names of the code that makes them."""
    return PairSettings(
        max_length=made.max_length,
        dupe_factor=made.dupe_factor,
        short_share=made.short_seq_prob,
        masked_share=made.masked_lm_prob,
        max_predictions=made.max_predictions,
        seed=made.seed,
    )
