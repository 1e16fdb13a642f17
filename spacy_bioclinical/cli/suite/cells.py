"""One cell of a suite: a complete config, the data, the encoder and a seed, with a signature that tells it from others.

The signature covers what decides the result: the composed config with every default, the bytes of train, dev and test,
the bytes of the encoder, the seed, and how long documents are treated. It does not cover where things lie, nor the
machine and the version, which every row states. Composing fills in the defaults once for all seeds of a cell, about a
second.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.suite.config_text import (
    config_hash,
    context_of,
    digest,
    interpolated,
    steps_of,
    with_seed,
)
from spacy_bioclinical.cli.suite.plan import (
    EncoderChoice,
    Recipe,
    Suite,
    Sweep,
    Task,
    overlays_for,
    settings_for,
)
from spacy_bioclinical.errors import Errors

ENTITY_FACTORIES = {"bioclinical_ner", "ner", "beam_ner"}
SPAN_FACTORIES = {"bioclinical_spans", "spancat", "spancat_singlelabel"}
CALIBRATED_FACTORIES = (
    "bioclinical_ner",
    "bioclinical_spans",
    "bioclinical_textcat",
    "bioclinical_textcat_multilabel",
)
SHORT = 12  # digits of a signature in names of folders and in tables


@dataclass(frozen=True)
class Cell:
    """One training and its scores.

    task, encoder, recipe (str): names. seed (int). metric (str): headline score.
    kind (str): "run", or "sweep" for a trial that is scored on dev alone.
    config (str): the complete config.
    parts (dict[str, Path]): train, dev and test as converted; data (dict[str, str]): SHA-256 of each.
    source (str): the encoder's folder or name; weights (str): SHA-256 of its files.
    overlays, settings: what the config was composed of; config_hash (str): of all it says.
    cut (int | None), beyond (str): see `plan.Recipe`; cut is a number here.
    calibrated (bool): whether a copy calibrated on dev is scored; never so in a sweep.
    parameter, value: what a sweep set, None without one.
    steps (str): how long it trains, in words.
    training (str): signature of the training; signature (str): of training and scoring.
    """

    task: str
    encoder: str
    recipe: str
    seed: int
    metric: str
    config: str = field(repr=False)
    parts: dict[str, Path] = field(repr=False)
    data: dict[str, str] = field(repr=False)
    source: str = ""
    weights: str = ""
    overlays: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    kind: str = "run"
    cut: int | None = None
    beyond: str = "read"
    calibrated: bool = False
    parameter: str | None = None
    value: float | None = None
    steps: str = ""
    training: str = ""
    signature: str = ""

    @property
    def part(self) -> str:
        """The part it is scored on: test, or dev for a trial of a sweep."""
        return "dev" if self.kind == "sweep" else "test"

    @property
    def title(self) -> str:
        """A few words for progress and messages."""
        chosen = f" {self.parameter}={self.value:g}" if self.value is not None else ""
        return f"{self.task} · {self.encoder} · {self.recipe}{chosen} · seed {self.seed}"


class Planner:
    """Makes cells; each file is hashed and each config composed once.

    compose (Callable): (overlays, encoder, encoder_overlays, settings) -> the complete config's text.
    find_encoder (Callable): source -> (folder, SHA-256 of its files).
    """

    def __init__(
        self,
        compose: Callable[[list[str], str, str | None, dict[str, Any]], str] | None = None,
        find_encoder: Callable[[str], tuple[Path, str]] | None = None,
    ) -> None:
        self._compose = compose or compose_text
        self._find_encoder = find_encoder or find_encoder_folder
        self._texts: dict[str, str] = {}
        self._encoders: dict[str, tuple[Path, str]] = {}
        self._hashes: dict[Path, str] = {}

    def cells(self, suite: Suite) -> Iterator[Cell]:
        """YIELDS (Cell): the runs of a suite, by task, encoder, recipe and seed, in their order."""
        for task, encoder, recipe in groups(suite):
            for seed in suite.seeds:
                yield self.cell(suite, task, encoder, recipe, seed)

    def folder(self, source: str) -> Path:
        """RETURNS (Path): the folder of an encoder."""
        return self._encoder(source)[0]

    def cell(
        self,
        suite: Suite,
        task: Task,
        encoder: EncoderChoice,
        recipe: Recipe,
        seed: int,
        *,
        sweep: Sweep | None = None,
        value: float | None = None,
        kind: str = "run",
    ) -> Cell:
        """Make one cell.

        sweep, value: a setting chosen by a sweep, or tried by it (kind "sweep").
        RETURNS (Cell): signed.
        RAISES (ValueError): BC459 if a part of the corpus is missing, BC456 if no head can be calibrated and that is
            asked for, and what `compose` and `fetch` raise.
        """
        settings = settings_for(suite, task, encoder, recipe)
        if sweep is not None and value is not None:
            settings[sweep.key] = value
        overlays = overlays_for(suite, task, encoder, recipe)
        folder, weights = self._encoder(encoder.source)
        key = json.dumps([overlays, encoder.source, suite.encoder_overlays, settings], default=str)
        if key not in self._texts:
            self._texts[key] = self._compose(list(overlays), encoder.source, suite.encoder_overlays, settings)
        text = with_seed(self._texts[key], seed)
        plain = interpolated(text)
        parts = {name: Path(plain["paths"][name]) for name in ("train", "dev")}
        parts["test"] = Path(task.test) if task.test else parts["dev"].with_name("test.spacy")
        for name, path in parts.items():
            if not path.exists():
                raise ValueError(Errors.BC459.format(path=path, part=name, task=task.name))
            if path not in self._hashes:
                self._hashes[path] = data_hash(path)
        cut = recipe.cut
        if cut == "context":
            cut = context_of(plain, folder)
        factories = {block.get("factory") for block in plain["components"].values()}
        if recipe.calibrate and not factories & set(CALIBRATED_FACTORIES):
            given = f"asked for, for the heads of {task.name} ({', '.join(sorted(map(str, factories)))})"
            wanted = f"left out, or have one of {', '.join(CALIBRATED_FACTORIES)} to work on"
            raise ValueError(Errors.BC456.format(what="calibration", given=given, wanted=wanted))
        calibrated = recipe.calibrate and kind == "run"
        cell = Cell(
            task=task.name,
            encoder=encoder.name,
            recipe=recipe.label if calibrated else recipe.name,
            seed=seed,
            metric=task.metric or metric_of(factories),
            config=text,
            parts=parts,
            data={name: self._hashes[path] for name, path in parts.items()},
            source=str(folder),
            weights=weights,
            overlays=overlays,
            settings=settings,
            config_hash=config_hash(text),
            kind=kind,
            cut=cut if isinstance(cut, int) else None,
            beyond=recipe.beyond,
            calibrated=calibrated,
            parameter=sweep.name if sweep is not None and value is not None else None,
            value=value,
            steps=steps_of(plain["training"]),
        )
        return sign(cell)

    def _encoder(self, source: str) -> tuple[Path, str]:
        if source not in self._encoders:
            self._encoders[source] = self._find_encoder(source)
        return self._encoders[source]


def sign(cell: Cell) -> Cell:
    """RETURNS (Cell): the same with the signatures of its training and of its scores."""
    decides_training = [
        cell.config_hash,
        cell.data["train"],
        cell.data["dev"],
        cell.weights,
        cell.seed,
        cell.cut,
    ]
    training = digest(decides_training)
    decides_scores = [training, cell.kind, cell.data[cell.part], cell.beyond, cell.metric]
    if cell.calibrated:
        decides_scores.append("calibrated")
    return replace(cell, training=training, signature=digest(decides_scores))


def groups(suite: Suite) -> list[tuple[Task, EncoderChoice, Recipe]]:
    """RETURNS (list): what the seeds of a suite are run for."""
    return [
        (task, encoder, recipe)
        for task in suite.tasks
        for encoder in suite.encoders
        for recipe in suite.recipes
    ]


def group_names(group: tuple[Task, EncoderChoice, Recipe]) -> tuple[str, str, str]:
    """RETURNS (tuple[str, str, str]): task, encoder and recipe as rows and tables call them."""
    task, encoder, recipe = group
    return task.name, encoder.name, recipe.label


def data_hash(path: Path) -> str:
    """Hash a corpus as `evaluate` does: a file's SHA-256; for shards, that of the lines "sha256  name".

    path (Path): A .spacy file or a folder of shards.
    RETURNS (str): hexadecimal.
    """
    from spacy_bioclinical.training.shards import shards_of

    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{hashlib.sha256(shard.read_bytes()).hexdigest()}  {shard.relative_to(path).as_posix()}\n"
        for shard in shards_of(path)
    ]
    return hashlib.sha256("".join(lines).encode("utf8")).hexdigest()


def compose_text(
    overlays: list[str], encoder: str, encoder_overlays: str | None, settings: dict[str, Any]
) -> str:
    """Compose and fill a config, see `cli/compose.py`."""
    from spacy_bioclinical.cli.compose import compose, fill, header

    composition = compose(
        [Path(overlay) for overlay in overlays],
        encoder=encoder,
        encoder_overlays=Path(encoder_overlays) if encoder_overlays else None,
        overrides=settings,
    )
    return header(composition) + fill(composition)


def find_encoder_folder(source: str) -> tuple[Path, str]:
    """RETURNS (tuple[Path, str]): the encoder's folder, SHA-256 of its files. RAISES (ValueError): as `fetch`."""
    from spacy_bioclinical.cli.fetch import fetch

    folder, record = fetch(source)
    return folder, digest(record["files"])


def metric_of(factories: set[Any]) -> str:
    """RETURNS (str): headline score of a pipeline: entity F1, F1 of span groups, or weighted F1 of classes."""
    if factories & ENTITY_FACTORIES:
        return "entity_f"
    return "spans_f" if factories & SPAN_FACTORIES else "weighted_f"
