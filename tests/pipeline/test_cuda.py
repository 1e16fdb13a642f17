"""The same results on a GPU as on the CPU; skipped where there is none. Run: pytest tests/pipeline/test_cuda.py"""

import numpy
import pytest
import torch

from spacy_bioclinical.models.transformer import encoder_shim
from tests.pipeline.test_throughput import SmallMemory, texts_of
from tests.pipeline.test_transformer import NER, TEXTCAT, rows_of, with_heads

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-3), ("bf16", 0.1)])
def test_rows_on_a_gpu_equal_those_on_the_cpu(
    make_pipeline, short_encoder_folder, notes, precision, tolerance
):
    settings = {"overlap": 16, "precision": precision}
    there = make_pipeline(short_encoder_folder, device="cuda", **settings)
    here = make_pipeline(short_encoder_folder, device="cpu", **settings)
    assert encoder_shim(there.get_pipe("transformer").model).device.type == "cuda"
    for one, other in zip(there.pipe(notes), here.pipe(notes), strict=True):
        assert numpy.abs(rows_of(one) - rows_of(other)).max() < tolerance


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_on_a_gpu_lowers_the_loss(make_pipeline, encoder_folder, precision):
    nlp = make_pipeline(
        encoder_folder, heads=[NER, TEXTCAT], initialize=False, device="cuda", precision=precision
    )
    examples = with_heads(nlp)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-3
    history = []
    for _ in range(20):
        losses = {}
        nlp.update(examples, sgd=optimizer, losses=losses)
        history.append(losses["ner"] + losses["textcat"])
    assert history[-1] < 0.5 * history[0]


def test_a_stream_on_a_gpu_gives_what_it_gives_on_the_cpu(make_pipeline, short_encoder_folder):
    texts = texts_of(40)
    streams = []
    for device in ("cuda", "cpu"):
        nlp = make_pipeline(
            short_encoder_folder, overlap=16, max_batch_pieces=300, device=device, keep_hidden=True
        )
        streams.append(list(nlp.pipe(texts, batch_size=16)))
    for one, other, text in zip(*streams, texts, strict=True):
        assert one.text == other.text == text
        if len(one):
            assert numpy.abs(rows_of(one) - rows_of(other)).max() < 2e-3


def test_a_gpu_out_of_memory_goes_on_with_smaller_passes(make_pipeline, short_encoder_folder, monkeypatch):
    texts = texts_of(40)
    nlp = make_pipeline(short_encoder_folder, overlap=16, device="cuda")
    expected = [rows_of(doc) if len(doc) else None for doc in nlp.pipe(texts)]
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    # The allocator's own error: one far larger request than the card has, whenever a pass is too large.
    memory = SmallMemory(encoder, 150, None)
    monkeypatch.setattr(memory, "fail", lambda: torch.empty(2**50, dtype=torch.uint8, device="cuda"))
    monkeypatch.setattr(encoder, "forward", memory)
    for doc, rows in zip(nlp.pipe(texts), expected, strict=True):
        if rows is not None:
            assert numpy.abs(rows_of(doc) - rows).max() < 2e-3
    assert max(memory.sizes) > 150
    assert memory.sizes[-1] <= 150


def test_training_out_of_memory_on_a_gpu_is_told_with_advice(
    make_pipeline, short_encoder_folder, monkeypatch
):
    nlp = make_pipeline(short_encoder_folder, heads=[TEXTCAT], initialize=False, overlap=16, device="cuda")
    examples = with_heads(nlp)
    encoder = encoder_shim(nlp.get_pipe("transformer").model).encoder
    memory = SmallMemory(encoder, 1, None)
    monkeypatch.setattr(memory, "fail", lambda: torch.empty(2**50, dtype=torch.uint8, device="cuda"))
    monkeypatch.setattr(encoder, "forward", memory)
    with pytest.raises(ValueError, match=r"BC311.*cuda"):
        nlp.update(examples, sgd=nlp.resume_training())
