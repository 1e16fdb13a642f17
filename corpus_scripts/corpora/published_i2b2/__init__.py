"""The i2b2 corpora as clinicalBERT's scripts read them (Alsentzer et al. 2019), faults included: one record a line.

Their files of tokens and tags were read as sentences. Their splits of 2010, 2012 and 2014 hang on the order of Python
sets or on an unseeded draw and cannot be had again: documents are drawn by checksum instead. That of 2006 can.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from corpus_scripts.corpora.published_i2b2.concepts import read_2010
from corpus_scripts.corpora.published_i2b2.inline import read_2006
from corpus_scripts.corpora.published_i2b2.offsets import read_2012, read_2014
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally

# Name of the corpus → its published reader. That of 2006 gives all lines of a file; see its argument ``part``.
PUBLISHED_I2B2: Mapping[str, Callable[[Path, Tally], Iterator[Record]]] = {
    "i2b2_2006": read_2006,
    "i2b2_2010": read_2010,
    "i2b2_2012": read_2012,
    "i2b2_2014": read_2014,
}
# Corpora whose published split can be had again: dev lies in the file of train, and the reader takes ``part``.
PUBLISHED_BY_PART: Mapping[str, Callable[..., Iterator[Record]]] = {"i2b2_2006": read_2006}

__all__ = ["PUBLISHED_BY_PART", "PUBLISHED_I2B2", "read_2006", "read_2010", "read_2012", "read_2014"]
