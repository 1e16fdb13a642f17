"""The hidden work folder in which finished shards wait, and the step that puts all of them into place at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus_scripts.counts import Counts
from corpus_scripts.docbin import report_bytes, report_path
from corpus_scripts.report import Report
from spacy_bioclinical.errors import Errors

MANIFEST = "manifest.jsonl"
_SHARD = re.compile(r"\d{5,}\.spacy")


class Work:
    """The hidden folder of finished shards: ``shards/00001.spacy`` … and a line for each in the manifest."""

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        if path.is_dir() and not all(_SHARD.fullmatch(file.name) for file in path.iterdir()):
            raise ValueError(Errors.BC629.format(path=path))
        self.folder = path.with_name(f".{path.name}.work")
        self.shards = self.folder / "shards"
        self._facts = json.dumps({"work": 1, **facts})
        self._found, cut_off = self._read_manifest()
        self._kept: list[tuple[str, str]] = []
        if not self._found:
            _remove(self.folder)
        self.shards.mkdir(parents=True, exist_ok=True)
        self._manifest = (self.folder / MANIFEST).open("a", encoding="utf-8")
        if not self._found:
            self._line(self._facts)
        elif cut_off:
            self._line("")

    def has(self, number: int, checksum: str) -> bool:
        """Whether an earlier run finished this shard from the same records, and it is still whole."""
        entry = self._found.get(number)
        if entry is None or entry["checksum"] != checksum:
            return False
        path = self.shards / _shard(number)
        return not entry["sha256"] or (path.exists() and _sha256(path.read_bytes()) == entry["sha256"])

    def take(self, number: int) -> Counts:
        """Keep a shard of an earlier run (see ``has``) as the next one."""
        entry = self._found[number]
        if entry["sha256"]:
            self._kept.append((entry["sha256"], _shard(number)))
        return Counts.from_dict(entry["counts"])

    def add(self, number: int, checksum: str, data: bytes, counts: Counts) -> None:
        """Keep a finished shard as the next one; one whose documents are all empty has no file."""
        sha256 = ""
        if data:
            path = self.shards / _shard(number)
            aside = self.folder / f"{path.name}.part"
            aside.write_bytes(data)
            os.replace(aside, path)
            sha256 = _sha256(data)
            self._kept.append((sha256, path.name))
        entry = {"shard": number, "checksum": checksum, "sha256": sha256, "counts": counts.to_dict()}
        self._line(json.dumps(entry))

    def leave(self) -> None:
        """After a failure: what is finished stays for the next run; a folder without any goes."""
        self._manifest.close()
        if not self._kept:
            _remove(self.folder)

    def discard(self) -> None:
        """Give up: nothing stays."""
        self._manifest.close()
        _remove(self.folder)

    @property
    def names(self) -> list[str]:
        """Names of the kept shards, in order."""
        return [name for _, name in self._kept]

    def close(self) -> str:
        """End the work: files of an earlier, longer run go.

        RETURNS (str): Checksum of the file, or, of several shards, of the lines "sha256  name".
        """
        self._manifest.close()
        for path in self.shards.iterdir():
            if path.name not in self.names:
                path.unlink()
        if len(self._kept) == 1:
            return self._kept[0][0]
        return _sha256("".join(f"{sha256}  {name}\n" for sha256, name in self._kept).encode("utf-8"))

    def _line(self, line: str) -> None:
        self._manifest.write(line + "\n")
        self._manifest.flush()

    def _read_manifest(self) -> tuple[dict[int, dict[str, Any]], bool]:
        """The finished shards of an earlier run of the same work, and whether its last line was cut off."""
        try:
            lines = (self.folder / MANIFEST).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return {}, False
        found: dict[int, dict[str, Any]] = {}
        if lines[0] == self._facts:
            for line in lines[1:]:
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:  # an empty line, or one that was cut off
                    continue
                found[entry["shard"]] = entry
        return found, bool(lines[-1])


class Converted:
    """Finished shards that wait in the work folder: nothing is in place before ``commit``."""

    def __init__(self, path: Path, work: Work, report: Report) -> None:
        self.path = path
        self.report = report
        self._work = work

    def discard(self) -> None:
        """Give up instead of ``commit``: nothing stays."""
        self._work.discard()

    def commit(self) -> None:
        """Move the output into place: ``path`` is a file if there is one shard, else a folder of them."""
        path, old, names = self.path, self.path.with_name(f".{self.path.name}.old"), self._work.names
        _remove(old)
        if path.exists() and (path.is_dir() or len(names) > 1):
            os.replace(path, old)  # a folder is not replaced in one step, nor a file by a folder
        os.replace(self._work.shards / names[0] if len(names) == 1 else self._work.shards, path)
        aside = path.with_name(f".{path.name}.report.part")
        aside.write_bytes(report_bytes(self.report))
        os.replace(aside, report_path(path))
        _remove(self._work.folder)
        _remove(old)


def _shard(number: int) -> str:
    return f"{number:05d}.spacy"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
