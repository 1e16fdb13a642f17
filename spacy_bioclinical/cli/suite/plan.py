"""What a suite is made of: tasks, encoders, recipes and seeds, read from a file of configs/suite and from options.

A suite is data. A file names everything; options choose among what it names, or name tasks and encoders without a
file. The rules of precedence, later ones win: the task's overlays and settings, its settings for the encoder's size,
the suite's overlays, the recipe's, the encoder's own, single values from the command line.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacy_bioclinical.errors import Errors

METRICS = ("entity_f", "spans_f", "weighted_f", "micro_f", "macro_f")
BEYOND = ("read", "miss", "leave-out")
LEARN_RATE = "training.optimizer.learn_rate.initial_rate"
PUBLISHED_SEED = "configs/protocol/published_seed.cfg"
PROTOCOL_KEYS = {
    "suite": {
        "name",
        "seeds",
        "overlays",
        "encoder_overlays",
        "published",
        "tasks",
        "encoders",
        "recipes",
        "sweep",
    },
    "task": {"overlays", "settings", "by_size", "metric", "test"},
    "encoder": {"source", "size", "overlays", "settings"},
    "recipe": {"overlays", "settings", "cut", "beyond", "calibrate"},
    "sweep": {"key", "values", "low", "high", "trials"},
}


@dataclass(frozen=True)
class Task:
    """One task.

    name (str): as rows and tables call it.
    overlays (tuple[str, ...]): files, the first of them is usually configs/task/NAME.cfg.
    settings (dict): dotted key to value.
    by_size (dict): size of an encoder ("base", "large") to settings, for the rates of the paper's Table 5.
    metric (str | None): headline score, one of METRICS or a dotted path in the report; None: as the head says.
    test (str | None): the corpus to be tested on; None: test.spacy of the corpus folder.
    """

    name: str
    overlays: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    by_size: dict[str, dict[str, Any]] = field(default_factory=dict)
    metric: str | None = None
    test: str | None = None


@dataclass(frozen=True)
class EncoderChoice:
    """One encoder: its name in tables, where it is (folder or name), its size class, and what it needs."""

    name: str
    source: str
    size: str | None = None
    overlays: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    overlays, settings: laid over every task.
    cut (int | str | None): documents end after so many pieces, "context": after the encoder's context.
    beyond (str): "read": documents are read whole, in windows; "miss": they are cut, and gold mentions beyond the
        cut count as misses; "leave-out": they are cut, and what is beyond is not scored, as published.
    calibrate (bool): what is scored on test is a copy of the pipeline that was calibrated on dev; the training is the
        same. Trials of a sweep are scored on dev, so they are not calibrated.
    """

    name: str
    overlays: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    cut: int | str | None = None
    beyond: str = "read"
    calibrate: bool = False

    @property
    def label(self) -> str:
        """The name in rows and tables, which tells whether pipelines were calibrated."""
        is_told = not self.calibrate or re.search(r"\bcalibrated\b", self.name)
        return self.name if is_told else f"{self.name}+calibrated"


@dataclass(frozen=True)
class Sweep:
    """One setting to be chosen on dev: from a list of values, or by TPE from a range (log scale)."""

    name: str
    key: str
    values: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    trials: int = 8


@dataclass(frozen=True)
class Suite:
    """All cells of a suite are the product of tasks, encoders, recipes and seeds."""

    name: str = "suite"
    tasks: tuple[Task, ...] = ()
    encoders: tuple[EncoderChoice, ...] = ()
    recipes: tuple[Recipe, ...] = (Recipe("default"),)
    seeds: tuple[int, ...] = (42, 43, 44, 45, 46)
    overlays: tuple[str, ...] = ()
    encoder_overlays: str | None = "configs/encoder"
    settings: dict[str, Any] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    sweeps: dict[str, Sweep] = field(default_factory=dict)


