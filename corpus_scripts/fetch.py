"""Get the corpora: download what is public, say what to place where for the rest, tell what is there.

python -m corpus_scripts.fetch list
python -m corpus_scripts.fetch bc5cdr ncbi_disease
python -m corpus_scripts.fetch --all

The files, their addresses and checksums stand in project.yml under `assets`; what they are, in the table of corpora. A
file that is there is never touched, unless --force is given and the new one is whole and has the right checksum.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer

from corpus_scripts.cli import quiet_errors
from corpus_scripts.corpora.entry import Corpus
from corpus_scripts.corpora.table import CORPORA, find_corpus
from corpus_scripts.derive import DERIVED
from corpus_scripts.download import Patience, Unreachable, download, md5
from corpus_scripts.unpack import is_archive, unpack
from spacy_bioclinical.errors import Errors

PROJECT = Path(__file__).parents[1] / "project.yml"
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Asset:
    """One file of a corpus.

    corpus (str): The corpus: the folder below assets/.
    path (Path): Where it shall lie below the folder of assets, the corpus' folder included.
    url (str): Where it is public; "" if it must be placed by hand.
    checksum (str): MD5, or "" if not known.
    description (str): What it is.
    """

    corpus: str
    path: Path
    url: str
    checksum: str
    description: str


def read_assets(project: Path = PROJECT) -> list[Asset]:
    """The corpora's files that project.yml lists, in its order.

    RAISES (ValueError): BC654 if an entry cannot be used.
    """
    assets = []
    for entry in srsly.read_yaml(project).get("assets", []):
        path = Path(str(entry.get("dest", "")))
        if path.is_absolute() or ".." in path.parts or len(path.parts) < 3 or path.parts[0] != "assets":
            why = 'an asset\'s "dest" is not assets/CORPUS/FILE'
            raise ValueError(Errors.BC654.format(path=project, why=why))
        assets.append(
            Asset(
                path.parts[1],
                Path(*path.parts[1:]),
                str(entry.get("url") or ""),
                str(entry.get("checksum") or ""),
                str(entry.get("description") or ""),
            )
        )
    return assets


def content_md5(path: Path) -> str:
    """The MD5 of a file as its publisher gives it: of what is inside, if it was compressed since."""
    digest = hashlib.md5(usedforsecurity=False)
    with _OPENERS[path.suffix](path) as file:
        while chunk := file.read(1 << 18):
            digest.update(chunk)
    return digest.hexdigest()


def find_file(path: Path) -> Path | None:
    """The file or folder at a path, or the same file compressed as .gz or .xz; None if there is none."""
    return next(
        (found for end in ("", *_OPENERS) if (found := path.with_name(path.name + end)).exists()), None
    )


def state_of(asset: Asset, folder: Path) -> str:
    """How a file is: "missing", "right" or "other" (its checksum is or is not), "present" (none is known)."""
    found = find_file(folder / asset.path)
    if found is None:
        return "missing"
    if not asset.checksum or found.is_dir():
        return "present"
    try:
        whole = md5(found) if found.name == asset.path.name else content_md5(found)
    except (OSError, EOFError, lzma.LZMAError):
        return "other"
    return "right" if whole == asset.checksum.lower() else "other"


def is_laid_out(corpus: Corpus, folder: Path) -> bool:
    """Whether the converter would find the corpus: each part that has files of its own, or the unsplit whole."""
    place = folder / corpus.name
    if corpus.folder and (place / corpus.folder).is_dir():
        place = place / corpus.folder
    if any(path and (place / path).exists() for path in corpus.whole):
        return True
    needed = [paths for part, paths in corpus.parts.items() if part not in corpus.carve]
    return bool(needed) and all(any((place / path).exists() for path in paths) for paths in needed)


@app.command()
@quiet_errors
def main(
    names: Annotated[list[str] | None, typer.Argument(help="Corpora, or the word list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All corpora that have files.")] = False,
    output: Annotated[Path, typer.Option(help="Folder of the corpora, one folder each.")] = Path("assets"),
    offline: Annotated[bool, typer.Option("--offline", help="Use no network; tell what is missing.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace files that have another checksum, once the new one is verified."
        ),
    ] = False,
    project: Annotated[
        Path, typer.Option(help="The project.yml that lists the files.", dir_okay=False)
    ] = PROJECT,
    attempts: Annotated[int, typer.Option(help="Tries before giving up on a file.", min=1)] = 5,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1)] = 30.0,
) -> None:
    """Get public corpora; say what to place where for the others. Exits with 1 if anything asked for is not there.

    Example:  python -m corpus_scripts.fetch bc5cdr
    """
    assets = read_assets(project)
    known = list(dict.fromkeys(asset.corpus for asset in assets))
    if names == ["list"]:
        _list(known, assets, output)
        return
    if not names and not everything:
        raise ValueError(
            Errors.BC622.format(
                option="NAME", value="missing", expected=f"list, --all, or of: {', '.join(known)}"
            )
        )
    wanted = known if everything else list(dict.fromkeys(names or ()))
    for name in wanted:
        if name not in known:
            corpus = find_corpus(name)  # BC613 where the name is no corpus at all
            why = f"it lists no file of {name} ({corpus.access}: {corpus.source})"
            raise ValueError(Errors.BC654.format(path=project, why=why))
    patience = Patience(attempts=attempts, timeout=timeout)
    fetch = _Fetch(output, offline=offline, force=force, patience=patience)
    complete = [fetch.corpus(name, [asset for asset in assets if asset.corpus == name]) for name in wanted]
    if not all(complete):
        raise typer.Exit(1)


class _Fetch:
    """One run: the folder, how to go about it, and which servers could not be reached."""

    def __init__(self, folder: Path, *, offline: bool, force: bool, patience: Patience) -> None:
        self.folder = folder
        self.offline = offline
        self.force = force
        self.patience = patience
        self.unreachable: set[str] = set()

    def corpus(self, name: str, assets: list[Asset]) -> bool:
        """Get one corpus; tells about it and returns whether it is there."""
        complete = True
        missing: list[Asset] = []
        notes: list[str] = []
        for asset in assets:
            state = state_of(asset, self.folder)
            if asset.url and not self.offline and (state == "missing" or (self.force and state != "right")):
                problem = self._download(asset)
                if problem:
                    notes.append(problem)
                state = state_of(asset, self.folder)
            if state == "missing" and not self._derive(asset, notes):
                missing.append(asset)
            elif state == "other":
                complete = False
                notes.append(
                    f"{self.folder / asset.path} is kept, though its checksum is not the one in project.yml: "
                    "move it away, or replace it with --force"
                )
            elif is_archive(asset.path):
                complete = self._unpack(asset, notes) and complete
        laid_out = bool(missing) and self._is_laid_out(name)
        complete = complete and (not missing or laid_out)
        typer.echo(
            f"{'✔' if complete else '✘'} {name}: {self._line(name, assets, missing, laid_out)}",
            err=not complete,
        )
        if not self.offline:
            for line in (*notes, *self._to_place(name, missing if not laid_out else ())):
                typer.echo(f"    {line}", err=not complete)
        return complete

    def _download(self, asset: Asset) -> str:
        """What went wrong, or ""."""
        host = urllib.parse.urlsplit(asset.url).netloc
        if host in self.unreachable:
            return f"{asset.path.name}: not tried, {host} cannot be reached"
        try:
            download(
                asset.url,
                self.folder / asset.path,
                name=asset.corpus,
                checksum=asset.checksum,
                patience=self.patience,
            )
        except Unreachable as error:
            self.unreachable.add(host)
            return str(error)
        except ValueError as error:
            return str(error)
        return ""

    def _unpack(self, asset: Asset, notes: list[str]) -> bool:
        archive = self.folder / asset.path
        try:
            written, kept = unpack(archive, archive.parent, name=asset.corpus)
        except ValueError as error:
            notes.append(str(error))
            return False
        if written:
            notes.append(f"{written} file(s) unpacked, {kept} there already")
        return True

    def _derive(self, asset: Asset, notes: list[str]) -> bool:
        """Make a file of another that is there; returns whether it was."""
        target = self.folder / asset.path
        rule = DERIVED.get(asset.path.as_posix())
        source = target.with_name(rule.source) if rule else target
        if rule is None or not source.is_file():
            return False
        try:
            lost = rule.make(source, target)
        except ValueError as error:
            notes.append(str(error))
            return False
        notes.append(f"{target.name} made of {source.name}, {lost} value(s) not found in it")
        return True

    def _is_laid_out(self, name: str) -> bool:
        return any(is_laid_out(corpus, self.folder) for corpus in CORPORA if corpus.name == name)

    def _line(self, name: str, assets: list[Asset], missing: list[Asset], laid_out: bool) -> str:
        if not missing:
            unknown = sum(not asset.checksum for asset in assets)
            return f"{len(assets)} file(s) in {self.folder / name}" + (
                f", {unknown} without checksum" if unknown else ""
            )
        if laid_out:
            return f"the converter finds its files in {self.folder / name}"
        public = sum(bool(asset.url) for asset in missing)
        how = f"{public} can be downloaded" if public else "to be placed by hand"
        access = f"; {corpus.access}" if (corpus := _entry(name)) else ""
        return f"{len(missing)} of {len(assets)} file(s) missing, {how}{access}"

    def _to_place(self, name: str, missing: Iterable[Asset]) -> list[str]:
        by_hand = [asset for asset in missing if not asset.url]
        if not by_hand:
            return []
        lines = [f"place {self.folder / asset.path}: {asset.description}" for asset in by_hand]
        if corpus := _entry(name):
            lines.append(f"from {corpus.source} ({corpus.licence}; {corpus.access})")
        return lines


def _entry(name: str) -> Corpus | None:
    return next((corpus for corpus in CORPORA if corpus.name == name), None)


def _list(known: list[str], assets: list[Asset], folder: Path) -> None:
    rows = [("name", "task", "there", "access", "licence")]
    for name in known:
        files = [asset for asset in assets if asset.corpus == name]
        states = [find_file(folder / asset.path) is not None for asset in files]
        corpus = _entry(name)
        there = (
            "yes"
            if all(states) or (corpus and is_laid_out(corpus, folder))
            else f"{sum(states)}/{len(states)}"
        )
        facts = (corpus.task, there, corpus.access, corpus.licence) if corpus else ("?", there, "?", "?")
        rows.append((name, *facts))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        fixed = "  ".join(value.ljust(width) for value, width in zip(row[:3], widths, strict=True))
        typer.echo(f"{fixed}  {row[3]}; {row[4]}")


if __name__ == "__main__":
    app()
