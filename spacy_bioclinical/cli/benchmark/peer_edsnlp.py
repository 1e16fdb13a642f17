"""EDS-NLP as a contestant, run by the interpreter of an environment of its own: `PYTHON -I peer_edsnlp.py SPEC.json`.

Imports nothing of this project but the two files beside it that need the standard library only, and EDS-NLP itself
only when it is asked to load. It runs as it comes: its own batches, its accelerator's bf16 autocast unless fp32 is
asked for, padded windows inside.
"""

import importlib.util
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("edsnlp", "torch", "transformers", "spacy")
LABELS = ["AGE", "DATE", "DISEASE", "DRUG", "PERSON", "PLACE"]
PROBE = "No acute distress."


def sibling(name: str) -> Any:
    """Load a file beside this one, whose folder is not on the import path."""
    path = Path(__file__).with_name(f"{name}.py")
    found = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


class EdsNlpRacer:
    """`eds.transformer`, alone or with `eds.ner_crf`.

    spec (dict): "folder" of the encoder, "data" folder of the documents, "device", "precision", "window" and
        "stride" in pieces (null: the whole document), "head" (bool): whether to find entities.
    """

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.meter = sibling("memory").PeakMeter(spec["device"])
        self._docs: dict[str, list[Any]] = {}

    def load(self) -> dict[str, Any]:
        """Build the pipeline and run it once on a short text; see `protocol.Racer`."""
        import edsnlp
        import torch

        self.torch = torch
        torch.manual_seed(0)
        options: dict[str, Any] = {"model": str(self.spec["folder"])}
        # Two pieces of the context are [CLS] and [SEP].
        window = self.spec["window"] or self.spec["context"] - 2
        options |= {"window": window, "stride": self.spec["stride"] or window}
        self.nlp = edsnlp.blank("eds")
        if self.spec.get("head"):
            transformer = {"@factory": "eds.transformer", **options}
            config = {"embedding": transformer, "mode": "joint", "labels": LABELS}
            config |= {"target_span_getter": ["ents"], "span_setter": ["ents"]}
            self.nlp.add_pipe("eds.ner_crf", name="ner", config=config)
        else:
            self.nlp.add_pipe("eds.transformer", config=options)
        self._process([PROBE] if self.spec.get("head") else [self.nlp.make_doc(PROBE)])
        return {
            "precision": self.spec["precision"],
            "window": window,
            "stride": options["stride"],
            "threads": torch.get_num_threads(),
            "versions": {name: metadata.version(name) for name in PACKAGES},
        }

    def run(self, name: str) -> dict[str, Any]:
        """Process all documents; see `protocol.Racer`. RETURNS (dict): "entities" that were found."""
        return {"entities": self._process(self._documents(name))}

    def run_longest(self, name: str) -> None:
        """Process the longest document alone; see `protocol.Racer`."""
        self._process([max(self._documents(name), key=len)])

    def _documents(self, name: str) -> list[Any]:
        """Texts for whole pipelines; for the transformer alone, documents that are tokenised into words already."""
        if name not in self._docs:
            path = Path(self.spec["data"]) / f"{name}.json"
            texts = json.loads(path.read_text(encoding="utf8"))
            self._docs[name] = texts if self.spec.get("head") else [self.nlp.make_doc(text) for text in texts]
        return self._docs[name]

    def _process(self, documents: list[Any]) -> int:
        stream = self.nlp.pipe(documents)
        stream = stream.set_processing(autocast=self.spec["precision"] != "fp32", show_progress=False)
        n_entities = sum(len(doc.ents) for doc in stream)
        if self.spec["device"].startswith("cuda"):
            self.torch.cuda.synchronize()
        return n_entities


def main() -> None:
    """Serve the contestant named on the command line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    sibling("protocol").serve(lambda: EdsNlpRacer(spec))


if __name__ == "__main__":
    main()
