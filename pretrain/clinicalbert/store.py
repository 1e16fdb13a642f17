"""Notes cut into sentences and tokenised, made once for a text and a tokenizer and found again by the next run.

A folder `pairs-…` holds the notes with one sentence a line (`notes.txt`, as BERT's pretraining read them), their pieces
in flat arrays that are mapped, not read, and what was counted. It is moved into place when whole. Its name is a hash of
all that decides its content, so another text, cleaning or tokenizer makes another folder. One process: sentences are
found by rules, at some megabytes of text a second.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pretrain.cleaning import Cleaning, clean
from pretrain.clinicalbert.instances import Sentences
from pretrain.clinicalbert.sentences import format_notes, read_notes
from pretrain.near_duplicates import NearDuplicates, fingerprint
from pretrain.shard_building import DUPLICATE_MODES, META, checksum
from pretrain.sources import Source, selected
from pretrain.text import RawDocument, file_hash
from pretrain.whole_folder import whole_folder
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

FORMAT = 1  # raise it when the rules that cut notes change
NOTES, IDS, TABLES = "notes.txt", "ids.int32", "tables.npz"
LEAST_HELD_OUT = 2  # documents: a pair whose second half is random needs another one
_BATCH_SENTENCES = 4096  # tokenised at once


@dataclass(frozen=True, eq=False)
class PairStore:
    """An opened folder; documents are numbered in the order they were read.

    sentences (Sentences): of all documents. source_of (np.ndarray): int (n,), the source of each document.
    split_hashes (np.ndarray): uint64 (n,), hash of the text that decides on a document's side of the split.
    meta (dict): identity, counts and the report by source, as of `Shards`.
    """

    folder: Path
    meta: dict[str, Any]
    sentences: Sentences
    source_of: np.ndarray
    split_hashes: np.ndarray

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in order."""
        return tuple(text["name"] for text in self.meta["texts"])

    @property
    def documents(self) -> np.ndarray:
        """int64 (n,): what a row names in its `sequences` are documents."""
        return np.arange(len(self.sentences))

    def split(self, held_out: float) -> tuple[np.ndarray, np.ndarray]:
        """Part the documents by their text alone, as `Shards.split`; near duplicates stay together.

        Planted documents (`Source.planted`) are trained on, and change nothing for the others.

        held_out (float): share to hold out. Above 0, and with four different documents or more, at least two are.
        RETURNS (tuple): numbers of both sides, ascending: to train on, and held out.
        """
        is_out = self.split_hashes < np.uint64(held_out * 2**64)
        planted = [bool(text.get("planted")) for text in self.meta["texts"]]
        is_planted = np.array(planted, dtype=bool)[self.source_of]
        distinct = np.unique(self.split_hashes[~is_planted])
        if held_out > 0 and len(distinct) >= 2 * LEAST_HELD_OUT:
            is_out |= self.split_hashes <= distinct[LEAST_HELD_OUT - 1]
        if len(distinct):  # training needs two as well
            is_out &= self.split_hashes < distinct[-min(len(distinct), LEAST_HELD_OUT)]
        is_out &= ~is_planted
        return np.flatnonzero(~is_out), np.flatnonzero(is_out)


