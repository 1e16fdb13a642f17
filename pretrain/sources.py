"""Name the sources of a text collection: where each lies, how it is read, what is left out, how often it is seen.

Given as strings (`--text notes=assets/notes:2`), or in a data file (YAML, JSON, TOML) with a list `sources`:

    sources:
      - name: notes
        paths: [assets/notes.jsonl.xz]     # relative to the data file
        weight: 2                          # each document twice an epoch
        skip: {split: test}                # leave out rows whose field "split" is "test"

The weight of a source does not change its shards, only the plan of an epoch (`repetitions`).
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.text import KINDS, RawDocument, find_files, read_documents
from spacy_bioclinical.errors import Errors

ID_FIELDS = ("id", "note_id", "row_id")
HEAVIEST = 1000.0
_REPEATS = 1000  # this use's stream of random numbers drawn from the run's seed
PLANTED = "planted"
_TEXT = "text"

Rules = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Source:
    """A source of text.

    name (str): what reports call it. paths (tuple[Path, ...]): its files and folders.
    kind (str): one of `pretrain.text.KINDS`. text_key, version (str | None): see `read_documents`.
    weight (float): how many times each of its documents is seen in an epoch.
    skip_ids (frozenset[str]): documents to leave out, by their id or their field "id", "note_id", "row_id".
    skip, keep (Rules): values of a field by which documents are left out, or alone are taken; a field that
        holds a list matches by any of its values.
    is_named (bool): somebody gave it its name; else it is that of its file or folder, which is not told to others.
    planted (bool): canaries (`pretrain.canaries`): every copy is trained on as it stands, none is cleaned, left out
        as short or double, or held out. Its weight is 1: how often a canary is seen is what is measured.
    """

    name: str
    paths: tuple[Path, ...]
    kind: str = "auto"
    text_key: str | None = None
    version: str | None = None
    weight: float = 1.0
    skip_ids: frozenset[str] = frozenset()
    skip: Rules = field(default_factory=dict)
    keep: Rules = field(default_factory=dict)
    planted: bool = False
    is_named: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(Errors.BC742.format(kind=self.kind, known=", ".join(KINDS)))
        _check_weight(self.name, self.weight)
        if self.planted and self.weight != 1:
            what = f"The weight of the planted source '{self.name}'"
            raise ValueError(Errors.BC741.format(what=what, value=self.weight, range="1"))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides which text comes out, apart from the files: part of the shards' identity."""
        return {
            "name": self.name,
            "kind": self.kind,
            "text_key": self.text_key,
            "version": self.version,
            "skip_ids": sorted(self.skip_ids),
            "skip": {key: sorted(values) for key, values in sorted(self.skip.items())},
            "keep": {key: sorted(values) for key, values in sorted(self.keep.items())},
            **({"planted": True} if self.planted else {}),
        }

    def files(self) -> list[Path]:
        """List its files. RAISES (ValueError): BC701."""
        return find_files(self.paths, self.kind)


def selected(source: Source, files: Iterable[Path], counts: Counter[str]) -> Iterator[RawDocument]:
    """Yield the documents of a source's files that its rules let through.

    counts (Counter): "skipped" is raised here.
    RAISES (ValueError): BC740 if a field that a rule names is in no document; what `read_documents` raises.
    """
    unseen = {key: rule for rule in ("keep", "skip") for key in getattr(source, rule)}
    is_ruled = bool(unseen or source.skip_ids)
    n_documents = 0
    for file in files:
        documents = read_documents(file, source.text_key, kind=source.kind, version=source.version)
        for document in documents:
            n_documents += 1
            if is_ruled:
                for key in [key for key in unseen if key in document.meta]:
                    del unseen[key]
                if not _is_taken(document, source):
                    counts["skipped"] += 1
                    continue
            yield document
    if unseen and n_documents:
        key, rule = next(iter(unseen.items()))
        raise ValueError(Errors.BC740.format(source=source.name, key=key, rule=rule))


