"""Lists of medical terms as n-grams of piece ids, found in packed rows: what term-aware masking hides more often.

A list comes from a text file (one term a line) or a column of a table of codes or drugs. Each term is kept in
the spellings of running text (as written, lower case, capitalised, upper case; behind a space or not), cut
into pieces by the tokenizer itself. The n-grams form a trie of three arrays that numpy walks for all words of
a row at once: several million pieces a second on one core.
"""

import csv
import gzip
import hashlib
import lzma
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

COLUMNS = ("term", "name", "description", "desc", "long_title", "short_title", "drug", "text")
MOST_WORDS = 6  # longer phrases of code tables are never met in a note
LEAST_LETTERS = 3
_BREAKS = re.compile(
    r"\s*(?:[,;:()\[\]]|\b(?:due to|secondary to|associated with|with(?:out)?|and|or|in|into|by|for|of|to|from|at|on"
    r"|over|under|than)\b)\s*",
    re.IGNORECASE,
)
# Words of code tables that name nothing by themselves.
_EMPTY = re.compile(
    r"a|an|the|other|others|unspecified|specified|elsewhere|classified|not|nec|nos|initial"
    r"|subsequent|encounter|sequela|left|right|bilateral|type|site|sites|part|parts|level|use"
    r"|history|status|disease|diseases|disorder|disorders|acute|chronic|first|second|third|single"
    r"|multiple|mild|moderate|severe|day|days|week|weeks|old|new|all|any|patient|patients|adult"
    r"|during|this|that|which|who|person|persons|unknown|open|closed|upper|lower|side"
    r"|used|time|place|end|further|attention|present|including|more|less|than|none|one|two|three|small|large|size|out"
    r"|minutes|total|clear|general|portion|increased|decreased|difficulty|evidence",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, eq=False)
