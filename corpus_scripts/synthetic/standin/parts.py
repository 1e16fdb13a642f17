"""Where the published splits send each record of a stand-in, so that what is held out is held out from train.

The splits are by position (a permutation of seed 42), so the parts of a stand-in depend on its size.
"""

from __future__ import annotations

from corpus_scripts.corpora.published.splits import PublishedSplit


def parts_by_position(split: PublishedSplit, size: int, name: str) -> list[str]:
    """The part of each position.

    split (PublishedSplit): The paper's.
    size (int): Number of records.
    name (str): Of the stand-in, for the message.
    RETURNS (list[str]): "train", "dev" or "test", one per position.
    RAISES (ValueError): BC643 if there are too few records for three parts.
    """
    parts = ["train"] * size
    for part, positions in split.indices(size, name=name).items():
        for position in positions:
            parts[position] = part
    return parts
