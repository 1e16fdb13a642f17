"""Work and memory of a stream, counted rather than timed. Run: pytest tests/pipeline/test_throughput.py"""

import itertools
import logging
import random
import weakref

import numpy
import pytest
import torch
from spacy.training import Example

from spacy_bioclinical.models.batch import PackedTransformerBatch
from spacy_bioclinical.models.plan import PieceRecord
from spacy_bioclinical.models.transformer import encoder_shim
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from spacy_bioclinical.pipeline.batches import BUFFERED_PASSES, HEAD_TOKENS
from spacy_bioclinical.pipeline.listening import BoundedPipe
from tests.pipeline.test_transformer import LISTENER, NER, TEXTCAT, rows_of, with_heads

CATS = {
    "@architectures": "spacy-bioclinical.TextCatPooling.v1",
    "tok2vec": LISTENER,
    "exclusive_classes": False,
    "pooling": "attention",
}
HEADS = [("bioclinical_ner", {}), ("textcat_multilabel", {"model": CATS})]
SENTENCES = [
    "No acute distress.",
    "Lungs clear; heart regular, no murmurs.",
    "She denies fever, nausea or vomiting, and doesn't smoke.",
    "Continue ceftriaxone/azithromycin; oxygen weaned.",
    "\n\nPlan:\n",
]


def texts_of(n, seed=0, longest=14):
    rng = random.Random(seed)
    return [" ".join(rng.choices(SENTENCES, k=rng.randint(0, longest))) for _ in range(n)]


def pieces_of_passes(nlp):
    """Pieces of each forward pass from now on."""
    sizes = []
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    encoder.register_forward_pre_hook(lambda module, args: sizes.append(sum(args[1])))
    return sizes


def results_of(docs):
    return [
        ([(e.start, e.end, e.label_) for e in doc.ents], [e._.confidence for e in doc.ents], dict(doc.cats))
        for doc in docs
        if len(doc)  # spaCy gives an empty document other scores beside documents than alone
    ]


def assert_equal_results(some, others):
    assert len(some) == len(others)
    for (ents, sure, cats), (other_ents, other_sure, other_cats) in zip(some, others, strict=True):
        assert ents == other_ents
        assert sure == pytest.approx(other_sure, abs=1e-4)
        assert cats == pytest.approx(other_cats, abs=1e-4)


