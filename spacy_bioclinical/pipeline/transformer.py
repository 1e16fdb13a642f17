"""The shared transformer component: batches by pieces, tells what it saw, and lets hidden states go when they are read.

A subclass of spacy-transformers' Transformer: same `doc._.trf_data`, same listeners, same training contract.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import srsly
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from spacy_transformers.annotation_setters import null_annotation_setter
from spacy_transformers.data_classes import FullTransformerBatch
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import Transformer, install_extensions
from thinc.api import Config, Model

from ..errors import Errors
from ..models.batch import PackedTransformerBatch, PackedTransformerData
from ..models.loader import EncoderLoader
from ..models.plan import DocumentPlan, PlannedDocs
from ..models.transformer import DEFAULT_BATCH_PIECES, encoder_shim, plan_with
from .batches import buffers, forward_groups
from .listening import CountedForward, bound_pipe

COVERAGE = "coverage"

DEFAULT_CONFIG_STR = f"""
[transformer]
max_batch_pieces = {DEFAULT_BATCH_PIECES}
keep_hidden = false

[transformer.set_extra_annotations]
@annotation_setters = "spacy-transformers.null_annotation_setter.v1"

[transformer.model]
@architectures = "spacy-bioclinical.PackedTransformer.v1"
"""
DEFAULT_CONFIG = Config().from_str(DEFAULT_CONFIG_STR)["transformer"]


@Language.factory(
    "bioclinical_transformer",
    assigns=["doc._.trf_data", f"doc._.{COVERAGE}"],
    default_config=DEFAULT_CONFIG,
)
def make_bioclinical_transformer(
    nlp: Language,
    name: str,
    model: Model[list[Doc], FullTransformerBatch],
    set_extra_annotations: Callable[[list[Doc], FullTransformerBatch], None],
    max_batch_pieces: int,
    keep_hidden: bool,
) -> "BioClinicalTransformer":
    """Construct the shared transformer.

    model (Model[List[Doc], FullTransformerBatch]): the packed transformer.
    set_extra_annotations (Callable): called with each batch after `doc._.trf_data` is set.
    max_batch_pieces (int): budget of pieces for one forward pass; bounds memory, whatever the documents' lengths.
    keep_hidden (bool): keep `doc._.trf_data` in `nlp.pipe` after the last listener has read it.
    """
    return BioClinicalTransformer(
        nlp.vocab,
        model,
        set_extra_annotations,
        name=name,
        max_batch_pieces=max_batch_pieces,
        keep_hidden=keep_hidden,
    )


class BioClinicalTransformer(Transformer):
    """Encode documents for all components that listen.

    vocab (Vocab): the pipeline's vocabulary.
    model (Model[List[Doc], FullTransformerBatch]): the packed transformer.
    set_extra_annotations (Callable): see the factory.
    name (str): the component's name.
    max_batch_pieces (int): budget of pieces for one forward pass.
    keep_hidden (bool): see the factory.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], FullTransformerBatch],
        set_extra_annotations: Callable = null_annotation_setter,
        *,
        name: str = "transformer",
        max_batch_pieces: int = DEFAULT_BATCH_PIECES,
        keep_hidden: bool = False,
    ):
        if max_batch_pieces < 1:
            raise ValueError(Errors.BC308.format(given=max_batch_pieces))
        super().__init__(vocab, model, set_extra_annotations, name=name)
        # Speed and memory only: these follow the config at load time and are not stored with the weights.
        self.cfg: dict[str, Any] = {}
        self.max_batch_pieces = max_batch_pieces
        self.keep_hidden = keep_hidden
        self.model.attrs["max_batch_pieces"] = max_batch_pieces
        install_coverage()

    def add_listener(self, listener: TransformerListener, component_name: str) -> None:
        """Add a listener of a downstream component and watch what it reads."""
        super().add_listener(listener, component_name)
        if not isinstance(listener._func, CountedForward):
            listener._func = CountedForward(listener._func)

    def remove_listener(self, listener: TransformerListener, component_name: str) -> bool:
        """Remove a listener. RETURNS (bool): whether it was there."""
        removed = super().remove_listener(listener, component_name)
        if removed and isinstance(listener._func, CountedForward):
            listener._func = listener._func.forward
        return removed

    def find_listeners(self, component: Any) -> None:
        """Find the listeners in a component, and let it take documents in small batches; see `bound_pipe`."""
        super().find_listeners(component)
        if getattr(component, "name", None) in self.listener_map:
            bound_pipe(component)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the transformer to a stream of documents.

        Documents are buffered until there are `batch_size` of them or `BUFFERED_PASSES` forward passes are full,
        whichever comes first. Each is tokenised once. Forward passes are filled up to `max_batch_pieces` in order of
        length, a long document's windows over several of them; documents come back in the order of the stream.

        Memory: one forward pass, and the rows (pieces × width × 4 bytes) of the documents in the buffer until the
        last listener has read them. Components that listen take a few thousand tokens at a time, so that
        `batch_size` does not matter; but spaCy's `ner` and `parser` hold the rows of `batch_size` documents.

        Where memory runs out all the same, passes are halved, from then on in this process (BC312 in the log).

        Threads: one process uses all cores. With `n_process`, a forked worker computes with one thread, since no
        fork inherits threads; a spawned one does too unless OMP_NUM_THREADS says otherwise. One process for each core
        is then the most that pays, and each holds weights and rows of its own; a GPU wants a single process.

        stream (Iterable[Doc]): documents.
        batch_size (int): most documents to buffer.
        YIELDS (Doc): the same documents, in order.
        """
        install_extensions()

        def plan(docs: list[Doc], first_index: int) -> list[DocumentPlan | None]:
            return plan_with(self.model, docs, first_index)

        for docs in buffers(stream, plan, most_docs=batch_size, budget=self.max_batch_pieces):
            self._annotate_buffer(docs)
            waiting = deque(docs)
            docs.clear()  # from here on only the reader decides how long a document and its rows live
            while waiting:
                yield waiting.popleft()

    def _annotate_buffer(self, docs: PlannedDocs) -> None:
        budget = encoder_shim(self.model).fit(self.max_batch_pieces)
        for group in forward_groups(docs, budget):
            self._annotate(group)

    def _annotate(self, docs: PlannedDocs) -> None:
        """Encode a group of documents of a stream; the last listener to read a document lets its rows go."""
        n_readers = 0 if self.keep_hidden else len(self.listeners)
        predictions = self.predict(docs)
        if isinstance(predictions, PackedTransformerBatch):
            predictions.is_shared = n_readers > 0
        self.set_annotations(docs, predictions)
        for doc in docs:
            if n_readers and isinstance(doc._.trf_data, PackedTransformerData):
                doc._.trf_data.reads_left = n_readers

    def predict(self, docs: Iterable[Doc]) -> FullTransformerBatch:
        """Encode documents without changing them.

        docs (Iterable[Doc]): documents.
        RETURNS (FullTransformerBatch): their rows.
        RAISES (ValueError): BC301 if the component has no weights yet, BC307 if a document is too long and
            `on_overflow` is "error", BC310 if a single window does not fit in memory.
        """
        docs = docs if isinstance(docs, PlannedDocs) else list(docs)
        if not any(len(doc) for doc in docs):
            return FullTransformerBatch.empty(len(docs))
        return self.model.predict(docs)

    def set_annotations(self, docs: Iterable[Doc], predictions: FullTransformerBatch) -> None:
        """Write `doc._.trf_data` and `doc._.coverage`.

        docs (Iterable[Doc]): documents.
        predictions (FullTransformerBatch): from `predict`.
        """
        docs = list(docs)
        super().set_annotations(docs, predictions)
        plans = predictions.plans if isinstance(predictions, PackedTransformerBatch) else [None] * len(docs)
        for doc, plan in zip(docs, plans, strict=True):
            nothing = {"windows": 0, "pieces_seen": 0, "pieces": 0}
            doc._.set(COVERAGE, plan.coverage if plan is not None else nothing)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        encoder_loader: EncoderLoader | None = None,
    ) -> None:
        """Load the encoder's weights and find the listeners.

        get_examples (Callable): unused; part of the contract.
        nlp (Optional[Language]): the pipeline whose later components may listen.
        encoder_loader (Optional[EncoderLoader]): brings encoder and tokenizer, such as
            `spacy-bioclinical.EncoderFolder.v1`.
        RAISES (ValueError): BC301 if there are no weights and no loader.
        """
        if encoder_loader is not None:
            encoder, tokenizer = encoder_loader()
            self.model.attrs["set_encoder"](self.model, encoder, tokenizer)
        elif not encoder_shim(self.model).has_encoder:
            raise ValueError(Errors.BC301)
        if nlp is not None:
            names = list(nlp.pipe_names)
            start = names.index(self.name) if self.name in names else 0
            for _, component in nlp.pipeline[start:]:
                self.find_listeners(component)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Serialise to a folder.

        path (Union[str, Path]): the folder.
        exclude (Iterable[str]): fields to leave out: "cfg", "vocab", "model".
        """
        super().to_disk(path, exclude=exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "BioClinicalTransformer":
        """Load from a folder; settings named in the config win over stored ones.

        path (Union[str, Path]): the folder.
        exclude (Iterable[str]): fields to leave out.
        RETURNS (BioClinicalTransformer): the component itself.
        """
        util.from_disk(
            path,
            {
                "vocab": lambda p: _load_vocab(self.vocab, p),
                "cfg": lambda p: self.cfg.update(srsly.read_json(p)),
                "model": lambda p: self._model_from_bytes(Path(p).read_bytes()),
            },
            exclude,
        )
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "BioClinicalTransformer":
        """Load from bytes.

        bytes_data (bytes): what `to_bytes` gave.
        exclude (Iterable[str]): fields to leave out.
        RETURNS (BioClinicalTransformer): the component itself.
        """
        util.from_bytes(
            bytes_data,
            {
                "cfg": lambda b: self.cfg.update(srsly.json_loads(b)),
                "vocab": self.vocab.from_bytes,
                "model": self._model_from_bytes,
            },
            exclude,
        )
        return self

    def _model_from_bytes(self, data: bytes) -> None:
        self.model.from_bytes(data)
        self.model.attrs["max_batch_pieces"] = self.max_batch_pieces


def _load_vocab(vocab: Vocab, path: Path) -> None:
    vocab.from_disk(path)


def install_coverage() -> None:
    """Make `doc._.coverage` available: {"windows", "pieces_seen", "pieces"}, None before the transformer ran."""
    if not Doc.has_extension(COVERAGE):
        Doc.set_extension(COVERAGE, default=None)