def store_for(
    sources: Sequence[Source],
    tokenizer: PieceTokenizer,
    folder: Path,
    *,
    cleaning: Cleaning,
    near_duplicates: str,
    threshold: float,
    is_quiet: bool = False,
) -> PairStore:
    """Open the notes of some sources below `folder`; cut and tokenise them first if that was not done.

    cleaning, near_duplicates, threshold: see `pretrain.shards.shards_for`.
    RAISES (ValueError): BC701 … BC707, BC735 … BC744 for the text; BC754 if there is none.
    """
    if near_duplicates not in DUPLICATE_MODES:
        known = f"one of {', '.join(DUPLICATE_MODES)}"
        raise ValueError(Errors.BC741.format(what="near_duplicates", value=near_duplicates, range=known))
    duplicates = None
    if near_duplicates != "keep":
        duplicates = NearDuplicates(threshold, is_linking=near_duplicates == "group")
    files = [source.files() for source in sources]
    read = [
        {"source": source.name, "name": file.name, "sha256": file_hash(file)}
        for source, own in zip(sources, files)
        for file in own
    ]
    identity = {
        "format": f"pairs.{FORMAT}",
        "tokenizer": tokenizer.fingerprint,
        "texts": [source.identity for source in sources],
        "cleaning": asdict(cleaning),
        "near_duplicates": {"mode": near_duplicates, "threshold": None if duplicates is None else threshold},
        "sources": [(file["source"], file["sha256"]) for file in read],
    }
    data_hash = hashlib.sha256(json.dumps(identity, sort_keys=True).encode("utf8")).hexdigest()
    place = folder / f"pairs-{data_hash[:16]}"
    if not place.is_dir():
        meta = {"data_hash": data_hash, **identity, "sources": read}
        with whole_folder(place) as aside:
            _Builder(tokenizer, cleaning, duplicates, is_quiet).build(sources, files, aside, meta)
    return open_store(place)


