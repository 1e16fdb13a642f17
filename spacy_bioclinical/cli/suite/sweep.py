"""Chooses one setting, the learning rate say, on dev alone: trials by optuna, the first seed, then all seeds with it.

A list of values is tried whole (grid); a range is searched by TPE on a logarithmic scale. optuna keeps its trials in
a journal file below metrics/, so a search that was interrupted goes on, and the training of the trial that was running
goes on too. Trials are cells like others: their rows stand in suite.json, scored on dev; test is never looked at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.suite.cells import SHORT, Cell, Planner, groups
from spacy_bioclinical.cli.suite.config_text import digest
from spacy_bioclinical.cli.suite.plan import Suite, Sweep, sweep_of
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_suite import PLANNING_ERRORS, Group, group_failure
from spacy_bioclinical.errors import Errors

RATES = (1e-5, 2e-5, 3e-5, 5e-5, 8e-5, 1e-4, 1.5e-4, 2e-4)
"""Tried for learn_rate if nothing else is said: from the least to the greatest of the paper's Table 5, and below."""


def find_sweep(suite: Suite, name: str, values: str | None, between: str | None, trials: int | None) -> Sweep:
    """Make a sweep of options and of what the suite file says.

    suite (Suite): may hold a sweep of this name. name (str): "learn_rate" or a dotted setting.
    values (str | None): "1e-5,2e-5". between (str | None): "1e-5:2e-4". trials (int | None): of a range.
    RETURNS (Sweep): the options win over the file.
    RAISES (ValueError): BC456 for numbers that are none.
    """
    known = suite.sweeps.get(name)
    part: dict[str, Any] = {"key": known.key} if known else {}
    try:
        if values is not None:
            part["values"] = [float(value) for value in values.split(",")]
        elif between is not None:
            part["low"], part["high"] = (float(value) for value in between.split(":"))
        elif known is not None:
            part |= {"values": known.values, "low": known.low, "high": known.high, "trials": known.trials}
        elif name == "learn_rate":
            part["values"] = RATES
    except ValueError:
        given = f"{values or ''} {between or ''}".strip()
        wanted = "numbers such as 1e-5,2e-5 (--sweep-values) or 1e-5:2e-4 (--sweep-range)"
        raise ValueError(Errors.BC456.format(what="the sweep", given=given, wanted=wanted)) from None
    if trials is not None:
        part["trials"] = trials
    return sweep_of(name, part)


class Search:
    """The trials of one task, encoder and recipe.

    base (Cell): the cell without the setting, with the first seed. make (Callable): value -> cell scored on dev.
    storage (Path): optuna's journal.
    """

    def __init__(self, base: Cell, make: Callable[[float], Cell], sweep: Sweep, storage: Path) -> None:
        optuna = load_optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.sweep, self.make = sweep, make
        self.name = search_name(base, sweep)
        if sweep.values:
            # every value is put into optuna's queue; its own GridSampler cannot try a failed one again
            sampler = optuna.samplers.RandomSampler(seed=base.seed)
        else:
            sampler = optuna.samplers.TPESampler(seed=base.seed, constant_liar=True)
        storage.parent.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(storage))
        self.study = optuna.create_study(
            study_name=self.name,
            storage=optuna.storages.JournalStorage(backend),
            sampler=sampler,
            direction="maximize",
            load_if_exists=True,
        )
        self._states = optuna.trial.TrialState
        self._asked: dict[str, Any] = {}  # signature of a cell -> trial
        self._tried: set[float] = set()  # in this process
        for trial in self.study.get_trials(deepcopy=False, states=(self._states.RUNNING,)):
            # left by an interruption; its training is there and goes on
            self.study.tell(trial.number, state=self._states.FAIL)
            if not sweep.values and trial.params:
                self.study.enqueue_trial(trial.params)

    def ask(self, at_most: int) -> list[Cell]:
        """RETURNS (list[Cell]): trials to be run next; of a grid all that are missing, none when the search is over."""
        if self.sweep.values:
            missing = sorted(set(self.sweep.values) - set(self.scores()) - self._tried)
            for value in missing:
                self.study.enqueue_trial({self.sweep.name: value})
            n_wanted = len(missing)
        else:
            n_wanted = min(at_most, self.sweep.trials - max(len(self.scores()), len(self._tried)))
        cells = []
        low, high = self._range()
        for _ in range(max(0, n_wanted)):
            trial = self.study.ask()
            value = trial.suggest_float(self.sweep.name, low, high, log=True)
            self._tried.add(value)
            cell = self.make(value)
            self._asked[cell.signature] = trial
            cells.append(cell)
        return cells

    def tell(self, cell: Cell, row: dict[str, Any] | None) -> None:
        """Report a trial: its row, scored on dev, or None if it failed."""
        trial = self._asked.pop(cell.signature)
        if row is None:
            self.study.tell(trial, state=self._states.FAIL)
        else:
            assert row["part"] == "dev"
            self.study.tell(trial, row["score"])

    def scores(self) -> dict[float, float]:
        """RETURNS (dict[float, float]): value -> score on dev, of the trials that are done."""
        done = self.study.get_trials(deepcopy=False, states=(self._states.COMPLETE,))
        return {trial.params[self.sweep.name]: float(trial.value) for trial in done}

    def best(self) -> tuple[float, float] | None:
        """RETURNS (tuple | None): the value with the best score on dev, the smaller one of equals, and that score."""
        scores = self.scores()
        if not scores:
            return None
        value = max(sorted(scores), key=lambda each: scores[each])
        return value, scores[value]

    def _range(self) -> tuple[float, float]:
        values = self.sweep.values
        return (min(values), max(values)) if values else (self.sweep.low, self.sweep.high)


