"""Transformer components of spaCy pipelines: ours, and spacy-transformers' stock one with its default windows.

Both get the same spaCy documents, whose words are pieces (see folders.py), and do all that a component does:
tokenising, windows, the encoder, alignment, `doc._.trf_data`.
"""

from typing import Any

import spacy
import torch
from spacy.tokens import Doc

from spacy_bioclinical.cli.benchmark.data import read_texts
from spacy_bioclinical.cli.benchmark.memory import PeakMeter

PROBE = 16


class ComponentRacer:
    """What both have in common.

    spec (dict): "folder" of the encoder, "data" folder of the documents, "device".
    """

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.meter = PeakMeter(spec["device"])
        self._docs: dict[str, list[Doc]] = {}

    def load(self) -> dict[str, Any]:
        """Build the pipeline and run it once on a few words; see `Racer`."""
        self.nlp = spacy.blank("en")
        facts = self.add_component()
        words = read_texts(self.spec["data"], self.spec["probe_set"])[0].split(" ")[:PROBE]
        self._process([Doc(self.nlp.vocab, words=words)])
        return {**facts, "threads": torch.get_num_threads()}

    def run(self, name: str) -> dict[str, Any]:
        """Process all documents; see `Racer`."""
        self._process(self._documents(name))
        return {}

    def run_longest(self, name: str) -> None:
        """Process the longest document alone; see `Racer`."""
        self._process([max(self._documents(name), key=len)])

    def _documents(self, name: str) -> list[Doc]:
        if name not in self._docs:
            texts = read_texts(self.spec["data"], name)
            self._docs[name] = [Doc(self.nlp.vocab, words=text.split(" ")) for text in texts]
        return self._docs[name]

    def _process(self, docs: list[Doc]) -> None:
        for doc in self.nlp.pipe(docs):
            doc._.trf_data = None  # as a pipeline that has read it; documents are used again
        if self.spec["device"].startswith("cuda"):
            torch.cuda.synchronize()

    def add_component(self) -> dict[str, Any]:
        """Add the component to `nlp` and give it its weights; RETURNS facts."""
        raise NotImplementedError


class PackedComponentRacer(ComponentRacer):
    """`bioclinical_transformer`, with the encoder's own context; further: "precision", "kernel"."""

    def add_component(self) -> dict[str, Any]:
        """See `ComponentRacer`."""
        from spacy_bioclinical.models.loader import build_encoder_folder_v1
        from spacy_bioclinical.models.transformer import encoder_shim

        model = {
            "@architectures": "spacy-bioclinical.PackedTransformer.v1",
            "precision": self.spec["precision"],
            "kernel": self.spec["kernel"],
            "device": self.spec["device"],
        }
        component: Any = self.nlp.add_pipe(
            "bioclinical_transformer", name="transformer", config={"model": model}
        )
        component.initialize(
            lambda: [], nlp=self.nlp, encoder_loader=build_encoder_folder_v1(name=self.spec["folder"])
        )
        shim = encoder_shim(component.model)
        return {
            "precision": shim.encoder.precision,
            "window": shim.context,
            "overlap": shim.cfg["overlap"],
        }


class SpacyTransformersRacer(ComponentRacer):
    """`transformer` of spacy-transformers as it comes: fp32, windows of 128 tokens, 32 of them shared."""

    def add_component(self) -> dict[str, Any]:
        """See `ComponentRacer`."""
        if self.spec["device"].startswith("cuda"):
            spacy.require_gpu()
        window, stride = 128, 96
        getter = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": window, "stride": stride}
        model = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(self.spec["folder"]),
            "tokenizer_config": {"use_fast": True},
            "get_spans": getter,
        }
        self.nlp.add_pipe("transformer", config={"model": model})
        self.nlp.initialize()
        return {"precision": "fp32", "window": window, "overlap": window - stride}
