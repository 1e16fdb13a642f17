"""Thin products and threads of worker processes. Run: pytest tests/models/test_products.py"""

import multiprocessing
import os

import numpy as np
import pytest
import torch

from spacy_bioclinical.models import threads
from spacy_bioclinical.models.products import thin_product


@pytest.mark.parametrize("n_labels", [1, 3, 16, 51])
def test_thin_products_equal_numpy(n_labels):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 96)).astype("f")[100:600]
    labels = rng.normal(size=(n_labels, 96)).astype("f")
    product = thin_product(rows, labels)
    assert product.dtype == np.float32
    np.testing.assert_allclose(product, rows @ labels.T, rtol=1e-4, atol=1e-4)
    product += 1  # an ordinary array


def count_threads(queue):
    threads.settle_threads()
    queue.put(torch.get_num_threads())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_computes_with_one_thread_and_the_parent_keeps_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        worker = context.Process(target=count_threads, args=(queue,))
        worker.start()
        assert queue.get(timeout=60) == 1
        worker.join()
        threads.settle_threads()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
