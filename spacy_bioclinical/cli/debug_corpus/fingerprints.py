"""Find documents that occur twice, in one file or in several: leakage between train and test.

Four levels, the closest counts: the same text; the same words (case and white space aside); the same but for numbers;
nearly the same (Jaccard similarity of word 5-grams, estimated by MinHash with 128 values: standard error 0.035 at 0.8;
Broder 1997). Candidates come from locality-sensitive hashing, 16 bands of 8 rows, so that time does not grow with the
square of the corpus. Kept for each document: three hashes and 512 bytes, never its text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

LEVELS = ("exact", "same words", "but for numbers", "near")
N_VALUES, N_BANDS = 128, 16
SHINGLE = 5  # words
LEAST_WORDS = 20  # shorter documents are alike by chance: "No acute distress."
MOST_IN_BUCKET = 16  # of a template's thousands, so many of each file are compared with all
CHUNK = 2048  # shingles hashed at once: 1 MB
_NUMBER = re.compile(r"\d+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Pair:
    """Two documents that are alike, by their numbers in the order read; `first` was read before `second`."""

    first: int
    second: int
    level: str
    similarity: float = 1.0


@dataclass
class Fingerprints:
    """What is kept of the documents to compare them. Fill with `add`, then ask for `pairs`."""

    files: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    hashes: list[tuple[int, int, int]] = field(default_factory=list)
    signatures: list[NDArray | None] = field(default_factory=list)

    def add(self, file: int, name: str, text: str) -> tuple[int, int]:
        """Remember one document.

        file (int): number of its file.
        name (str): its id.
        text (str): hashed, not kept.
        RETURNS (tuple[int, int]): its number, and the hash of its words.
        """
        words = text.casefold().split()
        joined = " ".join(words)
        masked = _NUMBER.sub("#", joined)
        hashes = (hash_text(text), hash_text(joined), hash_text(masked))
        self.files.append(file)
        self.ids.append(name)
        self.hashes.append(hashes)
        self.signatures.append(_signature(masked.split()) if len(words) >= LEAST_WORDS else None)
        return len(self.files) - 1, hashes[1]

    def pairs(self, threshold: float) -> list[Pair]:
        """Find, for each document and each file, the document there that is most like it.

        threshold (float): least similarity of near duplicates.
        RETURNS (list[Pair]): within a file each later copy with its first; between two files each document of the one
            with its closest in the other. A pair is named once, at its closest level.
        """
        found: dict[tuple[int, int], Pair] = {}
        for number, level in enumerate(LEVELS[:3]):
            groups = defaultdict(list)
            for document, hashes in enumerate(self.hashes):
                if self.signatures[document] is not None or number < 2:
                    groups[hashes[number]].append(document)
            for group in groups.values():
                if len(group) > 1:
                    for first, second in self._closest(group):
                        found.setdefault((first, second), Pair(first, second, level))
        matched = {(self.files[first], second) for first, second in found}
        matched |= {(self.files[second], first) for first, second in found}
        best: dict[tuple[int, int], Pair] = {}
        copies_of = defaultdict(list)
        for document, hashes in enumerate(self.hashes):
            if self.signatures[document] is not None:
                copies_of[self.files[document], hashes[2]].append(document)
        for pair in self._near(threshold, [group[0] for group in copies_of.values()]):
            for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
                is_first_copy = self.files[here] == self.files[there] and here < there
                key = (self.files[there], here)
                if is_first_copy or key in matched:
                    continue
                if key not in best or pair.similarity > best[key].similarity:
                    best[key] = pair
        for (file, here), pair in best.items():
            there = pair.second if here == pair.first else pair.first
            # What holds for a document holds for its copies in the same file, seen from other files.
            copies = copies_of[self.files[here], self.hashes[here][2]] if file != self.files[here] else [here]
            for copy in copies:
                if (file, copy) not in matched:
                    first, second = min(there, copy), max(there, copy)
                    found.setdefault((first, second), Pair(first, second, pair.level, pair.similarity))
        return sorted(found.values(), key=lambda pair: (pair.first, pair.second))

    def _closest(self, group: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pair the documents of one group, all alike: each with the first of its own and of each other file."""
        firsts: dict[int, int] = {}
        for document in group:
            firsts.setdefault(self.files[document], document)
        for document in group:
            for first in firsts.values():
                if first != document:
                    yield min(first, document), max(first, document)

    def _near(self, threshold: float, documents: list[int]) -> Iterator[Pair]:
        """Near duplicates among some documents, from buckets of those that share a band of their signatures."""
        if not documents:
            return
        matrix = np.stack([signature for d in documents if (signature := self.signatures[d]) is not None])
        seen: set[tuple[int, int]] = set()
        for band in np.split(matrix, N_BANDS, axis=1):
            keys = np.ascontiguousarray(band).view(f"V{band.shape[1] * band.itemsize}").ravel()
            _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
            order = np.argsort(inverse, kind="stable")
            starts = np.cumsum(counts) - counts
            for bucket in np.flatnonzero(counts > 1).tolist():
                rows = order[starts[bucket] : starts[bucket] + counts[bucket]]
                for pair in self._bucket_pairs(rows.tolist(), documents):
                    if pair in seen:
                        continue
                    seen.add(pair)
                    similarity = float(np.mean(matrix[pair[0]] == matrix[pair[1]]))
                    if similarity >= threshold:
                        yield Pair(documents[pair[0]], documents[pair[1]], LEVELS[3], round(similarity, 3))

    def _bucket_pairs(self, rows: list[int], documents: list[int]) -> Iterator[tuple[int, int]]:
        """Compare the first rows of each file with all: everything in a small bucket, a line in a large one."""
        taken: Counter[int] = Counter()
        chosen = []
        for row in rows:
            file = self.files[documents[row]]
            taken[file] += 1
            if taken[file] <= MOST_IN_BUCKET:
                chosen.append(row)
        for first in chosen:
            yield from ((min(first, row), max(first, row)) for row in rows if row != first)


def hash_text(text: str) -> int:
    """Hash a text to 64 bits, the same on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _signature(words: Sequence[str]) -> NDArray:
    """MinHash of word 5-grams.

    words (Sequence[str]): at least `SHINGLE`.
    RETURNS (NDArray): uint32 (N_VALUES,).
    """
    hashes = np.fromiter((crc32(word.encode("utf-8", "surrogatepass")) for word in words), dtype=np.uint64)
    grams = np.zeros(len(hashes) - SHINGLE + 1, dtype=np.uint64)
    for start in range(SHINGLE):
        grams = grams * _FACTOR + hashes[start : start + len(grams)]
    grams = (_scatter(grams) >> np.uint64(32)).astype(np.uint32)
    least = np.full(N_VALUES, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(grams), CHUNK):
        mixed = grams[None, start : start + CHUNK] * _MULTIPLIERS[:, None] + _ADDENDS[:, None]
        least = np.minimum(least, mixed.min(axis=1))
    return least


def _scatter(values: NDArray) -> NDArray:
    """Spread 64-bit values evenly (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_RANDOM = np.random.default_rng(0)
_MULTIPLIERS = _RANDOM.integers(0, 2**31, N_VALUES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_ADDENDS = _RANDOM.integers(0, 2**32, N_VALUES, dtype=np.uint32)
