"""A contestant's process: `python -m spacy_bioclinical.cli.benchmark.worker SPEC.json`, then requests line by line."""

import json
import sys
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.benchmark.protocol import Racer, serve

KINDS = {
    "packed": ("encoders", "PackedRacer"),
    "transformers": ("encoders", "TransformersRacer"),
    "products": ("products", "ProductsRacer"),
    "component": ("components", "PackedComponentRacer"),
    "spacy-transformers": ("components", "SpacyTransformersRacer"),
    "pipeline": ("pipelines", "PackedPipelineRacer"),
    "spacy-transformers-pipeline": ("pipelines", "SpacyTransformersPipelineRacer"),
}


def build(spec: dict[str, Any]) -> Racer:
    """Make the contestant that a spec describes.

    spec (dict): "kind", a key of `KINDS`, and what that class reads.
    """
    from importlib import import_module

    module, name = KINDS[spec["kind"]]
    return getattr(import_module(f"spacy_bioclinical.cli.benchmark.racers.{module}"), name)(spec)


def main() -> None:
    """Serve the contestant named on the command line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    serve(lambda: build(spec))


if __name__ == "__main__":
    main()
