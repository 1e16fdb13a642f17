"""Known corpora: what they are, where they come from, under which terms, how their files lie."""

from corpus_scripts.corpora.read import Part, read_corpus
from corpus_scripts.corpora.table import CORPORA, Corpus, find_corpus

__all__ = ["CORPORA", "Corpus", "Part", "find_corpus", "read_corpus"]
