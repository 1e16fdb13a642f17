"""The same results on a GPU as on the CPU; skipped where there is none. Run: pytest tests/pipeline/test_cuda.py"""

import numpy
import pytest
import torch

from spacy_bioclinical.models.transformer import encoder_shim
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
