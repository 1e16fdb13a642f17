"""Download one file so that it is whole or not there: retries, resume of a partial download, checksum.

What was received lies beside the file as NAME.part (and NAME.part.etag, which tells whether the server still has the
same file); the file itself appears only when it is complete and its checksum is right.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from spacy_bioclinical.errors import Errors

_CHUNK = 1 << 18
_AGAIN = (408, 425, 429)  # worth another try, like all from 500 on


@dataclass(frozen=True)
class Patience:
    """How long to try.

    attempts (int): Tries that bring nothing new before giving up.
    pause (float): Seconds before the second try; twice as long before each further one, 60 at most.
    timeout (float): Seconds without any answer.
    """

    attempts: int = 5
    pause: float = 1.0
    timeout: float = 30.0


class _Failed(Exception):
    """One try failed; ``final`` says that another would fail, too."""

    def __init__(self, why: str, *, final: bool = False, unreachable: bool = False) -> None:
        super().__init__(why)
        self.final = final
        self.unreachable = unreachable


class Unreachable(ValueError):
    """The server could not be reached at all: its other files need not be tried."""


def download(
    url: str,
    target: Path,
    *,
    name: str,
    checksum: str = "",
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file; it replaces what stands at ``target`` only when it is whole.

    url (str): http or https.
    target (Path): Where it shall lie; its folder is made.
    name (str): Of the corpus, for messages.
    checksum (str): MD5 as hexadecimal digits, or "" if not known.
    patience (Patience | None): How long to try.
    sleep (Callable): Waits; tests pass another.
    RAISES (ValueError): BC652. Unreachable if no connection was made in all tries.
    """
    patience = patience or Patience()
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(Errors.BC652.format(name=name, url=url, why="not an address of http or https"))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    tries = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, resumable=bool(checksum), timeout=patience.timeout, name=name)
            if checksum and md5(part) != checksum.lower():
                _forget(part)
                raise _Failed("its checksum is not the one in project.yml", final=before == 0)
            os.replace(part, target)
            _forget(part)
            return
        except _Failed as failure:
            tries = 1 if _size(part) > before else tries + 1
            if failure.final or tries >= patience.attempts:
                kind = Unreachable if failure.unreachable else ValueError
                raise kind(Errors.BC652.format(name=name, url=url, why=failure)) from None
            sleep(min(60.0, patience.pause * 2 ** (tries - 1)))


def md5(path: Path) -> str:
    """The MD5 of a file's bytes, as `spacy project` computes it; read in pieces."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _receive(url: str, part: Path, *, resumable: bool, timeout: float, name: str) -> None:
    """One try: go on where the partial file ends, if it is certain to be the same file; else from the start."""
    tag_file = part.with_name(f"{part.name}.etag")
    tag = tag_file.read_text("utf-8") if tag_file.exists() else ""
    start = _size(part) if resumable or tag else 0
    request = urllib.request.Request(url, headers={"User-Agent": "spacy-bioclinical"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag:
            request.add_header("If-Range", tag)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            if answer.status != 206:
                start = 0
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                _forget(part)
                raise _Failed("the server sent another range than asked for")
            new_tag = answer.headers.get("ETag", "")
            if new_tag and not new_tag.startswith("W/"):
                tag_file.write_text(new_tag, "utf-8")
            elif not start:
                tag_file.unlink(missing_ok=True)
            length = answer.headers.get("Content-Length", "")
            whole = start + int(length) if length.isdigit() else None
            _copy(answer, part, start, whole, name)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the partial file is as long as the whole one or longer
            _forget(part)
            raise _Failed("the partial file did not fit") from None
        final = error.code < 500 and error.code not in _AGAIN
        raise _Failed(f"the server answered {error.code}", final=final) from None
    except urllib.error.URLError as error:
        why = type(error.reason).__name__ if isinstance(error.reason, Exception) else "no connection"
        raise _Failed(f"no connection: {why}", unreachable=True) from None
    except (http.client.HTTPException, OSError) as error:
        raise _Failed(f"the connection broke: {type(error).__name__}") from None
    if whole is not None and _size(part) != whole:
        raise _Failed(f"{_size(part)} of {whole} bytes came")


def _copy(answer: http.client.HTTPResponse, part: Path, start: int, whole: int | None, name: str) -> None:
    with (
        part.open("r+b" if start else "wb") as file,
        tqdm(
            desc=name, initial=start, total=whole, unit="B", unit_scale=True, disable=None, leave=False
        ) as bar,
    ):
        file.seek(start)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.etag").unlink(missing_ok=True)
