"""What the machine can do: the encoder's own matrix products, and torch's own attention, with nothing around them.

Measured between the contestants, so that a slow minute lowers the ceiling as it lowers everyone below it. One
layer's products and one attention call a document are enough: rates, not sums, are wanted.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from spacy_bioclinical.cli.benchmark.data import read_ids
from spacy_bioclinical.cli.benchmark.flops import products_of
from spacy_bioclinical.cli.benchmark.memory import PeakMeter
from spacy_bioclinical.cli.benchmark.racers.encoders import cut

ROWS = (2048, 8192, 65536)  # rows of a product; the best rate counts
DOCUMENTS = 16  # documents whose attention is measured
LEAST_SECONDS = 0.2  # a measurement is repeated until it took so long


class ProductsRacer:
    """Measures rates; "seconds" of a pass are those of the measurement and mean nothing.

    spec (dict): "config" of the encoder, "data" folder, "device", "precision", "context".
    """

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.meter = PeakMeter(spec["device"])
        self.device = torch.device(spec["device"])
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[spec["precision"]]

    def load(self) -> dict[str, Any]:
        """Draw the matrices of two layers, so that neither stays in the innermost cache."""
        generator = torch.Generator().manual_seed(0)
        self.weights = [
            torch.randn(made, given, generator=generator).to(self.device, self.dtype)
            for _ in range(2)
            for given, made in products_of(self.spec["config"])
        ]
        return {"threads": torch.get_num_threads()}

    def run(self, name: str) -> dict[str, Any]:
        """Measure on the shapes of a set.

        RETURNS (dict): "linear_rate" and, on a CPU, "attention_rate" in FLOP a second.
        """
        _, lengths = read_ids(self.spec["data"], name)
        windows = [end - start for document in cut(lengths, self.spec["context"]) for start, end in document]
        with torch.inference_mode():
            linear = max(self._linear_rate(rows) for rows in {min(rows, sum(windows)) for rows in ROWS})
            if self.device.type == "cuda":  # one document at a time says nothing about a GPU
                return {"linear_rate": linear}
            return {"linear_rate": linear, "attention_rate": self._attention_rate(windows[:DOCUMENTS])}

    def run_longest(self, name: str) -> None:
        """Nothing: no memory is measured here."""

    def _linear_rate(self, rows: int) -> float:
        inputs = {w.shape[1]: torch.randn(rows, w.shape[1]).to(self.device, self.dtype) for w in self.weights}

        def multiply() -> None:
            for weight in self.weights:
                F.linear(inputs[weight.shape[1]], weight)

        return 2 * rows * sum(weight.numel() for weight in self.weights) / self._seconds(multiply)

    def _attention_rate(self, lengths: list[int]) -> float:
        config = self.spec["config"]
        n_heads, width = config["num_attention_heads"], config["hidden_size"]
        runs = {length: lengths.count(length) for length in lengths}
        qkv = {}
        for length, count in runs.items():
            drawn = torch.randn(3, 1, n_heads, length, width // n_heads).to(self.device, self.dtype)
            qkv[length] = drawn.expand(3, count, -1, -1, -1)

        def attend() -> None:
            for q, k, v in qkv.values():
                F.scaled_dot_product_attention(q, k, v)

        flops = sum(4 * width * length * length * count for length, count in runs.items())
        return flops / self._seconds(attend)

    def _seconds(self, compute: Callable[[], None]) -> float:
        compute()
        self._wait()
        repeats, start = 0, time.perf_counter()
        while True:
            compute()
            self._wait()
            repeats += 1
            elapsed = time.perf_counter() - start
            if elapsed >= LEAST_SECONDS:
                return elapsed / repeats

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
