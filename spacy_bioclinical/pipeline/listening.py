"""What the transformer puts around components that listen: readings are counted, and come in small batches.

Nothing of it is stored, and nothing changes what a component computes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from thinc.api import Model

from ..models.batch import PackedTransformerData
from .batches import minibatch_by_tokens


class CountedForward:
    """A listener's forward function that notes each reading of a document, so that the last one frees the rows."""

    def __init__(self, forward: Callable):
        self.forward = forward

    def __call__(self, model: Model, docs: list[Doc], is_train: bool) -> Any:
        """Run the listener, then count."""
        result = self.forward(model, docs, is_train)
        if not is_train:
            for doc in docs:
                if isinstance(doc._.trf_data, PackedTransformerData):
                    doc._.trf_data = doc._.trf_data.count_read()
        return result


class BoundedPipe:
    """A component's `pipe` that takes documents by tokens, so that few rows wait to be read and few are copied.

    spaCy's own collects `batch_size` documents before it reads the first.
    """

    def __init__(self, component: TrainablePipe):
        self.component = component

    def __call__(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component's own `pipe` to one small batch after the other."""
        for docs in minibatch_by_tokens(stream, batch_size):
            yield from TrainablePipe.pipe(self.component, docs, batch_size=batch_size)


def bound_pipe(component: Any) -> bool:
    """Let a listening component take its documents by tokens.

    Components with a `pipe` of their own keep it, as do those compiled without room for another: spaCy's `ner` and
    `parser`, which hold the rows of `batch_size` documents.

    RETURNS (bool): whether the component was changed, or had been before.
    """
    if isinstance(getattr(component, "pipe", None), BoundedPipe):
        return True
    if getattr(type(component), "pipe", None) is not TrainablePipe.pipe:
        return False
    try:
        component.pipe = BoundedPipe(component)
    except AttributeError:
        return False
    return True