def sources_of(texts: Iterable[Path | str | Source], text_key: str | None = None) -> list[Source]:
    """Make sources of paths: each path is a source named after it; text files given singly are one, "text".

    Sources of equal names are one source if nothing else but their paths differs.
    RAISES (ValueError): BC739 for equal names of sources that differ.
    """
    merged: dict[str, Source] = {}
    for text in texts:
        source = text if isinstance(text, Source) else _plain(Path(text), text_key)
        known = merged.get(source.name)
        if known is not None:
            if (known.identity, known.weight) != (source.identity, source.weight):
                why = f"two sources are called '{source.name}' but have different settings"
                raise ValueError(Errors.BC739.format(where="sources", why=why))
            source = _with_paths(known, (*known.paths, *source.paths))
        merged[source.name] = source
    return list(merged.values())


def parse_source(text: str, text_key: str | None = None) -> Source:
    """Read one `--text` value: PATH, NAME=PATH, PATH:WEIGHT or NAME=PATH:WEIGHT; or :planted in a weight's place.

    A value that is the path of something that exists is that path, whatever signs are in it.
    RAISES (ValueError): BC739, BC741.
    """
    if Path(text).exists():
        return _plain(Path(text), text_key)
    name, is_named, rest = text.partition("=")
    if not is_named:
        name, rest = "", text
    path, has_weight, tail = rest.rpartition(":")
    weight = 1.0
    is_planted = bool(has_weight and path) and tail == PLANTED
    if is_planted:
        rest = path
    elif has_weight and path:
        try:
            weight = float(tail)
            rest = path
        except ValueError:
            pass  # the colon belongs to the path
    if not rest or (is_named and not name.strip()):
        raise ValueError(Errors.BC739.format(where=f"--text {text}", why="a name or a path is missing"))
    plain = _plain(Path(rest), text_key)
    return Source(
        name.strip() or plain.name,
        plain.paths,
        text_key=text_key,
        weight=weight,
        planted=is_planted,
        is_named=bool(name.strip()),
    )


def read_data_file(path: Path) -> list[Source]:
    """Read the sources of a data file (.yaml, .yml, .json or .toml); its paths are relative to itself.

    RAISES (ValueError): BC739 for a file that is not one or settings that are not known, BC741, BC742.
    """
    content = _load(path)
    entries = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(Errors.BC739.format(where=path, why="it holds no list `sources`"))
    return sources_of(
        [_entry(f"{path}, source {n}", path.parent, entry) for n, entry in enumerate(entries, start=1)]
    )


def repetitions(
    sources: np.ndarray, documents: np.ndarray, weights: Sequence[float], epoch: int, seed: int
) -> np.ndarray:
    """Say how often each document is seen in an epoch: whole parts exactly, fractions by turns.

    Of a weight 2.25, every document is seen twice and exactly a quarter (rounded over the epochs) a third
    time; they take turns in an order drawn from the seed, so that after four epochs each has had it.

    sources (np.ndarray): int (n,), source of each document. documents (np.ndarray): int (n,), its number.
    weights (Sequence[float]): weight of each source.
    RETURNS (np.ndarray): int64 (n,), a pure function of the arguments.
    """
    counts = np.zeros(len(sources), dtype=np.int64)
    for number, weight in enumerate(weights):
        places = np.flatnonzero(sources == number)
        whole = math.floor(weight)
        counts[places] = whole
        fraction = weight - whole
        if not fraction or not len(places):
            continue
        first, last = (math.floor(turn * fraction * len(places) + 0.5) for turn in (epoch, epoch + 1))
        # One order for all epochs, read round and round: within an epoch nobody comes twice.
        order = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence((seed, _REPEATS, number))))
        turns = order.permutation(places[np.argsort(documents[places], kind="stable")])
        counts[turns[np.arange(first, last) % len(turns)]] += 1
    return counts


def check_weights(names: Sequence[str], weights: Mapping[str, float] | Sequence[float] | None) -> list[float]:
    """Return a weight for each source; 1.0 where none is given. RAISES (ValueError): BC741."""
    if weights is None:
        return [1.0] * len(names)
    if isinstance(weights, Mapping):
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise ValueError(
                Errors.BC741.format(
                    what="A weight's source", value=unknown[0], range=f"one of {', '.join(names)}"
                )
            )
        weights = [float(weights.get(name, 1.0)) for name in names]
    if len(weights) != len(names):
        raise ValueError(
            Errors.BC741.format(what="The number of weights", value=len(weights), range=f"{len(names)}")
        )
    for name, weight in zip(names, weights):
        _check_weight(name, weight)
    return [float(weight) for weight in weights]