def load_optuna() -> Any:
    """RETURNS (module): optuna. RAISES (ImportError): BC457."""
    try:
        import optuna
        import optuna.storages.journal
    except ImportError:
        raise ImportError(Errors.BC457) from None
    return optuna


def search_all(
    planner: Planner,
    suite: Suite,
    sweep: Sweep,
    storage: Path,
    results: Results,
    run: Callable[[list[Cell]], Any],
    at_most: int,
) -> tuple[dict[int, tuple[Sweep, float]], list[Cell], list[dict[str, Any]]]:
    """Search for every task, encoder and recipe of a suite at the same time.

    run (Callable): runs cells and puts their rows into results. at_most (int): trials of a range at once.
    RETURNS (tuple): number of a group -> the value chosen; all trials; groups without any trial that ended well.
    """
    searches: dict[str, Search] = {}
    members: dict[int, str] = {}  # number of a group -> its search; with calibration it is the same one
    failures: list[dict[str, Any]] = []
    trials: list[Cell] = []
    for number, group in enumerate(groups(suite)):
        try:
            base = planner.cell(suite, *group, suite.seeds[0], kind="sweep")
        except PLANNING_ERRORS as error:
            failures.append(group_failure(group, error))
            continue
        members[number] = search_name(base, sweep)
        if members[number] not in searches:
            make = _maker(planner, suite, group, sweep)
            searches[members[number]] = Search(base, make, sweep, storage)
    while True:
        asked = [(name, cell) for name, search in searches.items() for cell in search.ask(at_most)]
        if not asked:
            break
        run([cell for _, cell in asked])
        for name, cell in asked:
            searches[name].tell(cell, results.row(cell.signature))
            trials.append(cell)
    chosen: dict[int, tuple[Sweep, float]] = {}
    for number, name in members.items():
        search = searches[name]
        best = search.best()
        group = groups(suite)[number]
        if best is None:
            failures.append(group_failure(group, f"no trial of the sweep {sweep.name} ended well"))
            continue
        chosen[number] = (sweep, best[0])
        results.add_choice(
            {
                "signature": digest(["choice", search.name]),
                "task": group[0].name,
                "encoder": group[1].name,
                "recipe": group[2].name,
                "seed": suite.seeds[0],
                "parameter": sweep.name,
                "key": sweep.key,
                "value": best[0],
                "dev_score": best[1],
                "trials": [
                    {"value": value, "score": score} for value, score in sorted(search.scores().items())
                ],
                "sampler": "grid" if sweep.values else "TPE",
            }
        )
    return chosen, trials, failures


def search_name(base: Cell, sweep: Sweep) -> str:
    """RETURNS (str): tells a search from others by its cell without the setting, and by where it looks."""
    space = [sweep.key, sorted(sweep.values), sweep.low, sweep.high]
    told = digest([base.signature, space])[:SHORT]
    return "/".join((base.task, base.encoder, base.recipe, sweep.name, told))


def _maker(planner: Planner, suite: Suite, group: Group, sweep: Sweep) -> Callable[[float], Cell]:
    def make(value: float) -> Cell:
        return planner.cell(suite, *group, suite.seeds[0], sweep=sweep, value=value, kind="sweep")

    return make
