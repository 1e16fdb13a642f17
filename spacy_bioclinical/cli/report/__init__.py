"""The command `python -m spacy bioclinical report`: one HTML page and Markdown of what was measured."""

from spacy_bioclinical.cli.report.command import report_cli

__all__ = ["report_cli"]