def read_suite(path: Path) -> Suite:
    """Read a suite file.

    path (Path): YAML; see configs/suite.
    RETURNS (Suite): everything it names.
    RAISES (ValueError): BC456 for a key or a value that is not known, with the file.
    """
    import srsly

    try:
        data = srsly.read_yaml(path)
    except (OSError, ValueError) as error:
        raise _bad(f"the suite file {path}", type(error).__name__, "a readable YAML file") from None
    if not isinstance(data, dict):
        raise _bad(f"the suite file {path}", type(data).__name__, "a mapping")
    _check_keys(data, "suite", path)
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in ("tasks", "encoders", "recipes", "sweep"):
        parts[kind] = {str(name): dict(part or {}) for name, part in (data.get(kind) or {}).items()}
        for part in parts[kind].values():
            _check_keys(part, kind.removesuffix("s"), path)
    for part in [*parts["tasks"].values(), *parts["encoders"].values(), *parts["recipes"].values()]:
        part["overlays"] = tuple(part.get("overlays") or ())
    tasks = []
    for name, part in parts["tasks"].items():
        part["overlays"] = part["overlays"] or (f"configs/task/{name}.cfg",)
        tasks.append(Task(name, **part))
    recipes = tuple(_checked(Recipe(name, **part)) for name, part in parts["recipes"].items())
    return Suite(
        name=str(data.get("name", path.stem)),
        tasks=tuple(tasks),
        encoders=tuple(
            EncoderChoice(name, **{"source": name, **part}) for name, part in parts["encoders"].items()
        ),
        recipes=recipes or (Recipe("default"),),
        seeds=parse_seeds(data.get("seeds", "42-46")),
        overlays=tuple(data.get("overlays") or ()),
        encoder_overlays=data.get("encoder_overlays", "configs/encoder"),
        published=tuple(data.get("published") or ()),
        sweeps={name: sweep_of(name, part) for name, part in parts["sweep"].items()},
    )


def choose(
    suite: Suite,
    *,
    tasks: list[str] | None = None,
    encoders: list[str] | None = None,
    recipes: list[str] | None = None,
    seeds: str | None = None,
    overlays: list[str] | None = None,
    settings: dict[str, Any] | None = None,
    beyond: str | None = None,
    published_seed: bool = False,
    metric: str | None = None,
    calibrate: bool = False,
) -> Suite:
    """Let options choose among what a suite names, and add to it.

    suite (Suite): as read, or empty.
    tasks (list[str]): names of the suite, names of configs/task, or overlay files. None: all of the suite.
    encoders (list[str]): names of the suite, folders, or names of the catalogue. None: all of the suite.
    recipes (list[str]): names of the suite. None: all of them.
    seeds (str): "42-46" or "1,2,5". overlays (list[str]): laid over every recipe. settings (dict): dotted keys.
    beyond (str): one of BEYOND, for every recipe. published_seed (bool): data order and dropout alike in all runs.
    metric (str): headline score of every task. calibrate (bool): on dev before scoring, in every recipe.
    RETURNS (Suite): with at least one task, encoder and seed.
    RAISES (ValueError): BC456.
    """
    if tasks is not None:
        suite = replace(suite, tasks=tuple(_task(name, suite) for name in tasks))
    if encoders is not None:
        known = {each.name: each for each in suite.encoders}
        found = [known.get(name) or EncoderChoice(_encoder_name(name), name) for name in encoders]
        suite = replace(suite, encoders=tuple(found))
    if recipes is not None:
        table = {each.name: each for each in suite.recipes}
        for name in recipes:
            if name not in table:
                raise _bad("--recipes", name, f"one of {', '.join(table)}")
        suite = replace(suite, recipes=tuple(table[name] for name in recipes))
    if seeds is not None:
        suite = replace(suite, seeds=parse_seeds(seeds))
    added = tuple(overlays or ()) + ((PUBLISHED_SEED,) if published_seed else ())
    if added:
        longer = tuple(replace(each, overlays=(*each.overlays, *added)) for each in suite.recipes)
        suite = replace(suite, recipes=longer)
    if beyond is not None:
        cut = None if beyond == "read" else "context"
        changed = (_checked(replace(each, cut=cut, beyond=beyond)) for each in suite.recipes)
        suite = replace(suite, recipes=tuple(changed))
    if calibrate:
        suite = replace(suite, recipes=tuple(replace(each, calibrate=True) for each in suite.recipes))
    if metric is not None:
        suite = replace(suite, tasks=tuple(replace(task, metric=metric) for task in suite.tasks))
    suite = replace(suite, settings={**suite.settings, **(settings or {})})
    named = {
        "--tasks": [task.name for task in suite.tasks],
        "--encoders": [encoder.name for encoder in suite.encoders],
        "--recipes": [recipe.label for recipe in suite.recipes],
    }
    for option, names in named.items():
        if not names:
            raise _bad(option, "not given", "given where no --suite file names any")
        if len(set(names)) < len(names):
            raise _bad(
                option, ", ".join(names), "different names, for rows and folders are told apart by them"
            )
    return suite


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Read seeds: 42, "42-46", "1,2,5" or a list. RAISES (ValueError): BC456 for anything else."""
    parts = [str(part) for part in value] if isinstance(value, list) else str(value).split(",")
    seeds: list[int] = []
    for part in parts:
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise _bad("--seeds", repr(value), "numbers such as 42-46 or 1,2,5")
        seeds += [seed for seed in range(first, last + 1) if seed not in seeds]
    return tuple(seeds)


def sweep_of(name: str, part: dict[str, Any]) -> Sweep:
    """Make a sweep of a name and a part of a suite file.

    RAISES (ValueError): BC456 if it has neither values nor a range, or both.
    """
    key = part.get("key") or (LEARN_RATE if name == "learn_rate" else name)
    sweep = Sweep(
        name,
        key=key,
        values=tuple(float(value) for value in part.get("values") or ()),
        low=float(part.get("low") or 0.0),
        high=float(part.get("high") or 0.0),
        trials=int(part.get("trials") or 8),
    )
    is_range = 0 < sweep.low < sweep.high
    if "." not in key or bool(sweep.values) == is_range or sweep.trials < 1:
        wanted = "a dotted setting with values (1e-5,2e-5,5e-5) or a range above 0 (1e-5:2e-4)"
        raise _bad(f"the sweep {name}", f"{key} {list(sweep.values)} {sweep.low}:{sweep.high}", wanted)
    return sweep


def settings_for(suite: Suite, task: Task, encoder: EncoderChoice, recipe: Recipe) -> dict[str, Any]:
    """RETURNS (dict): dotted settings of a cell, later parts winning."""
    by_size = task.by_size.get(encoder.size or "", {})
    return {**task.settings, **by_size, **encoder.settings, **recipe.settings, **suite.settings}


def overlays_for(suite: Suite, task: Task, encoder: EncoderChoice, recipe: Recipe) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): overlay files of a cell, later ones winning."""
    return (*task.overlays, *suite.overlays, *recipe.overlays, *encoder.overlays)