@pytest.fixture(autouse=True)
def one_thread():
    """Hundreds of small passes: threads that wait for each other on a busy machine would take minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pipeline(make_pipeline, short_encoder_folder):
    nlp = make_pipeline(short_encoder_folder, heads=HEADS, initialize=False, overlap=16, max_batch_pieces=200)
    with_heads(nlp)
    return nlp


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_what_each_text_gives_alone_in_order(pipeline):
    texts = texts_of(60)
    sizes = pieces_of_passes(pipeline)
    alone = [pipeline(text) for text in texts]
    del sizes[:]
    docs = list(pipeline.pipe(texts, batch_size=16))
    assert [doc.text for doc in docs] == texts
    assert_equal_results(results_of(docs), results_of(alone))
    assert max(sizes) <= 200
    assert sum(sizes) == sum(sum(doc._.trf_data.wordpieces.lengths) for doc in alone)
    assert sum(sizes) / len(sizes) > 130


def test_passes_are_filled_and_long_documents_spread_over_them(make_pipeline, short_encoder_folder):
    nlp = make_pipeline(short_encoder_folder, overlap=16, max_batch_pieces=300)
    texts = [*texts_of(40, longest=3), " ".join(texts_of(12, longest=20)), *texts_of(40, seed=1, longest=3)]
    sizes = pieces_of_passes(nlp)
    docs = list(nlp.pipe(texts, batch_size=1000))
    assert [doc.text for doc in docs] == texts
    assert docs[40]._.coverage["windows"] > 10, "more than a pass holds"
    assert max(sizes) <= 300
    total = sum(sizes)
    assert total > 2 * 300 * BUFFERED_PASSES
    n_buffers = -(-total // (300 * BUFFERED_PASSES))
    assert len(sizes) <= -(-total // 240) + n_buffers, (
        "passes are at least four fifths full, but for the last of a buffer"
    )
    alone = nlp(texts[40])
    assert numpy.allclose(rows_of(docs[40]), rows_of(alone), atol=2e-5)


def test_each_text_is_tokenised_once_and_strings_are_made_when_read(pipeline, monkeypatch):
    n_texts, n_strings = [], []
    encode, strings = PieceTokenizer.encode, PieceTokenizer.strings
    monkeypatch.setattr(
        PieceTokenizer, "encode", lambda self, texts: n_texts.append(len(texts)) or encode(self, texts)
    )
    monkeypatch.setattr(
        PieceTokenizer, "strings", lambda self, ids: n_strings.append(1) or strings(self, ids)
    )
    texts = texts_of(30)
    assert sum(1 for _ in pipeline.pipe(texts)) == 30
    assert sum(n_texts) == 30
    assert len(n_texts) < 15, "many texts at a time, for all cores"
    doc = pipeline(texts[3])
    record = doc._.trf_data.wordpieces
    assert isinstance(record, PieceRecord)
    assert not n_strings
    assert not {"strings", "input_ids", "attention_mask"} & vars(record).keys()
    assert len(record) == len(record.lengths) == len(record.strings) == doc._.coverage["windows"]
    assert n_strings
    assert [len(row) for row in record.strings] == record.lengths == record.attention_mask.sum(1).tolist()
    assert record.input_ids.shape == record.attention_mask.shape == (len(record), max(record.lengths))
    assert record[0].strings == record.strings[:1]


def test_after_each_batch_no_work_is_left_over(pipeline):
    """Who times `batch_size` documents, as spaCy's benchmark does, times exactly their work."""
    sizes = pieces_of_passes(pipeline)
    texts = texts_of(60)
    docs = pipeline.pipe(texts, batch_size=10)
    for start in range(0, 60, 10):
        assert [next(docs).text for _ in range(10)] == texts[start : start + 10]
        n_passes = len(sizes)
        assert n_passes
        del sizes[:]
        list(pipeline.pipe(texts[start : start + 10], batch_size=10))
        assert len(sizes) == n_passes
        del sizes[:]


def test_empty_texts_come_through_wherever_they_stand(pipeline):
    texts = ["", "", *texts_of(5), "", " ", *texts_of(3, seed=2), ""]
    assert [doc.text for doc in pipeline.pipe(texts, batch_size=3)] == texts
    assert [doc.text for doc in pipeline.pipe([""] * 3)] == [""] * 3
    assert list(pipeline.pipe([])) == []


# --- memory -----------------------------------------------------------------------------------------------------------


def most_rows_alive(nlp, texts, monkeypatch, **settings):
    """Most rows that exist at once while texts pass through, counted whenever documents are given theirs; all rows."""
    alive, most, n_rows = {}, [], 0
    split = PackedTransformerBatch.split_by_doc

    def counted(self):
        nonlocal n_rows
        data = split(self)
        for one in data:
            rows = one.model_output.get("last_hidden_state")
            if rows is not None:
                root = rows if rows.base is None else rows.base  # a view keeps the whole matrix alive
                n_rows += rows.shape[0] * rows.shape[1]
                alive[id(root)] = (
                    weakref.ref(root),
                    root.size // nlp.get_pipe("transformer").model.get_dim("nO"),
                )
        most.append(sum(n for reference, n in alive.values() if reference() is not None))
        return data

    with monkeypatch.context() as patch:
        patch.setattr(PackedTransformerBatch, "split_by_doc", counted)
        for _ in nlp.pipe(texts, **settings):
            pass
    return max(most), n_rows


