"""Invented people and places, other ones for train, dev and test: remembering them earns no score.

A name or place belongs to the part its checksum says; nothing but the words around it (Dr., Hospital, Street)
is shared.
"""

from __future__ import annotations

import hashlib
from functools import cache
from random import Random

_FIRST = (
    "Abigail Adrian Agnes Albert Alma Amos Anita Arlo Audrey Basil Beatrice Bernard Blanche Bruno Calvin "
    "Camille Carl Cecilia Chester Clara Clement Cora Curtis Dahlia Daniel Daphne Delia Desmond Dora Edgar "
    "Edith Elias Elena Emmett Enid Ernest Esther Eugene Fay Felix Fiona Floyd Frances Gideon Gloria "
    "Gordon Greta Gustav Harriet Hector Helena Herman Hilda Hugo Ida Ignatius Imogen Irene Isaac Ivy "
    "Jasper Joan Josef Judith Julius June Karim Keiko Lars Laura Leon Lillian Linus Lorena Lucius Mabel "
    "Malik Marcus Marion Martha Matilda Maurice Milan Miriam Moses Muriel Nadia Nathan Nell Nico Nora "
    "Octavia Olga Omar Oscar Pablo Paula Percy Petra Philippa Quentin Rachel Ramon Regina Rex Rita Roland "
    "Rosa Rufus Ruth Salma Samuel Selma Silas Simone Stella Sven Tamara Theo Thora Tobias Uma Ursula Vera "
    "Victor Viola Walter Wanda Wilfred Winona Xavier Yara Yusuf Zelda Zora"
)
_NAME_HEADS = (
    "Ander Bal Bern Black Bran Bren Carl Castel Col Cran Dal Del Dor Dun Eber Ell Fair Farn Fin Gar Gold "
    "Grim Hal Har Hart Hel Hol Ing Jar Kel Kin Kir Lang Lind Lor Mal Mar Mer Mor Nor Ol Os Pel Pem Quin "
    "Rad Ras Rin Rock San Sel Sher Sol Stan Tal Tam Tor Ul Van Ver Wal War Wen Whit Win Yar Zim"
)
_NAME_TAILS = (
    "aker berg bury court dane der dick enson erman ers feld gard hart ick ings kins lock man mund ner "
    "ovic owitz quist rick sen stein strom ter vale well win zak"
)
_PLACE_HEADS = (
    "Alder Amber Apple Arrow Ash Bay Beaver Birch Bridge Bright Cedar Chest Clear Cliff Clover Copper "
    "Crow Deer Eagle East Elm Falcon Fern Flint Fox Glen Granite Gray Green Haven Hawk Hazel Heron High "
    "Juniper Lake Laurel Maple Meadow Mill North Oak Orchard Otter Pine Raven Red Ridge River Rose Sage "
    "Shore Silver South Spring Stone Summer Sun Thorn Timber Valley Walnut West Willow Winter Wolf"
)
_PLACE_TAILS = (
    "boro borough brook burg dale field ford gate grove ham haven hollow hurst mere mont mouth point port "
    "ridge side stead ton view ville water wick wood"
)

_HOSPITALS = (
    "{} General Hospital", "{} Medical Center", "{} Memorial Hospital", "St. {} Hospital",
    "{} Community Hospital",
)  # fmt: skip
_FACILITIES = ("{} Clinic", "{} Rehabilitation Center", "{} Nursing Home", "{} Manor", "{} Family Practice")

PARTS = ("train", "dev", "test")
# Of 20 checksum values: 14 for train, 3 for dev, 3 for test.
_SHARES = (14, 17, 20)


def part_of(word: str) -> str:
    """Which part an invented word belongs to; the same on every machine."""
    value = hashlib.sha256(word.lower().encode()).digest()[0] % _SHARES[-1]
    return next(part for part, limit in zip(PARTS, _SHARES) if value < limit)


@cache
def pool(kind: str, part: str) -> tuple[str, ...]:
    """All words of a kind that belong to a part.

    kind (str): "first", "last" or "place".
    part (str): "train", "dev" or "test".
    RETURNS (tuple): Sorted words.
    """
    if kind == "first":
        words = set(_FIRST.split())
    else:
        heads, tails = (_NAME_HEADS, _NAME_TAILS) if kind == "last" else (_PLACE_HEADS, _PLACE_TAILS)
        words = {head + tail for head in heads.split() for tail in tails.split() if head.lower() != tail}
    return tuple(sorted(word for word in words if part_of(word) == part))


class Identity:
    """The people and places of one note: the same patient, doctor and hospital throughout."""

    def __init__(self, rng: Random, part: str) -> None:
        self._rng = rng
        self._part = part
        self.first, self.last = self.word("first"), self.word("last")
        self.doctor_first, self.doctor_last = self.word("first"), self.word("last")
        self.hospital = self.make_place(_HOSPITALS)
        self.town = self.word("place")
        self.female = rng.random() < 0.5
        self.age = rng.randint(19, 97)
        self.year = rng.randint(1996, 2024)
        self.month = rng.randint(1, 12)
        self.day = rng.randint(1, 24)
        self.record = str(rng.randint(1_000_000, 9_999_999))

    def word(self, kind: str) -> str:
        """Any word of a kind that this part may use."""
        return self._rng.choice(pool(kind, self._part))

    def make_facility(self) -> str:
        """The name of a hospital, clinic or home."""
        return self.make_place(_HOSPITALS + _FACILITIES)

    def make_place(self, kinds: tuple[str, ...]) -> str:
        """A name of one of some kinds."""
        kind = self._rng.choice(kinds)
        return kind.format(self.word("first" if kind.startswith("St.") else "place"))
