"""Who races: an implementation, a variant of it, and how it makes batches; and what each is there to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from pretrain.batches import generator_for
from pretrain.benchmarking.documents import Document
from pretrain.benchmarking.engines import Engine, Made, PackedEngine, PaddedEngine
from pretrain.benchmarking.plans import (
    MEGA_BATCH,
    Plan,
    one_by_one_plan,
    packed_plan,
    padding_share,
    random_plan,
    sorted_plan,
)
from spacy_bioclinical.encoder.modernbert import ModernBertSettings
from spacy_bioclinical.errors import Errors

_ORDER = 104  # stream of random numbers; see `documents`
Batching = Literal["packed", "one_by_one", "random", "sorted"]


@dataclass(frozen=True)
class Contestant:
    """One line of the table.

    key, label (str): its name in files and in words.
    is_ours (bool): our implementation or transformers'.
    batching (str): how it makes batches. variant (str): of the engine.
    is_same_model (bool): whether it computes the same losses as all others (the gate asks for it).
    """

    key: str
    label: str
    is_ours: bool
    batching: Batching
    variant: str = "plain"
    is_same_model: bool = True


OURS, RANDOM, SORTED, SPARSE = (
    "ours",
    "transformers_random",
    "transformers_sorted",
    "transformers_sorted_sparse",
)
ALL_LOGITS, ALL_GLOBAL, ONE_BY_ONE = "ours_all_logits", "ours_all_global", "ours_one_by_one"
CONTESTANTS: dict[str, Contestant] = {
    contestant.key: contestant
    for contestant in (
        Contestant(OURS, "ours, packed rows", True, "packed"),
        Contestant(RANDOM, "transformers, random padded batches", False, "random"),
        Contestant(SORTED, "transformers, length-sorted batches", False, "sorted"),
        Contestant(
            SPARSE, "transformers, length-sorted, sparse_prediction", False, "sorted", variant="sparse"
        ),
        Contestant(ALL_LOGITS, "ours, head at every piece", True, "packed", variant="all_logits"),
        Contestant(ALL_GLOBAL, "ours, no local attention", True, "packed", "all_global", is_same_model=False),
        Contestant(ONE_BY_ONE, "ours, documents one by one", True, "one_by_one"),
    )
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of batches.

    batch (int): documents of a padded batch. row_pieces (int): most pieces of a packed row.
    mega_batch (int | None): see `plans.sorted_plan`.
    """

    batch: int
    row_pieces: int
    mega_batch: int | None = MEGA_BATCH


def row_pieces_for(lengths: np.ndarray, batch: int) -> int:
    """Row budget that holds as many pieces as a padded batch does on average, and at least the longest document.

    So all contestants make about as many optimizer steps for the same documents.
    """
    return max(int(np.max(lengths)), round(batch * float(np.mean(lengths))))


def plan_for(contestant: Contestant, lengths: np.ndarray, sizes: Sizes, seed: int, number: int) -> Plan:
    """Return the batches of a round: all contestants get the documents in the same random order."""
    order = generator_for(seed, _ORDER, number).permutation(len(lengths))
    if contestant.batching == "packed":
        return packed_plan(lengths, order, sizes.row_pieces)
    if contestant.batching == "one_by_one":
        return one_by_one_plan(lengths, order, sizes.row_pieces)
    if contestant.batching == "random":
        return random_plan(order, sizes.batch)
    return sorted_plan(lengths, order, sizes.batch, sizes.mega_batch)


def padding_of(contestant: Contestant, lengths: np.ndarray, plan: Plan) -> float:
    """Share of padding that a contestant computes in a plan; nothing in ours."""
    return 0.0 if contestant.is_ours else padding_share(lengths, plan)


def choose(keys: Sequence[str]) -> list[Contestant]:
    """Return contestants by name, in the table's order; ours and transformers' random batches always take part.

    RAISES (ValueError): BC776 for an unknown name.
    """
    for key in keys:
        if key not in CONTESTANTS:
            wanted = f"one of {', '.join(CONTESTANTS)}"
            raise ValueError(Errors.BC776.format(what="--only", given=f"'{key}'", wanted=wanted))
    wanted_keys = {OURS, RANDOM, *keys}
    return [contestant for key, contestant in CONTESTANTS.items() if not keys or key in wanted_keys]


class Engines:
    """Both implementations with the same weights; contestants of one implementation share its model.

    settings (ModernBertSettings): shape. precision (str): "fp32" or "bf16" (transformers: autocast).
    """

    def __init__(self, settings: ModernBertSettings, *, seed: int, precision: str, device: torch.device):
        self.ours = PackedEngine(settings, seed=seed, precision=precision, device=device)
        weights = {name: tensor.cpu() for name, tensor in self.ours.model.state_dict().items()}
        self.theirs = PaddedEngine(settings, weights, precision=precision, device=device)

    @property
    def has_fp32(self) -> bool:
        """Whether both can compute in fp32 (flash-attn cannot)."""
        return self.theirs.attention == "sdpa"

    def set_precision(self, precision: str) -> None:
        """Compute in another precision from now on."""
        self.ours.model.model.set_compute(precision=precision)
        self.theirs.precision = precision

    def of(self, contestant: Contestant) -> Engine:
        """Return a contestant's engine, switched to its variant."""
        engine: Engine = self.ours if contestant.is_ours else self.theirs
        engine.use(contestant.variant)
        return engine

    def facts(self) -> dict[str, Any]:
        """What belongs beside the figures."""
        return {"attention_of_transformers": self.theirs.attention, "compiled": False}


def make_step(engine: Engine, documents: Sequence[Document], step: list[list[int]]) -> list[tuple[Made, int]]:
    """Make the batches of a step ready, each with its number of predicted pieces."""
    made = []
    for batch in step:
        chosen = [documents[index] for index in batch]
        made.append((engine.make(chosen), sum(document.n_labelled for document in chosen)))
    return made
