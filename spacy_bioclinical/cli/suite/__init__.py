"""The command `python -m spacy bioclinical evaluate-suite`: tasks × encoders × recipes × seeds, trained and scored."""

from spacy_bioclinical.cli.suite.command import evaluate_suite_cli

__all__ = ["evaluate_suite_cli"]
