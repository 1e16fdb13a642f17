"""The commands `python -m spacy bioclinical …`. Light: spaCy imports it on each command line."""

from spacy_bioclinical.cli import (
    benchmark,
    compose,
    convert_weights,
    cut,
    debug_corpus,
    encoders,
    evaluate,
    fetch,
    info,
    install,
    outputs,
    package,
    speed,
    summary,
    train,
    wheel,
)
from spacy_bioclinical.cli._app import bioclinical

__all__ = [
    "benchmark",
    "bioclinical",
    "compose",
    "convert_weights",
    "cut",
    "debug_corpus",
    "encoders",
    "evaluate",
    "fetch",
    "info",
    "install",
    "outputs",
    "package",
    "speed",
    "summary",
    "train",
    "wheel",
]
