"""The paper's loaders as they are, faults included, so that results can stand beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from corpus_scripts.corpora.published.chemprot import read_chemprot
from corpus_scripts.corpora.published.cos import read_cos
from corpus_scripts.corpora.published.deid import read_deid
from corpus_scripts.corpora.published.phenotype import read_phenotype
from corpus_scripts.corpora.published.social_history import read_social_history
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally

# Name in the table of corpora → loader.
PUBLISHED: Mapping[str, Callable[[Path, Tally], Iterator[Record]]] = {
    "phenotype": read_phenotype,
    "chemprot": read_chemprot,
    "deid": read_deid,
    "cos": read_cos,
    "social_history": read_social_history,
}
