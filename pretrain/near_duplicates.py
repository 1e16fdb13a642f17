"""Find documents that are nearly the same, so that nothing is learnt many times over or held out and learnt.

MinHash of word 5-grams (Broder 1997) with 128 values from 64-bit hashes, candidates by locality-sensitive
hashing in bands; the similarity of a candidate is estimated from all values (standard error 0.035 at 0.8).
Streaming: 512 bytes of signature and some 2 kB of index are kept for a document, never its text. Documents of
fewer than 20 words are alike by chance: they count as duplicates only if all their words are equal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import numpy as np

from spacy_bioclinical.errors import Errors

N_VALUES = 128
SHINGLE = 5  # words
LEAST_WORDS = 20
THRESHOLD = 0.8
MOST_IN_BUCKET = 16  # of a template's thousands, so many are compared with
_CHUNK = 512  # shingles hashed at once: 0.5 MB
_LEAST_FOUND = 0.94  # of pairs exactly at the threshold
_WORD = re.compile(r"\w+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_RANDOM = np.random.Generator(np.random.PCG64DXSM(0))
_MULTIPLIERS = _RANDOM.integers(0, 2**63, N_VALUES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_ADDENDS = _RANDOM.integers(0, 2**63, N_VALUES, dtype=np.uint64)


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a document: a hash of its words, and the MinHash signature, uint32 (N_VALUES,), or None."""

    words: int
    signature: np.ndarray | None


def fingerprint(text: str) -> Fingerprint:
    """Take the fingerprint of a text; case, white space and punctuation do not count."""
    words = _WORD.findall(text.casefold())
    joined = " ".join(words).encode("utf8", "surrogatepass")
    digest = int.from_bytes(blake2b(joined, digest_size=8).digest(), "big")
    return Fingerprint(digest, _signature(words) if len(words) >= LEAST_WORDS else None)


