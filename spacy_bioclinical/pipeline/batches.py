"""How documents are grouped: buffers bounded by pieces, forward passes filled in order of length, heads by tokens.

spaCy's own grouping counts documents, and 256 clinical documents may be a million rows of hidden states. Everything
here counts what costs memory, and never holds back a document for another buffer. After every `batch_size` documents
nothing is under way any more, so that whoever times batches of that size (`spacy benchmark speed`) times their work.
"""

from collections.abc import Callable, Iterable, Iterator

from spacy.tokens import Doc

from ..models.plan import DocumentPlan, PlannedDocs

# A buffer of a few forward passes: enough to sort by length and to fill passes, few enough rows to keep.
BUFFERED_PASSES = 4
# Characters that are tokenised in one go, per piece of the budget. Clinical English has 3.5 to 4.5 in a piece.
CHARACTERS_PER_PIECE = 3
# Tokens that a head reads at once. Its copies of their rows (12 MB at width 768) then come from memory just used;
# larger ones are asked of the system each time, as fresh zeroed pages, which takes longer than the head itself.
HEAD_TOKENS = 4096

Planner = Callable[[list[Doc], int], list[DocumentPlan | None]]


def buffers(stream: Iterable[Doc], plan: Planner, *, most_docs: int, budget: int) -> Iterator[PlannedDocs]:
    """Cut a stream into buffers of planned documents.

    stream (Iterable[Doc]): documents; read no further than the buffer needs.
    plan (Callable): takes documents and the number of the first of them; returns their plans.
    most_docs (int): a buffer ends after every so many documents of the stream,
    budget (int): and when its documents need `BUFFERED_PASSES` forward passes of this many pieces. It goes over by
        the pieces of one document, or of as much text as is tokenised in one go: about one pass.
    YIELDS (PlannedDocs): in the order of the stream.
    """
    full = BUFFERED_PASSES * budget
    buffer, pending, n_characters, n_pieces = PlannedDocs(), list[Doc](), 0, 0
    for number, doc in enumerate(stream, 1):
        pending.append(doc)
        n_characters += _n_characters(doc)
        is_last = number % most_docs == 0
        if not is_last and n_characters < CHARACTERS_PER_PIECE * min(budget, full - n_pieces):
            continue
        n_pieces += _take(buffer, pending, plan)
        pending, n_characters = [], 0
        if is_last or n_pieces >= full:
            yield buffer
            buffer, n_pieces = PlannedDocs(), 0
    _take(buffer, pending, plan)
    if buffer:
        yield buffer


def _take(buffer: PlannedDocs, pending: list[Doc], plan: Planner) -> int:
    """Plan documents and put them into the buffer. RETURNS (int): rows that they need."""
    plans = plan(pending, len(buffer)) if pending else []
    buffer.extend(pending)
    buffer.plans.extend(plans)
    return sum(found.n_rows for found in plans if found is not None)


def _n_characters(doc: Doc) -> int:
    return doc[-1].idx + len(doc[-1]) if len(doc) else 0


def forward_groups(docs: PlannedDocs, budget: int) -> Iterator[PlannedDocs]:
    """Group documents for forward passes of at most `budget` pieces, the longest documents first.

    A document with more windows than fit is spread over several passes; what room its last pass leaves goes to the
    documents after it. So a group ends only where a pass does.

    YIELDS (PlannedDocs): groups; together all documents of `docs`.
    """
    n_rows = [plan.n_rows if plan is not None else 0 for plan in docs.plans]
    group, filled = PlannedDocs(), 0
    for i in sorted(range(len(docs)), key=lambda i: -n_rows[i]):
        plan = docs.plans[i]
        lengths = plan.window_lengths if plan is not None else []
        if group and lengths and filled + lengths[0] > budget:
            yield group
            group, filled = PlannedDocs(), 0
        for length in lengths:
            filled = filled + length if filled + length <= budget else length
        group.append(docs[i])
        group.plans.append(plan)
    if group:
        yield group


def minibatch_by_tokens(
    stream: Iterable[Doc], most_docs: int, most_tokens: int = HEAD_TOKENS
) -> Iterator[list[Doc]]:
    """Cut a stream into batches that end with the document that makes them `most_tokens` long.

    stream (Iterable[Doc]): documents; read no further than the batch needs.
    most_docs (int): a batch also ends after every so many documents of the stream.
    most_tokens (int): tokens that make a batch full.
    YIELDS (list[Doc]): in the order of the stream.
    """
    batch: list[Doc] = []
    n_tokens = 0
    for number, doc in enumerate(stream, 1):
        batch.append(doc)
        n_tokens += len(doc)
        if n_tokens >= most_tokens or number % most_docs == 0:
            yield batch
            batch, n_tokens = [], 0
    if batch:
        yield batch