def open_store(folder: Path) -> PairStore:
    """Open a built folder, its files read to their end. RAISES (ValueError): BC707 if one is not what it was."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf8"))
        changed = [name for name, value in meta["checksums"].items() if checksum(folder / name) != value]
        if changed:
            why = "its contents have changed (checksum)"
            raise ValueError(Errors.BC707.format(file=changed[0], why=why, folder=folder))
        with np.load(folder / TABLES) as tables:
            starts, ends = tables["sentence_starts"], tables["document_starts"]
            source_of, hashes = tables["source_of"], tables["split_hashes"]
        ids = np.asarray(np.memmap(folder / IDS, dtype="<i4", mode="r"))
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        why = type(error).__name__
        raise ValueError(Errors.BC707.format(file=META, why=why, folder=folder)) from error
    return PairStore(folder, meta, Sentences(ids, starts, ends), source_of, hashes)


class _Builder:
    """Reads, cleans and compares documents, cuts them and tokenises the sentences."""

    def __init__(
        self,
        tokenizer: PieceTokenizer,
        cleaning: Cleaning,
        duplicates: NearDuplicates | None,
        is_quiet: bool,
    ):
        self.tokenizer, self.cleaning, self.duplicates = tokenizer, cleaning, duplicates
        self.is_quiet = is_quiet
        self.reports: list[Counter[str]] = []
        self.hashes: list[int] = []
        self.source_of: list[int] = []

    def build(
        self,
        sources: Sequence[Source],
        files: Sequence[Sequence[Path]],
        folder: Path,
        meta: dict[str, Any],
    ) -> None:
        """Write all files into an empty folder. RAISES (ValueError): BC754; those of reading."""
        written = format_notes(self._notes(sources, files), folder / NOTES)
        starts, ends, kept = self._tokenise(read_notes(folder / NOTES), folder / IDS, written.notes)
        if len(kept) != len(self.hashes) or not len(ends) - 1:
            why = f"{len(self.hashes)} notes, {len(kept)} of them with sentences, {len(ends) - 1} with pieces"
            raise ValueError(Errors.BC754.format(path=folder / NOTES, why=why))
        hashes = np.array(self.hashes, dtype=np.uint64)
        if self.duplicates is not None and self.duplicates.is_linking:
            hashes = hashes[self.duplicates.groups()]
        source_of = np.array(self.source_of, dtype=np.int32)[kept]
        np.savez(
            folder / TABLES,
            sentence_starts=starts,
            document_starts=ends,
            source_of=source_of,
            split_hashes=hashes[kept],
        )
        n_sentences, n_pieces = np.diff(ends), np.diff(starts[ends])
        for number, counts in enumerate(self.reports):
            own = source_of == number
            counts["empty"] += counts["documents"] - int(own.sum())
            counts["documents"] = int(own.sum())
            counts["sentences"], counts["pieces"] = int(n_sentences[own].sum()), int(n_pieces[own].sum())
        names = dict.fromkeys(["documents", "empty", "sentences", "pieces"])
        names.update(dict.fromkeys(sorted(key for report in self.reports for key in report)))
        meta["report"] = {
            source.name: {key: report[key] for key in names}
            for source, report in zip(sources, self.reports, strict=True)
        }
        for key in ("documents", "empty", "sentences", "pieces"):
            meta[key] = sum(report[key] for report in self.reports)
        meta["checksums"] = {name: checksum(folder / name) for name in (NOTES, IDS, TABLES)}
        (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf8")

    def _notes(self, sources: Sequence[Source], files: Sequence[Sequence[Path]]) -> Iterator[tuple[str, str]]:
        """Yield id and cleaned text of every document that is taken."""
        for number, (source, own) in enumerate(zip(sources, files, strict=True)):
            counts: Counter[str] = Counter()
            self.reports.append(counts)
            bar = tqdm(own, desc=f"sentences {source.name}", unit="file", disable=self.is_quiet)
            for document in selected(source, bar, counts):
                text: str | None = document.text
                if source.planted:
                    if not document.text.strip():
                        continue
                    if self.duplicates is not None:
                        self.duplicates.pass_over()
                else:
                    text = self._cleaned(document, counts)
                    if text is None or self._is_left_out(document.text, counts):
                        continue
                counts["documents"] += 1
                digest = hashlib.sha256(document.text.encode("utf8", "surrogatepass")).digest()
                self.hashes.append(int.from_bytes(digest[:8], "big"))
                self.source_of.append(number)
                yield document.id, text or ""

    def _cleaned(self, document: RawDocument, counts: Counter[str]) -> str | None:
        text: str | None = document.text
        if text is not None and text.strip():
            text = clean(text, document.id, self.cleaning, counts)
            if text is None:
                return None
        if text is None or not text.strip():
            counts["empty"] += 1
            return None
        least = self.cleaning.min_pieces
        if least and len(self.tokenizer.encode([text])[0].ids) < least:
            counts["too short"] += 1
            return None
        return text

    def _is_left_out(self, original: str, counts: Counter[str]) -> bool:
        """Whether a document is a copy that is not read twice; as in shards, the text as read is compared."""
        if self.duplicates is None:
            return False
        before = self.duplicates.exact
        is_copy = self.duplicates.add(fingerprint(original)) is not None
        counts["duplicates exact"] += self.duplicates.exact - before
        counts["duplicates near"] += is_copy - (self.duplicates.exact - before)
        return is_copy and not self.duplicates.is_linking

    def _tokenise(
        self, notes: Iterable[list[str]], file: Path, n_notes: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Write the pieces of all sentences; return both arrays of starts and, by note, whether it has any."""
        starts, ends, kept = array("q", [0]), array("q", [0]), array("b")
        bar = tqdm(notes, desc="tokenise", unit="note", total=n_notes, disable=self.is_quiet)
        with file.open("wb") as stream:
            for batch in _batches(bar):
                flat = [sentence for note in batch for sentence in note]
                encoded = iter(self.tokenizer.encode(flat))
                for note in batch:
                    for ids in (next(encoded).ids for _ in note):
                        if len(ids):
                            stream.write(ids.astype("<i4").tobytes())
                            starts.append(starts[-1] + len(ids))
                    kept.append(len(starts) - 1 > ends[-1])
                    if kept[-1]:
                        ends.append(len(starts) - 1)
        return np.array(starts), np.array(ends), np.array(kept, dtype=bool)


def _batches(notes: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    n_sentences = 0
    for note in notes:
        batch.append(note)
        n_sentences += len(note)
        if n_sentences >= _BATCH_SENTENCES:
            yield batch
            batch, n_sentences = [], 0
    if batch:
        yield batch
