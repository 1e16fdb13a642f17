"""`python -m spacy bioclinical benchmark …`: speed, pipelines, cost of length and precision, beside the peers."""

from spacy_bioclinical.cli.benchmark import length, pipeline, precision, speed
from spacy_bioclinical.cli.benchmark._app import benchmark

__all__ = ["benchmark", "length", "pipeline", "precision", "speed"]
