"""Write the Arrow files of shards, and know size and checksum of each: the files of an unfinished build are checked.

A shard is written whenever enough pieces have come together; until then its sequences are held in memory.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 2**20


class ShardWriter:
    """Collect sequences and write a shard whenever enough pieces have come together.

    folder (Path): where to. dtype (np.dtype): of piece ids. shard_pieces (int): most pieces of a shard, unless
    one sequence alone is longer.
    """

    def __init__(self, folder: Path, dtype: np.dtype, shard_pieces: int):
        self.folder, self.dtype, self.shard_pieces = folder, dtype, shard_pieces
        self.files: dict[str, tuple[int, int]] = {}  # bytes and CRC-32 of each shard written
        self.n_pieces = 0
        self.sequences: list[np.ndarray] = []
        self.documents: list[int] = []

    @property
    def n_shards(self) -> int:
        """How many shards are written."""
        return len(self.files)

    def add(self, sequence: np.ndarray, document: int) -> None:
        """Add a sequence of a document, given by its number."""
        if self.sequences and self.n_pieces + len(sequence) > self.shard_pieces:
            self.flush()
        self.sequences.append(sequence.astype(self.dtype))
        self.documents.append(document)
        self.n_pieces += len(sequence)

    def flush(self) -> None:
        """Write what has come together as a shard."""
        import pyarrow as arrow

        offsets = np.cumsum([0, *map(len, self.sequences)], dtype=np.int32)
        ids = arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(np.concatenate(self.sequences)))
        documents = np.array(self.documents, dtype=np.int32)
        name = f"shard-{self.n_shards:05}.arrow"
        write_arrow(self.folder / name, ids=ids, document=documents)
        self.files[name] = measure(self.folder / name)
        self.n_pieces, self.sequences, self.documents = 0, [], []

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the sequences not yet written: ids (flat), lengths and documents, each int (n_sequences,)."""
        return {
            "pending_ids": np.concatenate([np.empty(0, self.dtype), *self.sequences]),
            "pending_lengths": np.array([len(sequence) for sequence in self.sequences], dtype=np.int32),
            "pending_documents": np.array(self.documents, dtype=np.int32),
        }

    def go_on(self, files: Mapping[str, tuple[int, int]], arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what another writer left: `files` as it had them, `arrays` from its `to_arrays`.

        RAISES (OSError): if a file is missing. (ValueError): if it has changed, or the arrays fit badly.
        """
        for name, found in files.items():
            if measure(self.folder / name) != tuple(found):
                raise ValueError(name)
        ids, lengths, documents = (arrays[f"pending_{name}"] for name in ("ids", "lengths", "documents"))
        if ids.dtype != self.dtype or len(ids) != lengths.sum() or len(lengths) != len(documents):
            raise ValueError("pending")
        self.files = {name: (int(size), int(value)) for name, (size, value) in files.items()}
        self.sequences = np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []
        self.documents = documents.tolist()
        self.n_pieces = len(ids)


def write_arrow(file: Path, **columns: Any) -> None:
    """Write columns as one record batch of an Arrow stream, as `datasets.Dataset.from_file` reads them."""
    import pyarrow as arrow

    arrays = {name: arrow.array(column) for name, column in columns.items()}
    batch = arrow.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    with arrow.OSFile(str(file), "wb") as stream, arrow.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)


def measure(file: Path) -> tuple[int, int]:
    """Return a file's size in bytes and its CRC-32."""
    return file.stat().st_size, checksum(file)


def checksum(file: Path) -> int:
    """Return the CRC-32 of a file: about a second a gigabyte."""
    value = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value
