"""Read raw documents from files of many formats, plain or compressed, one at a time.

Formats are chosen by the file's name: `.txt` is one document, `.jsonl` one a line, `.csv`, `.tsv` and
`.parquet` one a row, `.xml` and `.nxml` articles of PubMed or PMC; `.gz` and `.xz` may follow. Tables of codes
become sentences. Text is decoded strictly: a wrong encoding damages every piece after it, so it stops the run
with file and line. Messages give ids, lines and counts, never text.
"""

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from pretrain.readers.articles import read_xml
from pretrain.readers.codes import Template
from pretrain.readers.json_lines import read_json, read_json_lines
from pretrain.readers.raw import RawDocument, read_text
from pretrain.readers.tables import read_delimited, read_parquet
from spacy_bioclinical.errors import Errors

__all__ = ["KINDS", "RawDocument", "file_hash", "find_files", "read_documents"]

OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
BY_SUFFIX = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".xml": "xml",
    ".nxml": "xml",
}
# Kinds a source may be said to be, and the suffixes a folder is then searched for.
KINDS: dict[str, tuple[str, ...]] = {
    # .json files in a folder are as often settings as text: they are read where they are named or asked for.
    "auto": tuple(suffix for suffix in BY_SUFFIX if suffix != ".json"),
    "text": (".txt",),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "parquet": (".parquet",),
    "pubmed": (".xml",),
    "jats": (".xml", ".nxml"),
    "codes": (".csv", ".tsv", ".jsonl", ".parquet"),
}
_BLOCK = 2**20


def find_files(paths: Iterable[Path], kind: str = "auto") -> list[Path]:
    """List the text files behind paths; folders are searched in sorted order, other files there passed over.

    kind (str): one of `KINDS`; narrows what folders are searched for.
    RAISES (ValueError): BC701 for a path that does not exist, is of unknown kind, or is a folder without text
        files; BC742 for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(Errors.BC742.format(kind=kind, known=", ".join(KINDS)))
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(
                file for file in path.rglob("*") if file.is_file() and _suffix(file) in KINDS[kind]
            )
            if not found:
                raise ValueError(Errors.BC701.format(path=path, why="the folder holds no text files"))
            files.extend(found)
        elif not path.is_file():
            raise ValueError(Errors.BC701.format(path=path, why="there is no such file or folder"))
        elif kind in ("auto", "codes") and _suffix(path) not in BY_SUFFIX:
            raise ValueError(Errors.BC701.format(path=path, why="its kind is not known by its name"))
        else:
            files.append(path)
    return files


def read_documents(
    file: Path, text_key: str | None = None, *, kind: str = "auto", version: str | None = None
) -> Iterator[RawDocument]:
    """Yield the documents of one file, empty ones included.

    file (Path): a file that `find_files` listed.
    text_key (str | None): JSON key or column of the text, or several joined by "+"; by default "text", for
        tables "notes" or "text". PubMed, JATS and plain text have none.
    kind (str): one of `KINDS`, "auto" for that of the file's name.
    version (str | None): of a code table, "9", "10-CM", "HCPCS" …; by default its column or file name.
    RAISES (ValueError): BC702 (encoding), BC703 (malformed line), BC704 (no such column), BC705
        (compression), BC735 … BC738 (XML, Parquet, codes). (ImportError): BC743 without pyarrow.
    """
    suffix = _suffix(file)
    reader = BY_SUFFIX[suffix] if kind in ("auto", "codes") else kind
    template = Template(version, is_asked=kind == "codes")
    if reader == "parquet":
        yield from read_parquet(file, text_key, template)
        return
    opener = OPENERS.get(file.suffix.lower(), lambda path: path.open("rb"))
    try:
        with opener(file) as stream:
            if reader == "text":
                yield from read_text(file, stream)
            elif reader == "jsonl":
                yield from read_json_lines(file, stream, text_key, template)
            elif reader == "json":
                yield from read_json(file, stream, text_key, template)
            elif reader in ("csv", "tsv"):
                delimiter = "," if reader == "csv" else "\t"
                yield from read_delimited(file, stream, text_key, template, delimiter=delimiter)
            else:
                yield from read_xml(file, stream, "auto" if reader == "xml" else reader)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise ValueError(Errors.BC705.format(file=file, why=type(error).__name__)) from error


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _suffix(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