@pytest.mark.parametrize("folder", ["encoder_folder", "short_encoder_folder"])
@pytest.mark.parametrize("batch_size", [8, 1000])
def test_rows_alive_are_bounded_by_the_budget_not_by_the_batch(
    make_pipeline, folder, batch_size, monkeypatch, request
):
    """Whether documents share a matrix (one window) or have one each (several windows)."""
    nlp = make_pipeline(
        request.getfixturevalue(folder), heads=HEADS, initialize=False, overlap=16, max_batch_pieces=500
    )
    with_heads(nlp)
    assert isinstance(nlp.get_pipe("textcat_multilabel").pipe, BoundedPipe)
    most, n_rows = most_rows_alive(nlp, texts_of(400, longest=25), monkeypatch, batch_size=batch_size)
    # The buffer, with a pass too much, and what each of the two heads has taken: a token has less than three rows here.
    bound = (BUFFERED_PASSES + 2) * 500 + 2 * 3 * HEAD_TOKENS
    assert n_rows > 1.5 * bound, "the rows of all documents"
    assert 500 < most < bound


def test_rows_alive_without_heads_are_those_of_a_buffer(make_pipeline, short_encoder_folder, monkeypatch):
    nlp = make_pipeline(short_encoder_folder, overlap=16, max_batch_pieces=200)
    texts = texts_of(200)
    copies, n_alive = [], []
    for doc in nlp.pipe(texts, batch_size=1000):
        if len(doc):
            copies.append(weakref.ref(doc._.trf_data.model_output.last_hidden_state))
        n_alive.append(sum(reference() is not None for reference in copies))
    del doc
    assert max(n_alive) <= 1, "documents that the reader lets go of take their rows along"


def test_rows_that_are_let_go_soon_are_not_copied(make_pipeline, encoder_folder, monkeypatch):
    nlp = make_pipeline(encoder_folder, heads=HEADS, initialize=False)
    with_heads(nlp)
    arrays = []
    split = PackedTransformerBatch.split_by_doc

    def counted(self):
        data = split(self)
        arrays.extend(one.model_output.last_hidden_state for one in data)
        return data

    monkeypatch.setattr(PackedTransformerBatch, "split_by_doc", counted)
    list(nlp.pipe(["Lungs clear."] * 10))
    assert len(arrays) == 10
    assert len({id(array.base) for array in arrays}) == 1, "views of one matrix"


def test_keeping_one_document_keeps_its_own_rows_only(make_pipeline, short_encoder_folder):
    nlp = make_pipeline(short_encoder_folder, overlap=16)
    for doc in nlp.pipe(texts_of(20, longest=2)):
        if len(doc):
            rows = doc._.trf_data.model_output.last_hidden_state
            assert rows.base is None or rows.base.nbytes == rows.nbytes


def test_heads_with_a_pipe_of_their_own_keep_it(make_pipeline, encoder_folder):
    nlp = make_pipeline(encoder_folder, heads=[NER, TEXTCAT, ("bioclinical_ner", {})], initialize=False)
    with_heads(nlp)
    assert isinstance(nlp.get_pipe("textcat").pipe, BoundedPipe)
    assert not isinstance(nlp.get_pipe("ner").pipe, BoundedPipe)
    assert not isinstance(nlp.get_pipe("bioclinical_ner").pipe, BoundedPipe)
    texts = texts_of(20)
    assert [doc.text for doc in nlp.pipe(texts, batch_size=7)] == texts


def test_a_failing_document_goes_to_the_error_handler_and_the_others_come_through(pipeline, monkeypatch):
    failed = []
    head = pipeline.get_pipe("textcat_multilabel")
    predict = type(head).predict

    def failing(self, docs):
        if any("smoke" in doc.text for doc in docs):
            raise ValueError("no")
        return predict(self, docs)

    monkeypatch.setattr(type(head), "predict", failing)
    head.set_error_handler(lambda name, proc, docs, error: failed.extend(docs))
    try:
        texts = ["Lungs clear.", "She doesn't smoke.", "No fever."]
        docs = list(pipeline.pipe(texts, batch_size=1))
        assert [doc.text for doc in docs] == [texts[0], texts[2]]
        assert [doc.text for doc in failed] == [texts[1]]
    finally:
        head.set_error_handler(lambda name, proc, docs, error: (_ for _ in ()).throw(error))


