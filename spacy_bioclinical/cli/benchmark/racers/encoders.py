"""Encoders alone: ours on packed rows, transformers' on rectangles padded to the longest document of a batch.

Documents beyond the encoder's context are cut into the windows that the pipeline would cut, for both alike; each
piece of a document counts once, however many windows hold it.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from spacy_bioclinical.cli.benchmark.data import read_ids
from spacy_bioclinical.cli.benchmark.memory import PeakMeter
from spacy_bioclinical.pieces.windows import plan_windows

OVERLAP = 128  # pieces that neighbouring windows share, as in the pipeline
PROBE = 16  # pieces of the small computation that follows loading

Window = tuple[int, int]


def cut(lengths: list[int], context: int) -> list[list[Window]]:
    """Windows of documents that lie one after the other.

    lengths (list[int]): pieces of each document.
    context (int): most pieces of a window.
    RETURNS (list[list[tuple[int, int]]]): for each document its windows, as ranges of all ids.
    """
    windows, start = [], 0
    for length in lengths:
        if length <= context:
            windows.append([(start, start + length)])
        else:
            overlap = min(OVERLAP, context // 4)
            planned = plan_windows(length, context, overlap)
            windows.append([(start + window.start, start + window.end) for window in planned])
        start += length
    return windows


class EncoderRacer:
    """What both have in common: the documents, the device, the clock's end.

    spec (dict): "folder" of the encoder, "data" folder of the documents, "device", "context", "precision".
    """

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.device = torch.device(spec["device"])
        self.meter = PeakMeter(spec["device"])
        self.context = int(spec["context"])
        self._batches: dict[tuple[str, bool], list[list[Tensor]]] = {}

    def load(self) -> dict[str, Any]:
        """Load the weights and compute something small; see `Racer`."""
        facts = self.load_model()
        with torch.inference_mode():
            self.encode([torch.full((min(PROBE, self.context),), self.spec["probe_id"])])
        self.wait()
        return {**facts, "threads": torch.get_num_threads()}

    def run(self, name: str) -> dict[str, Any]:
        """Encode all documents; see `Racer`."""
        with torch.inference_mode():
            for windows in self._batches_of(name):
                self.encode(windows)
        self.wait()
        return {}

    def run_longest(self, name: str) -> None:
        """Encode the longest document alone; see `Racer`."""
        with torch.inference_mode():
            for windows in self._batches_of(name, longest=True):
                self.encode(windows)
        self.wait()

    def _batches_of(self, name: str, longest: bool = False) -> list[list[Tensor]]:
        if (name, longest) not in self._batches:
            ids, lengths = read_ids(self.spec["data"], name)
            if longest:
                index = max(range(len(lengths)), key=lengths.__getitem__)
                start = sum(lengths[:index])
                ids, lengths = ids[start : start + lengths[index]], [lengths[index]]
            ids_T = torch.as_tensor(ids, dtype=torch.long)
            batches = self.batches(cut(lengths, self.context))
            self._batches[name, longest] = [[ids_T[start:end] for start, end in batch] for batch in batches]
        return self._batches[name, longest]

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def load_model(self) -> dict[str, Any]:
        """Load the weights; RETURNS facts."""
        raise NotImplementedError

    def batches(self, documents: list[list[Window]]) -> Iterator[list[Window]]:
        """Group windows into batches."""
        raise NotImplementedError

    def encode(self, windows: list[Tensor]) -> Tensor:
        """Encode one batch of windows, each a row of ids on the CPU."""
        raise NotImplementedError

    def packed_rows(self, windows: list[Tensor]) -> Tensor:
        """Encode one batch; RETURNS (pieces, D), real pieces only, in the order of the windows."""
        raise NotImplementedError


class PackedRacer(EncoderRacer):
    """Our encoder; further: "kernel", "batch_pieces". Batches are filled to the budget in order of length."""

    def load_model(self) -> dict[str, Any]:
        """See `EncoderRacer`."""
        from spacy_bioclinical.encoder import load_encoder
        from spacy_bioclinical.encoder.base import PRECISIONS
        from spacy_bioclinical.encoder.kernels import choose

        self.encoder = load_encoder(self.spec["folder"])
        self.context = min(self.context, self.encoder.context)
        self.encoder = self.encoder.to(self.device).eval()
        self.encoder.set_compute(precision=self.spec["precision"], kernel=self.spec["kernel"])
        dtype = PRECISIONS[self.encoder.precision]
        chosen = choose(self.encoder.kernel, self.device, dtype)
        return {"precision": self.encoder.precision, "kernel": chosen}

    def batches(self, documents: list[list[Window]]) -> Iterator[list[Window]]:
        """See `EncoderRacer`."""
        windows = sorted((w for document in documents for w in document), key=lambda w: w[1] - w[0])
        batch: list[Window] = []
        pieces = 0
        for start, end in windows:
            if batch and pieces + end - start > self.spec["batch_pieces"]:
                yield batch
                batch, pieces = [], 0
            batch.append((start, end))
            pieces += end - start
        if batch:
            yield batch

    def encode(self, windows: list[Tensor]) -> Tensor:
        """See `EncoderRacer`."""
        return self.encoder(torch.cat(windows).to(self.device), [len(window) for window in windows])

    def packed_rows(self, windows: list[Tensor]) -> Tensor:
        """See `EncoderRacer`."""
        return self.encode(windows)


class TransformersRacer(EncoderRacer):
    """transformers' AutoModel as its users load it; further: "attention" implementation, "batch_documents"."""

    def load_model(self) -> dict[str, Any]:
        """See `EncoderRacer`."""
        from transformers import AutoConfig, AutoModel

        config = AutoConfig.from_pretrained(self.spec["folder"])
        if config.model_type == "modernbert":
            config.reference_compile = False
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[self.spec["precision"]]
        options: dict[str, Any] = {"torch_dtype": dtype}
        if self.spec["attention"] != "auto":
            options["attn_implementation"] = self.spec["attention"]
        model: Any = AutoModel.from_pretrained(self.spec["folder"], config=config, **options)
        self.model = model.to(self.device).eval()
        self.pad_id = int(config.pad_token_id or 0)
        self.family = config.model_type
        return {"precision": self.spec["precision"], "kernel": self.model.config._attn_implementation}

    def batches(self, documents: list[list[Window]]) -> Iterator[list[Window]]:
        """See `EncoderRacer`."""
        size = self.spec["batch_documents"]
        for first in range(0, len(documents), size):
            yield [window for document in documents[first : first + size] for window in document]

    def encode(self, windows: list[Tensor]) -> Tensor:
        """See `EncoderRacer`."""
        ids_BL = torch.full((len(windows), max(map(len, windows))), self.pad_id)
        mask_BL = torch.zeros_like(ids_BL)
        for row, window in enumerate(windows):
            ids_BL[row, : len(window)] = window
            mask_BL[row, : len(window)] = 1
        ids_BL, mask_BL = ids_BL.to(self.device), mask_BL.to(self.device)
        more: dict[str, Tensor] = {}
        if self.family == "longformer":  # the first piece attends globally, as in ours
            more["global_attention_mask"] = torch.zeros_like(mask_BL)
            more["global_attention_mask"][:, 0] = 1
        if self.family == "big_bird":  # a short batch leaves the model switched to full attention for ever
            self.model.set_attention_type(self.model.config.attention_type)
            mask_BL = mask_BL.float()
        return self.model(input_ids=ids_BL, attention_mask=mask_BL, **more).last_hidden_state

    def packed_rows(self, windows: list[Tensor]) -> Tensor:
        """See `EncoderRacer`."""
        rows_BLD = self.encode(windows)
        return torch.cat([rows_BLD[row, : len(window)] for row, window in enumerate(windows)])
