"""How a row is to be read, where it stands, and what it falls into: the words the row formats share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from corpus_scripts.formats.files import plain_stem
from corpus_scripts.record import TextSpan
from spacy_bioclinical.errors import Errors

DIALECTS = ("auto", "plain", "prodigy", "doccano", "tagged")
TOKENS = ("ignore", "keep")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RowOptions:
    """Which keys (columns) hold what, and how a row is written.

    text, id, spans, cats, labels (str): Keys of a row; ``labels`` may hold a list of labels or a single one.
    words, tags (str): Keys of the tokens and their tags in a row that has no text (dialect "tagged").
    dialect (str): "plain" (ours), "prodigy", "doccano", "tagged", or "auto" to tell from the keys of each row.
    tokens (str): The tokens Prodigy stored: "ignore" (spaCy's tokenizer decides) or "keep" them.
    delimiter (str): Tables: what separates columns; "" goes by the ending (a tab for .tsv, else a comma).
    label_separator (str): Tables: separates the labels of one cell; "" takes the cell as one label.
    label_columns (tuple): Columns that are labels themselves and hold 0, 1 or what lies between.
    """

    text: str = "text"
    id: str = "id"
    spans: str = "spans"
    cats: str = "cats"
    labels: str = "labels"
    words: str = "tokens"
    tags: str = "ner_tags"
    dialect: str = "auto"
    tokens: str = "ignore"
    delimiter: str = ""
    label_separator: str = ""
    label_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, value, allowed in (
            ("rows.dialect", self.dialect, DIALECTS), ("rows.tokens", self.tokens, TOKENS),
        ):  # fmt: skip
            if value not in allowed:
                raise ValueError(
                    Errors.BC622.format(option=option, value=value, expected=" or ".join(allowed))
                )
        if len(self.delimiter) > 1 or self.delimiter in ("\r", "\n", '"'):
            raise ValueError(
                Errors.BC622.format(
                    option="rows.delimiter",
                    value=self.delimiter,
                    expected="one character, no quote or line end",
                )
            )

    def for_columns(self, columns: Collection[str]) -> RowOptions:
        """The options for a table: its labels stand in "label" if that is a column and "labels" is none."""
        if self.labels == "labels" and "labels" not in columns and "label" in columns:
            return replace(self, labels="label")
        return self


@dataclass(frozen=True)
class Place:
    """Where a row stands, for messages and for the ids of rows that have none.

    source (str): The file, or the name of a data set.
    number (int): Line of a file or row of a data set, from 1.
    stem (str): Begins made-up ids.
    message (str): The message of Errors that refuses a row of this format.
    """

    source: str
    number: int
    stem: str
    message: str = Errors.BC610

    @classmethod
    def in_file(cls, path: Path, line: int, message: str = Errors.BC610) -> Place:
        """The place of a line."""
        return cls(str(path), line, plain_stem(path), message)

    @property
    def name(self) -> str:
        """The id of a row without one, such as notes-00003."""
        return f"{self.stem}-{self.number:05d}"

    def refuse(self, why: str) -> ValueError:
        """The error to raise; ``why`` must not quote the row."""
        return ValueError(self.message.format(path=self.source, line=self.number, why=why))

    def __str__(self) -> str:
        return f"{self.source}, line {self.number}"


@dataclass
class Parts:
    """A row taken apart by its dialect.

    text (object): The text, checked later.
    spans (tuple | None): As in Record.
    cats (Mapping | None): As Record.labels.
    listed (list | None): The positive labels, if the row lists only these; instead of ``cats``.
    tokens (tuple | None): As in Record.
    meta (Mapping): The rest of the row.
    undecided (bool): ``listed`` is empty, and may just as well mean "no span found".
    """

    text: Any
    spans: tuple[TextSpan, ...] | None = None
    cats: Mapping[str, float] | None = None
    listed: list[str] | None = None
    tokens: tuple[tuple[int, int], ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    undecided: bool = False