class TermList:
    """A trie over piece ids. Node 0 is the root.

    vocab_size (int): V. roots (np.ndarray): int32 (V,), child of the root by id, -1 for none.
    edges (np.ndarray): int64 (E,), ascending, node * V + id of all other edges; children: int32 (E,), where
        they lead. is_end (np.ndarray): bool (N,), nodes at which a term ends. depth (int): longest term, pieces.
    """

    vocab_size: int
    roots: np.ndarray
    edges: np.ndarray
    children: np.ndarray
    is_end: np.ndarray
    depth: int

    @classmethod
    def of_ngrams(cls, ngrams: Iterable[tuple[int, ...]], vocab_size: int) -> "TermList":
        """Build the trie; empty n-grams are passed over."""
        roots = np.full(vocab_size, -1, dtype=np.int32)
        edges: dict[int, int] = {}
        is_end, depth = [False], 0
        for ngram in sorted(set(ngrams)):
            node = 0
            for place, index in enumerate(ngram):
                child = int(roots[index]) if place == 0 else edges.get(node * vocab_size + index, -1)
                if child < 0:
                    child = len(is_end)
                    is_end.append(False)
                    if place == 0:
                        roots[index] = child
                    else:
                        edges[node * vocab_size + index] = child
                node = child
            is_end[node] = node > 0
            depth = max(depth, len(ngram))
        keys = np.array(sorted(edges), dtype=np.int64)
        children = np.array([edges[key] for key in keys.tolist()], dtype=np.int32)
        return cls(vocab_size, roots, keys, children, np.array(is_end), depth)

    @classmethod
    def of_terms(cls, terms: Iterable[str], tokenizer: PieceTokenizer) -> "TermList":
        """Build the trie of terms in all spellings of running text. RAISES (ValueError): BC746 without any."""
        spellings = {
            lead + spelling
            for term in map(str.strip, terms)
            if term
            for spelling in (term, term.lower(), term.capitalize(), term.upper())
            for lead in ("", " ")
        }
        if not spellings:
            raise ValueError(Errors.BC746.format(what="the list", why="it holds no term"))
        ngrams = (tuple(pieces.ids.tolist()) for pieces in tokenizer.encode(sorted(spellings)))
        return cls.of_ngrams((ngram for ngram in ngrams if ngram), tokenizer.vocab_size)

    def __len__(self) -> int:
        """Number of different n-grams."""
        return int(self.is_end.sum())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the n-grams: equal means that the same terms are found."""
        parts = (self.roots, self.edges, self.children, self.is_end)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def matches(self, ids: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the longest term at each word.

        ids (np.ndarray): int64 (T,), a packed row. starts (np.ndarray): bool (T,), pieces that begin a word. A
            term begins at one and ends before one, or with the row.
        RETURNS (tuple): first piece and end (exclusive) of each match, int64 (M,), ascending; they may overlap.
        """
        is_bound = np.append(starts, True)
        begins = np.flatnonzero(starts)
        nodes = self.roots[ids[begins]]
        position, nodes = begins[nodes >= 0], nodes[nodes >= 0]
        ends = np.zeros(len(ids), dtype=np.int64)
        for length in range(1, self.depth + 1):
            after = position + length
            found = self.is_end[nodes] & is_bound[after]
            ends[position[found]] = after[found]
            inside = after < len(ids)
            position, nodes, after = position[inside], nodes[inside], after[inside]
            if not len(position) or not len(self.edges):
                break
            keys = nodes.astype(np.int64) * self.vocab_size + ids[after]
            place = np.minimum(np.searchsorted(self.edges, keys), len(self.edges) - 1)
            known = self.edges[place] == keys
            position, nodes = position[known], self.children[place[known]]
        first = np.flatnonzero(ends)
        return first, ends[first]

    def units(self, ids: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Join the words of terms, so that a term is hidden as a whole.

        RETURNS (tuple): pieces that begin a unit (a word outside terms, or a term; overlapping terms are one),
            and pieces of terms, both bool (T,).
        """
        first, ends = self.matches(ids, starts)
        size = len(ids) + 1
        covered = np.bincount(first, minlength=size) - np.bincount(ends, minlength=size)
        crossed = np.bincount(first + 1, minlength=size) - np.bincount(ends, minlength=size)
        is_crossed = np.cumsum(crossed)[: len(ids)] > 0
        return starts & ~is_crossed, np.cumsum(covered)[: len(ids)] > 0


def read_terms(path: Path, column: str | None = None) -> list[str]:
    """Read the terms of a list or table, each once, in order.

    path (Path): .txt (one term a line, "#" begins a comment), .csv or .tsv, also .gz or .xz. Descriptions of
        tables are cut into their phrases, see `phrases`.
    column (str | None): the column of a table; left out, the first known one (term, name, description, …).
    RAISES (ValueError): BC746 if the file cannot be used.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix in (".txt", ".csv", ".tsv")), None)
    if kind is None:
        raise ValueError(Errors.BC746.format(what=path, why="its name does not end in .txt, .csv or .tsv"))
    try:
        with _open(path) as file:
            if kind == ".txt":
                lines = (line.strip() for line in file)
                found = list(dict.fromkeys(line for line in lines if line and line[0] != "#"))
            else:
                table = csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",")
                header = {name.strip().lower(): name for name in table.fieldnames or ()}
                wanted = [column.lower()] if column else COLUMNS
                name = next((header[known] for known in wanted if known in header), None)
                if name is None:
                    why = f"it has no column {column or 'of a known name'} among its {len(header)}"
                    raise ValueError(Errors.BC746.format(what=path, why=why))
                cells = (row[name] or "" for row in table)
                found = list(dict.fromkeys(chain.from_iterable(phrases(cell) for cell in cells)))
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, csv.Error) as error:
        raise ValueError(Errors.BC746.format(what=path, why=type(error).__name__)) from error
    if not found:
        raise ValueError(Errors.BC746.format(what=path, why="it holds no term"))
    return found


def phrases(description: str) -> Iterator[str]:
    """Yield the phrases of a code's description that a note may hold, in lower case.

    Cut at punctuation and joining words; without empty words ("other", "unspecified", "left") at their ends;
    of one to six words. Abbreviations in capitals stay.
    """
    for part in _BREAKS.split(description):
        words = part.split()
        while words and _is_empty(words[0]):
            words.pop(0)
        while words and _is_empty(words[-1]):
            words.pop()
        phrase = " ".join(word if word.isupper() else word.lower() for word in words)
        if 0 < len(words) <= MOST_WORDS and len(_LETTERS.findall(phrase)) >= LEAST_LETTERS:
            yield phrase


def _is_empty(word: str) -> bool:
    return bool(_EMPTY.fullmatch(word)) or not _LETTERS.search(word)


def _open(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    if path.suffix.lower() == ".xz":
        return lzma.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