def _task(name: str, suite: Suite) -> Task:
    known = {task.name: task for task in suite.tasks}
    if name in known:
        return known[name]
    if name.endswith(".cfg"):
        return Task(Path(name).stem, (name,))
    file = f"configs/task/{name}.cfg"
    if not Path(file).is_file():
        names = sorted({*known, *(path.stem for path in Path("configs/task").glob("*.cfg"))})
        raise _bad("--tasks", name, f"an overlay file or one of: {', '.join(names)}")
    return Task(name, (file,))


def _encoder_name(source: str) -> str:
    return Path(source).name if Path(source).is_dir() else source


def _checked(recipe: Recipe) -> Recipe:
    is_cut = recipe.cut == "context" or (isinstance(recipe.cut, int) and recipe.cut >= 16)
    if recipe.beyond not in BEYOND or is_cut != (recipe.beyond != "read") or (recipe.cut and not is_cut):
        given = f"cut {recipe.cut}, beyond {recipe.beyond}"
        wanted = "cut (pieces, 16 or more, or context) with beyond miss or leave-out, or neither"
        raise _bad(f"the recipe {recipe.name}", given, wanted)
    if not isinstance(recipe.calibrate, bool):
        raise _bad(f"calibrate of the recipe {recipe.name}", repr(recipe.calibrate), "true or false")
    return recipe


def _check_keys(part: dict[str, Any], kind: str, path: Path) -> None:
    for key in part:
        if key not in PROTOCOL_KEYS[kind]:
            known = ", ".join(sorted(PROTOCOL_KEYS[kind]))
            raise _bad(f"a key of a {kind} in {path}", repr(key), f"one of {known}")


def _bad(what: str, given: str, wanted: str) -> ValueError:
    return ValueError(Errors.BC456.format(what=what, given=given, wanted=wanted))
