"""Batches by pieces: nothing lost, nothing above the budget, the same again; trackers say what to install."""

import io
from itertools import pairwise

import pytest
import spacy
import torch
from spacy.training import Example

from spacy_bioclinical.models.fine_tuning import FineTuning
from spacy_bioclinical.models.transformer import encoder_shim
from spacy_bioclinical.training.batcher import Batch, build_batch_by_pieces_v1
from spacy_bioclinical.training.logger import build_csv_logger_v1

TEXT = "Ada Quill denies chest pain. "


@pytest.fixture(scope="module")
def examples():
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(TEXT * n) for n in (1, 3, 2, 9, 1, 1, 4, 2, 1)]
    return [Example(doc, doc) for doc in docs]


@pytest.mark.parametrize("settings", [{}, {"accumulate": 3}, {"documents": 4}, {"documents": 1}])
def test_batches_keep_order_and_budget(settings, examples, encoder_folder):
    batcher = build_batch_by_pieces_v1(encoder=str(encoder_folder), pieces=60, **settings)
    batches = list(batcher(examples))
    assert [eg for batch in batches for eg in batch] == examples
    for batch in batches:
        assert [eg for part in batch.parts for eg in part] == list(batch)
        assert sum(batch.shares()) == pytest.approx(1.0)
        for part in batch.parts:
            assert len(part) == 1 or sum(batcher.count(eg) for eg in part) <= 60
    if "documents" in settings:
        assert [len(batch) for batch in batches[:-1]] == [settings["documents"]] * (len(batches) - 1)
    else:
        assert all(len(batch.parts) == settings.get("accumulate", 1) for batch in batches[:-1])
    again = list(build_batch_by_pieces_v1(encoder=str(encoder_folder), pieces=60, **settings)(examples))
    assert [[len(part) for part in b.parts] for b in again] == [
        [len(part) for part in b.parts] for b in batches
    ]


def test_parts_are_filled_as_far_as_they_go(examples, encoder_folder):
    """No two neighbouring parts would fit together."""
    batcher = build_batch_by_pieces_v1(encoder=str(encoder_folder), pieces=60)
    costs = [[batcher.count(eg) for eg in batch] for batch in batcher(examples)]
    assert len(costs) > 2
    assert all(sum(one) + other[0] > 60 for one, other in pairwise(costs))


def test_shares_follow_documents_tokens_or_nothing(examples):
    parts = [examples[:1], examples[1:3]]  # 1 and 2 documents, 6 and 30 tokens
    assert Batch(parts, "documents").shares() == pytest.approx([1 / 3, 2 / 3])
    assert Batch(parts, "tokens").shares() == pytest.approx([6 / 36, 30 / 36])
    assert Batch(parts, "none").shares() == [1.0, 1.0]


def test_batcher_refuses_settings_out_of_range():
    for settings in ({"pieces": 0}, {"documents": 0}, {"accumulate": 0}, {"documents": 2, "accumulate": 2}):
        with pytest.raises(ValueError, match="BC444"):
            build_batch_by_pieces_v1(encoder=None, **settings)
    with pytest.raises(ValueError, match=r"BC444.*encoder"):
        list(build_batch_by_pieces_v1(encoder=None)([Example(*[spacy.blank("en")("a")] * 2)]))


@pytest.mark.parametrize("option", ["wandb_project", "mlflow_experiment"])
def test_missing_tracker_says_what_to_install(option, monkeypatch):
    import sys

    package = option.partition("_")[0]
    monkeypatch.setitem(sys.modules, package, None)
    nlp = spacy.blank("en")
    with pytest.raises(ImportError, match=f"BC448.*pip install {package}"):
        build_csv_logger_v1(**{option: "x"}, progress_bar=False)(nlp, io.StringIO(), io.StringIO())


def gradients(shim, precision="fp32"):
    shim.encoder.set_compute(precision=precision)
    ids = torch.arange(5, 205).numpy() % 700
    torch.manual_seed(4)
    rows, backprop = shim.begin_update((ids, [150, 50], 16384))
    backprop(torch.randn(rows.shape, generator=torch.Generator().manual_seed(5)))
    found = {name: p.grad.clone() for name, p in shim.encoder.named_parameters() if p.grad is not None}
    shim.encoder.zero_grad()
    return found


def test_recomputing_gives_the_same_gradients(tmp_path_factory, make_pipeline):
    """With dropout, which must be drawn the same way twice; then the layers are as they were."""
    from tests.conftest import write_modernbert_folder

    folder = write_modernbert_folder(
        tmp_path_factory.mktemp("dropping"), attention_dropout=0.2, mlp_dropout=0.2, embedding_dropout=0.1
    )
    shim = encoder_shim(make_pipeline(folder).get_pipe("transformer").model)
    plain = gradients(shim)
    shim.fine_tuning = FineTuning(recompute=True)
    recomputed = gradients(shim)
    assert plain.keys() == recomputed.keys()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)
    assert not any("forward" in vars(layer) for layer in shim.encoder.layers)


def test_bf16_keeps_master_weights_and_gradients_in_fp32(encoder_folder, make_pipeline):
    shim = encoder_shim(make_pipeline(encoder_folder).get_pipe("transformer").model)
    full, half = gradients(shim), gradients(shim, "bf16")
    assert all(p.dtype == torch.float32 for p in shim.encoder.parameters())
    norm = sum(float(one.square().sum()) for one in full.values()) ** 0.5
    apart = sum(float((full[name] - half[name]).square().sum()) for name in full) ** 0.5
    assert all(one.dtype == torch.float32 for one in half.values())
    assert 1e-6 * norm < apart < 0.05 * norm
