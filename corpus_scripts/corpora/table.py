"""The table of known corpora. To add one, add an entry to a file named here; a known format needs no code."""

from __future__ import annotations

from corpus_scripts.corpora.entry import Corpus
from corpus_scripts.corpora.generated import GENERATED
from corpus_scripts.corpora.i2b2 import I2B2
from corpus_scripts.corpora.mimic import MIMIC
from corpus_scripts.corpora.paper import PAPER
from corpus_scripts.corpora.public import PUBLIC
from spacy_bioclinical.errors import Errors

CORPORA: tuple[Corpus, ...] = (*PUBLIC, *PAPER, *I2B2, *MIMIC, *GENERATED)


def find_corpus(name: str) -> Corpus:
    """The corpus of a name.

    RAISES (ValueError): BC613, naming those that are known.
    """
    for corpus in CORPORA:
        if corpus.name == name:
            return corpus
    raise ValueError(Errors.BC613.format(name=name, known=", ".join(corpus.name for corpus in CORPORA)))
