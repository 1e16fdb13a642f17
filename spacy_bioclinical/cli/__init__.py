"""The commands `python -m spacy bioclinical …`. Light: spaCy imports it on each command line."""

from spacy_bioclinical.cli import (
    compose,
    cut,
    evaluate,
    info,
    install,
    outputs,
    package,
    scaling,
    speed,
    summary,
    train,
    wheel,
)
from spacy_bioclinical.cli._app import bioclinical

__all__ = [
    "bioclinical",
    "compose",
    "cut",
    "evaluate",
    "info",
    "install",
    "outputs",
    "package",
    "scaling",
    "speed",
    "summary",
    "train",
    "wheel",
]
