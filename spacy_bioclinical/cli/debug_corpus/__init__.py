"""The command `python -m spacy bioclinical debug-corpus`: labels, lengths, leakage and contradictions of a corpus."""

from spacy_bioclinical.cli.debug_corpus.command import debug_corpus_cli

__all__ = ["debug_corpus_cli"]
