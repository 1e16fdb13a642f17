"""Whole pipelines, from text to entities: ours, and spacy-transformers' with spaCy's own `ner`.

Heads have random weights. What they find is noise and is counted only so that a reader can see that neither had
much more entities to write down than the other.
"""

import time
from collections.abc import Callable
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bioclinical.cli.benchmark.data import read_texts
from spacy_bioclinical.cli.benchmark.memory import PeakMeter

LABELS = ("AGE", "DATE", "DISEASE", "DRUG", "PERSON", "PLACE")


class PipelineRacer:
    """What both have in common.

    spec (dict): "folder" of the encoder, "data" folder of the notes, "device".
    """

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.meter = PeakMeter(spec["device"])
        self._texts: dict[str, list[str]] = {}

    def load(self) -> dict[str, Any]:
        """Build the pipeline and run it once on a short text; see `Racer`."""
        self.nlp = self.build()
        doc = Doc(self.nlp.vocab, words=list(LABELS))
        gold = {"entities": [(token.idx, token.idx + len(token), token.text) for token in doc]}
        self.nlp.initialize(lambda: [Example.from_dict(doc, gold)])
        self._process(["No acute distress."])
        return {**self.facts(), "threads": torch.get_num_threads()}

    def run(self, name: str) -> dict[str, Any]:
        """Process all notes; see `Racer`. RETURNS (dict): "entities" that were found."""
        if name not in self._texts:
            self._texts[name] = read_texts(self.spec["data"], name)
        return {"entities": self._process(self._texts[name])}

    def run_longest(self, name: str) -> None:
        """Process the longest note alone; see `Racer`."""
        self._process([max(read_texts(self.spec["data"], name), key=len)])

    def _process(self, texts: list[str]) -> int:
        n_entities = sum(len(doc.ents) for doc in self.nlp.pipe(texts))
        self.wait()
        return n_entities

    def wait(self) -> None:
        """Wait for the device."""
        if self.spec["device"].startswith("cuda"):
            torch.cuda.synchronize()

    def build(self) -> Language:
        """Make the pipeline, not yet initialised."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What belongs into the result file."""
        raise NotImplementedError


class PackedPipelineRacer(PipelineRacer):
    """`bioclinical_transformer` and `bioclinical_ner`; further: "precision", "kernel"."""

    seconds_in_encoder = 0.0

    def build(self) -> Language:
        """See `PipelineRacer`. Tokenizer and batches are those of the project's own pipelines."""
        tokenizer = {"@tokenizers": "spacy-bioclinical.ClinicalTokenizer.v1"}
        nlp = spacy.blank("en", config={"nlp": {"tokenizer": tokenizer, "batch_size": 16}})
        model = {
            "@architectures": "spacy-bioclinical.PackedTransformer.v1",
            "precision": self.spec["precision"],
            "kernel": self.spec["kernel"],
            "device": self.spec["device"],
        }
        nlp.add_pipe("bioclinical_transformer", name="transformer", config={"model": model})
        nlp.add_pipe("bioclinical_ner", name="ner")
        loader = {"@misc": "spacy-bioclinical.EncoderFolder.v1", "name": str(self.spec["folder"])}
        nlp.config["initialize"]["components"] = {"transformer": {"encoder_loader": loader}}
        return nlp

    def facts(self) -> dict[str, Any]:
        """See `PipelineRacer`. From here on the encoder's own time is taken."""
        from spacy_bioclinical.models.transformer import encoder_shim

        transformer: Any = self.nlp.get_pipe("transformer")
        shim = encoder_shim(transformer.model)
        _time_forward(shim.encoder, self)
        return {"precision": shim.encoder.precision, "window": shim.context, "overlap": shim.cfg["overlap"]}

    def run(self, name: str) -> dict[str, Any]:
        """See `PipelineRacer`. RETURNS (dict): also "encoder_seconds", spent inside the encoder's forward pass."""
        self.seconds_in_encoder = 0.0
        return {**super().run(name), "encoder_seconds": self.seconds_in_encoder}


def _time_forward(encoder: torch.nn.Module, racer: PackedPipelineRacer) -> None:
    forward: Callable = encoder.forward

    def timed(*arguments: Any, **options: Any) -> Any:
        racer.wait()
        start = time.perf_counter()
        rows = forward(*arguments, **options)
        racer.wait()
        racer.seconds_in_encoder += time.perf_counter() - start
        return rows

    encoder.forward = timed


class SpacyTransformersPipelineRacer(PipelineRacer):
    """`transformer` and `ner`, fp32; further: "window" and "stride" in tokens, null for the whole note at once."""

    def build(self) -> Language:
        """See `PipelineRacer`."""
        if self.spec["device"].startswith("cuda"):
            spacy.require_gpu()
        nlp = spacy.blank("en")
        model = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(self.spec["folder"]),
            "tokenizer_config": {"use_fast": True},
            "get_spans": self._spans(),
        }
        nlp.add_pipe("transformer", config={"model": model})
        listener = {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "grad_factor": 1.0,
            "pooling": {"@layers": "reduce_mean.v1"},
        }
        parser = {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "ner",
            "extra_state_tokens": False,
            "hidden_width": 64,
            "maxout_pieces": 2,
            "use_upper": False,
            "tok2vec": listener,
        }
        nlp.add_pipe("ner", config={"model": parser})
        return nlp

    def _spans(self) -> dict[str, Any]:
        if self.spec["window"] is None:
            return {"@span_getters": "spacy-transformers.doc_spans.v1"}
        getter = "spacy-transformers.strided_spans.v1"
        return {"@span_getters": getter, "window": self.spec["window"], "stride": self.spec["stride"]}

    def facts(self) -> dict[str, Any]:
        """See `PipelineRacer`."""
        return {"precision": "fp32", "window": self.spec["window"], "stride": self.spec["stride"]}