class NearDuplicates:
    """Find near duplicates among documents added one by one, numbered from 0 as they are added.

    threshold (float): least Jaccard similarity of two documents' 5-grams, above 0 and at most 1.
    is_linking (bool): False keeps the first of each group of like documents: a duplicate gets no number.
        True numbers every document, and groups those that are linked by any chain of likeness.
    RAISES (ValueError): BC741 for a threshold out of range.
    """

    def __init__(self, threshold: float = THRESHOLD, *, is_linking: bool = False):
        if not 0 < threshold <= 1:
            message = Errors.BC741.format(
                what="The threshold of near duplicates", value=threshold, range="above 0, at most 1"
            )
            raise ValueError(message)
        self.threshold, self.is_linking = threshold, is_linking
        self.n_rows = rows_for(threshold)
        self.exact = self.near = 0  # duplicates found
        self._parents: list[int] = []
        self._by_words: dict[int, int] = {}
        self._buckets: dict[int, list[int]] = {}
        self._signatures = np.empty((1024, N_VALUES), dtype=np.uint32)
        self._places: dict[int, int] = {}  # row in _signatures of each document that has one

    def __len__(self) -> int:
        return len(self._parents)

    def add(self, document: Fingerprint) -> int | None:
        """Add a document; return the number of the first one it duplicates, or None if there is none."""
        same = self._by_words.get(document.words)
        if same is not None:
            self.exact += 1
            if self.is_linking:
                # Whatever it is like, the document with the same words is like too.
                self._parents.append(self._root(same))
            return same
        keys: list[int] = []
        like: list[int] = []
        if document.signature is not None:
            keys = band_keys(document.signature, self.n_rows)
            like = self._like(document.signature, keys)
        self.near += bool(like)
        if like and not self.is_linking:
            return like[0]
        number = len(self._parents)
        self._parents.append(number)
        self._by_words[document.words] = number
        for other in like:
            roots = sorted((self._root(other), self._root(number)))
            self._parents[roots[1]] = roots[0]
        if document.signature is not None:
            self._keep(number, document.signature, keys)
        return like[0] if like else None

    def pass_over(self) -> None:
        """Number a document that is like no other, whatever its words."""
        self._parents.append(len(self._parents))

    def groups(self) -> np.ndarray:
        """Return the first document of each one's group, int32 (n_documents,)."""
        return np.array([self._root(number) for number in range(len(self._parents))], dtype=np.int32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all that was added, for `going_on`; 512 bytes a document, and no text.

        RETURNS (dict): parents, int32 (n_documents,); words, uint64, and words_of, int32, of the first of each
            text; signatures, uint32 (n, N_VALUES), and signatures_of, int32 (n,), document of each; found,
            int64 (2,), exact and near duplicates.
        """
        n_words, n_places = len(self._by_words), len(self._places)
        return {
            "parents": np.array(self._parents, dtype=np.int32),
            "words": np.fromiter(self._by_words.keys(), dtype=np.uint64, count=n_words),
            "words_of": np.fromiter(self._by_words.values(), dtype=np.int32, count=n_words),
            "signatures": self._signatures[:n_places],
            "signatures_of": np.fromiter(self._places.keys(), dtype=np.int32, count=n_places),
            "found": np.array([self.exact, self.near], dtype=np.int64),
        }

    def going_on(self, arrays: Mapping[str, np.ndarray]) -> "NearDuplicates":
        """Return one of the same settings that has had added what `to_arrays` of another returned."""
        new = NearDuplicates(self.threshold, is_linking=self.is_linking)
        new._parents = arrays["parents"].tolist()
        new._by_words = dict(zip(arrays["words"].tolist(), arrays["words_of"].tolist(), strict=True))
        new.exact, new.near = arrays["found"].tolist()
        signatures, numbers = arrays["signatures"], arrays["signatures_of"].tolist()
        for start in range(0, len(signatures), _CHUNK):
            for place, keys in enumerate(_band_keys(signatures[start : start + _CHUNK], new.n_rows), start):
                new._index(numbers[place], keys.tolist())
        new._places = {number: place for place, number in enumerate(numbers)}
        if len(signatures):
            new._signatures = signatures
        return new

    def _like(self, signature: np.ndarray, keys: list[int]) -> list[int]:
        candidates = sorted({other for key in keys for other in self._buckets.get(key, ())})
        if not candidates:
            return []
        rows = self._signatures[[self._places[other] for other in candidates]]
        similarities = (rows == signature).mean(axis=1)
        return [other for other, value in zip(candidates, similarities) if value >= self.threshold]

    def _keep(self, number: int, signature: np.ndarray, keys: list[int]) -> None:
        place = len(self._places)
        if place == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
        self._signatures[place] = signature
        self._places[number] = place
        self._index(number, keys)

    def _index(self, number: int, keys: list[int]) -> None:
        for key in keys:
            bucket = self._buckets.setdefault(key, [])
            if len(bucket) < MOST_IN_BUCKET:
                bucket.append(number)

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number


def rows_for(threshold: float) -> int:
    """Return the rows of a band: the most with which 94 % of pairs at the threshold share a band.

    A pair of similarity t shares one of b bands of r rows with probability 1 - (1 - t^r)^b.
    """
    for n_rows in (32, 16, 8, 4, 2):
        if 1 - (1 - threshold**n_rows) ** (N_VALUES // n_rows) >= _LEAST_FOUND:
            return n_rows
    return 1


def band_keys(signature: np.ndarray, n_rows: int) -> list[int]:
    """Hash each band of a signature, and its place, to 64 bits."""
    return _band_keys(signature[None], n_rows)[0].tolist()


def _band_keys(signatures: np.ndarray, n_rows: int) -> np.ndarray:
    """Hash the bands of some signatures, uint32 (n, N_VALUES), to uint64 (n, n_bands)."""
    bands = signatures.reshape(len(signatures), -1, n_rows).astype(np.uint64)
    keys = np.arange(1, bands.shape[1] + 1, dtype=np.uint64)[None]
    for row in range(n_rows):
        keys = _scatter(keys * _FACTOR + bands[:, :, row])
    return keys


def _signature(words: list[str]) -> np.ndarray:
    """Return the upper half of the least 64-bit hash of the 5-grams under each of the permutations."""
    hashes = np.fromiter((crc32(word.encode("utf8", "surrogatepass")) for word in words), dtype=np.uint64)
    grams = np.zeros(len(hashes) - SHINGLE + 1, dtype=np.uint64)
    for start in range(SHINGLE):
        grams = grams * _FACTOR + hashes[start : start + len(grams)]
    grams = np.unique(_scatter(grams))
    least = np.full(N_VALUES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(grams), _CHUNK):
        mixed = grams[None, start : start + _CHUNK] * _MULTIPLIERS[:, None] + _ADDENDS[:, None]
        np.minimum(least, mixed.min(axis=1), out=least)
    return (least >> np.uint64(32)).astype(np.uint32)


def _scatter(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values evenly (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