# --- out of memory ----------------------------------------------------------------------------------------------------


class SmallMemory:
    """An encoder's forward function on a machine that holds so many pieces at once."""

    def __init__(self, encoder, limit, error):
        self.forward, self.limit, self.error, self.sizes = encoder.forward, limit, error, []

    def __call__(self, ids_T, lengths):
        self.sizes.append(len(ids_T))
        if len(ids_T) > self.limit:
            self.fail()
        return self.forward(ids_T, lengths)

    def fail(self):
        raise self.error


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.fixture
def small(make_pipeline, short_encoder_folder, monkeypatch):
    def make(limit, error, **settings):
        nlp = make_pipeline(short_encoder_folder, overlap=16, **settings)
        encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
        memory = SmallMemory(encoder, limit, error)
        monkeypatch.setattr(encoder, "forward", memory)
        return nlp, memory

    return make


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "python"])
def test_too_large_a_pass_is_halved_and_stays_smaller(
    small, make_pipeline, short_encoder_folder, error, caplog
):
    texts = texts_of(30)
    nlp, memory = small(150, error)
    with caplog.at_level(logging.WARNING):
        docs = list(nlp.pipe(texts))
    usual = make_pipeline(short_encoder_folder, overlap=16)
    for doc, other, text in zip(docs, usual.pipe(texts), texts, strict=True):
        assert doc.text == text
        if len(doc):
            assert numpy.allclose(rows_of(doc), rows_of(other), atol=2e-5)
    failures = [size for size in memory.sizes if size > 150]
    assert failures
    assert all(later <= first // 2 + 64 for first, later in itertools.pairwise(failures))
    (record,) = caplog.records
    message = record.getMessage()
    assert "BC312" in message
    assert "max_batch_pieces = " in message
    assert not any(word in message for word in ("ceftriaxone", "Lungs", "smoke"))
    n_before = len(memory.sizes)
    with caplog.at_level(logging.WARNING):
        assert [doc.text for doc in nlp.pipe(texts[::-1])] == texts[::-1]
    assert max(memory.sizes[n_before:]) <= 150, "what proved too large is not tried again"
    assert len(caplog.records) == 1
    assert nlp.get_pipe("transformer").max_batch_pieces > 150, "the setting is the user's"


def test_a_window_that_does_not_fit_is_an_error_with_advice(small):
    nlp, _ = small(40, ERRORS[1])
    with pytest.raises(ValueError, match=r"BC310.*\d+ pieces.*context") as caught:
        list(nlp.pipe(texts_of(30)))
    assert "ceftriaxone" not in str(caught.value)


def test_other_errors_of_the_encoder_are_not_swallowed(small):
    nlp, memory = small(0, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(nlp.pipe(texts_of(5)))
    assert len(memory.sizes) == 1


def test_training_out_of_memory_says_what_to_change(make_pipeline, short_encoder_folder, monkeypatch):
    nlp = make_pipeline(short_encoder_folder, heads=[TEXTCAT], initialize=False, overlap=16)
    examples = with_heads(nlp)
    examples.append(Example.from_dict(nlp.make_doc(" ".join(SENTENCES * 3)), {"cats": {"A": 1.0, "B": 0.0}}))
    shim = encoder_shim(nlp.get_pipe("transformer").model)
    with monkeypatch.context() as patch:
        patch.setattr(shim.encoder, "forward", SmallMemory(shim.encoder, 10, ERRORS[1]))
        with pytest.raises(ValueError, match=r"BC311.*batcher.*context") as caught:
            nlp.update(examples, sgd=nlp.resume_training())
    assert "ceftriaxone" not in str(caught.value)

    def fail(*args, **kwargs):
        raise ERRORS[0]

    monkeypatch.setattr(torch.autograd, "backward", fail)
    with pytest.raises(ValueError, match="BC311"):
        nlp.update(examples, sgd=nlp.resume_training())
