"""The stand-ins by name: how many records they have by default and in the paper, and who writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.synthetic.standin import (
    chemprot_blue,
    cos,
    phenotype_mimic,
    physionet_deid,
    social_history,
)
from corpus_scripts.synthetic.standin.difficulty import Difficulty
from corpus_scripts.synthetic.standin.place import place
from spacy_bioclinical.errors import Errors

DEFAULT_SIZE = 400
# Below this a part might lack a class.
SMALLEST = 40


class StandIn(NamedTuple):
    """One stand-in.

    unit (str): What a record is.
    paper (int): Records of the real corpus.
    make_files (Callable): (size, seed, difficulty) → name of each file and its text in pieces.
    """

    unit: str
    paper: int
    make_files: Callable[[int, int, Difficulty], Mapping[str, Iterable[str]]]


STAND_INS = {
    "phenotype_mimic": StandIn("notes", 2_270, phenotype_mimic.make_files),
    "chemprot_blue": StandIn("sentences", sum(chemprot_blue.PAPER.values()), chemprot_blue.make_files),
    "physionet_deid": StandIn("notes", 2_434, physionet_deid.make_files),
    "cos": StandIn("snippets", 1_008, cos.make_files),
    "social_history": StandIn("sections", 364, social_history.make_files),
}


def write_stand_in(name: str, folder: Path, *, size: str = "", seed: int = 0, difficulty: float = 0.3) -> int:
    """Write a stand-in in the files of its original.

    name (str): One of STAND_INS.
    folder (Path): Files of an earlier run are replaced or removed; those of anybody else are never touched.
    size (str): Number of records, "paper" for that of the real corpus, "" for a small number.
    seed (int): Another seed, other records.
    difficulty (float): 0 (easy) to 1; see difficulty.py.
    RETURNS (int): Number of records.
    RAISES (ValueError): BC622 for an unknown name or size, BC670 out of range, BC671 a file that is not ours.
    """
    if name not in STAND_INS:
        raise ValueError(Errors.BC622.format(option="NAME", value=name, expected=" or ".join(STAND_INS)))
    stand_in = STAND_INS[name]
    if size == "paper":
        records = stand_in.paper
    elif not size:
        records = min(DEFAULT_SIZE, stand_in.paper)
    elif size.isdecimal():
        records = int(size)
    else:
        raise ValueError(Errors.BC622.format(option="--size", value=size, expected="a number or paper"))
    if not SMALLEST <= records <= 1_000_000:
        raise ValueError(Errors.BC670.format(what="--size", value=records, range=f"{SMALLEST} to 1000000"))
    files = stand_in.make_files(records, seed, Difficulty(difficulty))
    place(folder, files, {"stand_in": name, "size": records, "seed": seed, "difficulty": difficulty})
    return records
