"""Batches epoch after epoch in the order of spaCy's own loop, from any place in them.

spaCy shuffles the examples at the start of each epoch, on top of the order they had, with Python's generator. So the
place is the epoch, that generator's state at its start, the order, and how many batches were taken.
"""

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.errors import Errors as SpacyErrors
from spacy.language import Language
from spacy.training import Example

from spacy_bioclinical.training.batcher import PieceBatcher

Place = dict[str, Any]


class BatchStream:
    """Iterate over (epoch, batch, whether it is the last of its epoch).

    nlp (Language): the pipeline.
    corpus (Callable): reads the examples; called once, or for max_epochs -1 in each epoch.
    batcher (Callable): cuts a stream of examples into batches; the same for the same stream.
    max_epochs (int): as in spaCy's config: 0 for no end, -1 to stream.
    place (dict | None): where to go on, from `place`.
    RAISES (ValueError): spaCy's E986 if the corpus holds no examples.
    """

    def __init__(
        self,
        nlp: Language,
        corpus: Callable[[Language], Iterable[Example]],
        batcher: Callable[[Iterable[Example]], Iterable[Any]],
        max_epochs: int,
        *,
        look_ahead: bool = False,
    ):
        self.nlp, self.corpus, self.batcher, self.max_epochs = nlp, corpus, batcher, max_epochs
        self.look_ahead = look_ahead
        self.epoch = 0
        self.n_taken = 0
        self._began: Any = None  # Python's generator as the epoch began
        self.examples: list[Example] = []
        if max_epochs >= 0:
            self.examples = list(corpus(nlp))
            if not self.examples:
                raise ValueError(SpacyErrors.E986)
        self.order = list(range(len(self.examples)))

    @property
    def place(self) -> Place:
        """What `go_to` needs, as plain data: after the batch that was given last."""
        return {"epoch": self.epoch, "n_taken": self.n_taken, "began": self._began, "order": self.order}

    def go_to(self, place: Place) -> None:
        """Continue after the batch at which `place` was taken; call before iterating."""
        self.epoch, self.n_taken = place["epoch"], place["n_taken"]
        self.order = list(place["order"])
        self._began = generator_state(place["began"])

    def __iter__(self) -> Iterator[tuple[int, Any, bool]]:
        if self.max_epochs < 0:
            for _ in range(self.epoch):
                self.corpus(self.nlp)  # readers count their epochs by calls
        while self.max_epochs < 1 or self.epoch != self.max_epochs:
            skip = self.n_taken
            now = random.getstate()
            if skip:
                random.setstate(self._began)
            else:
                if self.max_epochs >= 0:
                    random.shuffle(self.order)
                self._began = random.getstate()
            stream = self.corpus(self.nlp) if self.max_epochs < 0 else (self.examples[i] for i in self.order)
            batches = iter(self.batcher(stream))
            for _ in range(skip):
                next(batches)
            if skip:
                random.setstate(now)
            for batch, is_last in marked(batches) if self.look_ahead else ((b, False) for b in batches):
                self.n_taken += 1
                yield self.epoch, batch, is_last
            self.epoch += 1
            self.n_taken = 0

    def count_steps(self) -> int:
        """Count the batches of all epochs in advance, by cutting them; no generator's state changes.

        RETURNS (int): 0 if there is no end to them, they are streamed, or the batcher's size follows a schedule.
        """
        if self.max_epochs < 1:
            return 0
        dice, order, n_steps = random.Random(), list(self.order), 0
        dice.setstate(random.getstate())
        try:
            batcher = self.batcher if isinstance(self.batcher, PieceBatcher) else copy.deepcopy(self.batcher)
        except TypeError:  # it holds a generator: how it cuts depends on how often it has cut
            return 0
        for _ in range(self.max_epochs):
            dice.shuffle(order)
            n_steps += sum(1 for _ in batcher(self.examples[i] for i in order))
        return n_steps


def marked(items: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Give each item with whether it is the last."""
    nothing = object()
    waiting: Any = nothing
    for item in items:
        if waiting is not nothing:
            yield waiting, False
        waiting = item
    if waiting is not nothing:
        yield waiting, True


def generator_state(state: Any) -> Any:
    """Python's generator state from its JSON form."""
    return (state[0], tuple(state[1]), state[2])
