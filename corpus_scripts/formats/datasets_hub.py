"""Read Parquet files, folders and data sets of the hub through the package datasets, a row at a time.

What is there already is read in place (streamed, or memory-mapped after save_to_disk); no code of a data set
is ever run. The package is imported only here, when asked for: it is large, and most corpora need none of it.
"""

from __future__ import annotations

import glob
import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import plain_stem
from corpus_scripts.formats.rows import Place, RowOptions, listed_labels, read_rows
from corpus_scripts.record import Record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_SAVED = ("state.json", "dataset_dict.json")
_LOGGERS = ("datasets", "huggingface_hub", "fsspec")
_levels: list[int] = []  # of the loggers, while they are held back
_holders = 0  # how many readers hold them back


@dataclass(frozen=True)
class _Source:
    """An opened split: what to iterate over, and what is known of its columns."""

    name: str
    stem: str
    rows: Iterable[Mapping[str, Any]]
    features: Mapping[str, Any]
    options: RowOptions


def read_dataset(
    name: str | Path,
    split: str = "",
    options: RowOptions | None = None,
    *,
    config: str = "",
    inventory: Sequence[str] | None = None,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """Read one split.

    Labels and tags that are numbers with names (ClassLabel) become their names; all names of a label column
    are its inventory. A row with tokens and tags (``options.words``, ``options.tags``) and no text becomes the
    text of its tokens joined by one space, its BIO or BILUO tags its spans. A null says nothing.

    name (str | Path): A .parquet file; a folder made by save_to_disk or with Parquet, CSV or JSONL files; or
        the name of a data set of the hub.
    split (str): Which one; may be left out where there is only one.
    options (RowOptions | None): Which columns hold what.
    config (str): Configuration of a data set of the hub.
    inventory (Sequence[str] | None): All labels, for rows that list only the positive ones.
    tally (Tally | None): Receives what was repaired or left out.
    YIELDS (Record): Rows without an id get "<name>-<split>-00001", …
    RAISES (ValueError): BC632 no package datasets, BC634 it cannot be opened or read, BC633 a row that does not
        fit, BC605 a tag that is none, and those of check_record.
    """
    source = _open(name, split, config, options or RowOptions())
    if inventory is None:
        inventory = sorted(_labels_of(source))
    yield from read_rows(lambda: _rows(source), source.options, inventory=inventory, tally=tally)


def dataset_labels(name: str | Path, split: str, options: RowOptions, *, config: str = "") -> set[str]:
    """All labels of a split: the names its columns declare, or else those its rows list."""
    return _labels_of(_open(name, split, config, options))


def _labels_of(source: _Source) -> set[str]:
    names = _class_names(source.features.get(source.options.labels))
    if names is not None:
        return set(names)
    lists_none = not {source.options.labels, "label", "accept"} & source.features.keys()
    if lists_none and source.options.dialect in ("auto", "plain", "tagged"):
        return set()
    return listed_labels(_rows(source), source.options)


def _open(name: str | Path, split: str, config: str, options: RowOptions) -> _Source:
    shown = name.as_posix() if isinstance(name, Path) else name
    path = Path(name)
    if not path.exists() and (path.suffix == ".parquet" or not _HUB_NAME.fullmatch(shown)):
        raise ValueError(Errors.BC634.format(name=shown, why="there is no such file or folder"))
    try:
        import datasets
    except ImportError:
        raise ValueError(Errors.BC632.format(name=shown)) from None
    with _quiet():
        try:
            splits = _load(datasets, path, shown, config)
        except Exception as error:  # what pyarrow and the hub raise may quote rows, or fill screens
            raise ValueError(Errors.BC634.format(name=shown, why=_why(error, path))) from None
    chosen = split or (next(iter(splits)) if len(splits) == 1 else "")
    if chosen not in splits:
        why = f"it has the splits {', '.join(splits)}" + (f", but not '{split}'" if split else "")
        raise ValueError(Errors.BC634.format(name=shown, why=why))
    rows = splits[chosen]
    features = dict(getattr(rows, "features", None) or {})
    if not features:  # CSV and JSONL of a folder declare none: their first row names the columns
        features = dict.fromkeys(next(_guarded(rows, shown), {}))
    stem = f"{plain_stem(path) if path.is_file() else path.resolve().name}-{chosen}"
    return _Source(shown, stem, rows, features, options.for_columns(features))


def _load(datasets: Any, path: Path, name: str, config: str) -> Mapping[str, Any]:
    """Splits by name."""
    if path.is_dir() and any((path / part).exists() for part in _SAVED):
        saved = datasets.load_from_disk(str(path))
        return saved if isinstance(saved, Mapping) else {str(saved.split or "train"): saved}
    facts: dict[str, Any] = {"streaming": True}
    # Old versions could run code that lies beside the data; new ones have no such argument.
    if "trust_remote_code" in inspect.signature(datasets.load_dataset).parameters:
        facts["trust_remote_code"] = False
    if path.exists():
        with _uncounted(datasets.config):
            if path.is_dir():
                return datasets.load_dataset(str(path), **facts)
            return datasets.load_dataset("parquet", data_files=glob.escape(str(path)), **facts)
    if datasets.config.HF_HUB_OFFLINE:
        facts["streaming"] = False  # from the cache
    return datasets.load_dataset(name, config or None, **facts)


def _rows(source: _Source) -> Iterator[tuple[Place, dict[str, Any]]]:
    names = {column: _class_names(feature) for column, feature in source.features.items()}
    for number, row in enumerate(_guarded(source.rows, source.name), start=1):
        place = Place(source.name, number, source.stem, Errors.BC633)
        yield place, _decoded(row, names, place, source.options)


def _guarded(rows: Iterable[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    """Rows; what goes wrong underneath is told in our words."""
    with _quiet():
        iterator: Iterator[Mapping[str, Any]] | None = None
        while True:
            try:
                iterator = iter(rows) if iterator is None else iterator
                row = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                raise ValueError(Errors.BC634.format(name=name, why=_why(error, Path(name)))) from None
            yield row


def _decoded(
    row: Mapping[str, Any], names: Mapping[str, list[str] | None], place: Place, options: RowOptions
) -> dict[str, Any]:
    """A row as JSON would have it: names for numbers, strings for dates, nothing for null."""
    made: dict[str, Any] = {}
    for column, value in row.items():
        known = names.get(column)
        if known is not None:
            value = _named(value, known, place, column)
        elif column in (options.labels, options.id) and _is_number(value):
            value = str(value)
        elif column == options.labels and isinstance(value, list) and all(map(_is_number, value)):
            value = [str(part) for part in value]
        elif column == options.spans and isinstance(value, Mapping):
            value = _transposed(value, place, column)
        if value is not None or column == options.tags:
            made[column] = _json_like(value)
    return made


def _named(value: Any, names: Sequence[str], place: Place, column: str) -> Any:
    """The name of a class, or of each in a list; None (not annotated) for negative numbers."""
    if isinstance(value, list):
        found = [_named(part, names, place, column) for part in value]
        return None if None in found else found
    if value is None or (_is_number(value) and value < 0):
        return None
    if not _is_number(value) or value >= len(names):
        raise place.refuse(f'"{column}" holds a class that has no name')
    return names[value]


def _transposed(value: Mapping[str, Any], place: Place, column: str) -> list[dict[str, Any]]:
    """A list of objects that the data set stores as an object of lists."""
    lists = [part for part in value.values() if isinstance(part, list)]
    if len(lists) != len(value) or len({len(part) for part in lists}) > 1:
        raise place.refuse(f'"{column}" is not a list')
    return [dict(zip(value, parts)) for parts in zip(*lists)]


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list):
        feature = feature[0] if feature else None
    inner = getattr(feature, "feature", feature)
    return list(inner.names) if hasattr(inner, "int2str") else None


def _json_like(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_like(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_like(part) for part in value]
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _why(error: Exception, path: Path) -> str:
    if not path.exists() and isinstance(error, (OSError, RuntimeError)):
        missing = type(error).__name__ in ("DatasetNotFoundError", "FileNotFoundError")
        return (
            "the hub has none of this name"
            if missing
            else "it is no file or folder, and the hub is out of reach"
        )
    if type(error).__name__ == "ValueError" and not path.exists():
        return "the hub's data set needs a configuration, or code of its own, which is never run"
    return f"the files are damaged or of another format ({type(error).__name__})"


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the libraries underneath log: it may quote rows, and what matters is raised."""
    global _holders
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    if not _holders:
        _levels[:] = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
    _holders += 1
    try:
        yield
    finally:
        _holders -= 1
        if not _holders:
            for logger, level in zip(loggers, _levels):
                logger.setLevel(level)


@contextmanager
def _uncounted(config: Any) -> Iterator[None]:
    """Have the package not tell the hub that a file of this machine is read (it counts loads, by network)."""
    counts = getattr(config, "HF_UPDATE_DOWNLOAD_COUNTS", None)
    config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        config.HF_UPDATE_DOWNLOAD_COUNTS = counts