def _check_weight(name: str, weight: float) -> None:
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not 0 <= weight <= HEAVIEST:
        what = f"The weight of source '{name}'"
        raise ValueError(
            Errors.BC741.format(what=what, value=weight, range=f"a number from 0 to {HEAVIEST:g}")
        )


def _is_taken(document: RawDocument, source: Source) -> bool:
    if source.skip_ids:
        ids = {str(value) for key, value in document.meta.items() if key.lower() in ID_FIELDS}
        if (ids | {document.id}) & source.skip_ids:
            return False
    if any(_values(document.meta.get(key)) & set(values) for key, values in source.skip.items()):
        return False
    return all(_values(document.meta.get(key)) & set(values) for key, values in source.keep.items())


def _values(value: Any) -> set[str]:
    if isinstance(value, (list, tuple)):
        return {str(one) for one in value}
    return {str(value)}


def _plain(path: Path, text_key: str | None) -> Source:
    if path.suffix.lower() == ".txt" and not path.is_dir():
        name = _TEXT
    else:
        name = (path.resolve().name if path.is_dir() else path.name.partition(".")[0]) or _TEXT
    return Source(name, (path,), text_key=text_key, is_named=False)


def _with_paths(source: Source, paths: tuple[Path, ...]) -> Source:
    values = {part.name: getattr(source, part.name) for part in fields(source)}
    return Source(**{**values, "paths": paths})


def _load(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf8")
        if path.suffix.lower() == ".json":
            return json.loads(text)
        if path.suffix.lower() == ".toml":
            import tomllib  # of Python 3.11

            return tomllib.loads(text)
        import yaml  # type: ignore[import-untyped]  # comes with transformers

        return yaml.safe_load(text)
    except ImportError as error:
        why = f"{path.suffix} files need Python 3.11; write it as YAML or JSON"
        raise ValueError(Errors.BC739.format(where=path, why=why)) from error
    except Exception as error:  # each format has errors of its own
        why = f"it cannot be read ({type(error).__name__})"
        raise ValueError(Errors.BC739.format(where=path, why=why)) from error


def _entry(where: str, folder: Path, entry: Any) -> Source:
    known = [part.name for part in fields(Source) if part.name != "is_named"]  # here every name is given
    if not isinstance(entry, dict) or not {"name", "paths"} <= set(entry):
        raise ValueError(Errors.BC739.format(where=where, why="name or paths are missing"))
    unknown = sorted(set(map(str, entry)) - set(known))
    if unknown:
        raise ValueError(Errors.BC739.format(where=where, why=f"the setting '{unknown[0]}' is not known"))
    values = dict(entry)
    paths = [values["paths"]] if isinstance(values["paths"], str) else values["paths"]
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise ValueError(Errors.BC739.format(where=where, why="paths is no list of paths"))
    values["name"] = str(values["name"])
    values["paths"] = tuple(folder / path for path in paths)
    if not isinstance(values.get("planted", False), bool):
        raise ValueError(Errors.BC739.format(where=where, why="planted is neither true nor false"))
    if values.get("version") is not None:
        values["version"] = str(values["version"])
    ids = values.get("skip_ids") or []
    if not isinstance(ids, list):
        raise ValueError(Errors.BC739.format(where=where, why="skip_ids is no list"))
    values["skip_ids"] = frozenset(map(str, ids))
    for rule in ("skip", "keep"):
        rules = values.get(rule) or {}
        if not isinstance(rules, dict):
            raise ValueError(Errors.BC739.format(where=where, why=f"{rule} is no table of fields and values"))
        values[rule] = {
            str(key): tuple(map(str, value if isinstance(value, list) else [value]))
            for key, value in rules.items()
        }
    return Source(**values)
