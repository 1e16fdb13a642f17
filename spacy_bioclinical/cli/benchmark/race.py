"""Lets contestants take turns: round by round, set by set, one after the other, never two at once.

A machine that others use drifts by 10-15 % within minutes. Neighbouring measurements share that drift, so ratios
are taken within a round. All contestants stay loaded; memory must hold them all.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from spacy_bioclinical.cli.benchmark.children import Handle
from spacy_bioclinical.cli.benchmark.record import Record


@dataclass(frozen=True)
class Contestant:
    """An implementation with an encoder in a precision.

    key (str): its name in tables and files.
    label (str): its name where the encoder is known already.
    kind (str): key of `worker.KINDS`, or "edsnlp".
    level (str): what is compared with what: "encoder", "component", "pipeline", "ceiling".
    encoder (str): as the user named it.
    precision (str): asked for.
    spec (dict): what its process reads.
    sets (tuple[str, ...]): sets it runs on.
    python (str | None): interpreter of its own environment.
    """

    key: str
    label: str
    kind: str
    level: str
    encoder: str
    precision: str
    spec: dict[str, Any]
    sets: tuple[str, ...]
    python: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is this project's implementation."""
        return self.kind in ("packed", "component", "pipeline")

    def facts(self) -> dict[str, Any]:
        """What belongs into the result file."""
        names = ("label", "kind", "level", "encoder", "precision")
        return {name: getattr(self, name) for name in names}


Launch = Callable[[Contestant], Handle]
MEASURED = {"memory": "document", "warm": "set"}


class Race:
    """Runs contestants against each other.

    contestants (list[Contestant]): in the order of their turns.
    record (Record): keeps what is measured; what it has already is not measured again.
    rounds (int): measurements of each contestant on each set.
    warmup (int): passes over each set before the first.
    launch (Launch): starts a contestant.
    """

    def __init__(
        self, contestants: list[Contestant], record: Record, *, rounds: int, warmup: int, launch: Launch
    ):
        self.contestants, self.record, self.launch = contestants, record, launch
        self.rounds, self.warmup = rounds, warmup
        self.names = list(record.data["sets"])
        self._handles: dict[str, Handle] = {}

    def run(self) -> None:
        """Measure all that the record lacks. Ends all contestants, also when interrupted."""
        todo = [contestant for contestant in self.contestants if self._lacks(contestant)]
        n_passes = sum(self._passes(contestant, name) for contestant in todo for name in contestant.sets)
        with tqdm(total=len(todo) + n_passes, unit="pass", disable=not todo) as bar, self._ended():
            self._load(todo, bar)
            for name in self.names:
                for contestant in todo:
                    self._prepare(contestant, name, bar)
            for number in range(self.rounds):
                for name in self.names:
                    for contestant in todo:
                        if name in contestant.sets and len(self.record.runs(contestant.key, name)) <= number:
                            self._measure(contestant, name, bar)

    def _lacks(self, contestant: Contestant) -> bool:
        return any(len(self.record.runs(contestant.key, name)) < self.rounds for name in contestant.sets)

    def _passes(self, contestant: Contestant, name: str) -> int:
        missing = self.rounds - len(self.record.runs(contestant.key, name))
        return missing + self._n_prepare(contestant) if missing > 0 else 0

    def _n_prepare(self, contestant: Contestant) -> int:
        return 0 if contestant.level == "ceiling" else 1 + self.warmup

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            for handle in self._handles.values():
                handle.close()
            self._handles.clear()

    def _load(self, todo: list[Contestant], bar: tqdm) -> None:
        """All at once: what loading costs is not measured."""
        bar.set_description("loading")
        for contestant in todo:
            self._handles[contestant.key] = self.launch(contestant)
            self._handles[contestant.key].post({"do": "load"})
        for contestant in todo:
            reply = self._take(contestant)
            if reply is not None:
                self.record.data["contestants"][contestant.key] = {**contestant.facts(), **reply["facts"]}
            bar.update()

    def _prepare(self, contestant: Contestant, name: str, bar: tqdm) -> None:
        """Memory, then warm-up."""
        if name not in contestant.sets or not self._passes(contestant, name):
            return
        for number in range(self._n_prepare(contestant)):
            action = "memory" if number == 0 else "warm"
            reply = self._ask(contestant, action, name, bar)
            if reply is not None and number <= 1:
                # Only the first warm-up counts: what it leaves behind makes later peaks look higher.
                self.record.add_peak(contestant.key, name, MEASURED[action], reply["peak_bytes"])

    def _measure(self, contestant: Contestant, name: str, bar: tqdm) -> None:
        reply = self._ask(contestant, "run", name, bar)
        if reply is not None:
            self.record.add_run(contestant.key, name, reply)

    def _ask(self, contestant: Contestant, action: str, name: str, bar: tqdm) -> dict[str, Any] | None:
        handle = self._handles.get(contestant.key)
        bar.set_description(f"{name} {contestant.key}"[:60], refresh=False)
        reply = None
        if handle is not None:
            handle.post({"do": action, "set": name})
            reply = self._take(contestant)
        bar.update()
        return reply

    def _take(self, contestant: Contestant) -> dict[str, Any] | None:
        """The answer, or None if the contestant failed: it is out of the race, the others go on."""
        reply = self._handles[contestant.key].take()
        if "error" not in reply:
            return reply
        self.record.data["failed"][contestant.key] = reply["error"]
        self.record.save()
        self._handles.pop(contestant.key).close()
        return None
