"""Suite files and options, the machine's share for each child, best steps, and children that can be ended."""

import signal
import threading
import time
from pathlib import Path

import pytest

from spacy_bioclinical.cli.suite import machine
from spacy_bioclinical.cli.suite.best_step import best_step
from spacy_bioclinical.cli.suite.cells import metric_of
from spacy_bioclinical.cli.suite.children import Children, environment_for, error_of
from spacy_bioclinical.cli.suite.config_text import config_hash, context_of, interpolated, steps_of, with_seed
from spacy_bioclinical.cli.suite.plan import (
    PUBLISHED_SEED,
    Suite,
    choose,
    overlays_for,
    parse_seeds,
    read_suite,
    settings_for,
)
from spacy_bioclinical.cli.suite.run_suite import run_cells
from spacy_bioclinical.cli.suite.table import read_published
from tests.cli.suite_stub import CONFIG, make_place, make_planner, make_results, make_suite

FILE = """
name: tried
seeds: [3, 4-5]
overlays: [all.cfg]
tasks:
  first: {settings: {a.b: 1, a.c: 1}, by_size: {large: {a.b: 2}}, metric: entity_f}
  second: {overlays: [x.cfg, y.cfg]}
encoders:
  small: {source: folder/small, size: base}
  big: {size: large, settings: {a.d: 3}}
recipes:
  plain: {}
  short: {overlays: [short.cfg], settings: {a.d: 4}, cut: context, beyond: miss}
sweep:
  learn_rate: {values: [0.00001, 0.0001]}
"""
CANARY = "Quillfeather"


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "tried.yml").write_text(FILE)
    return read_suite(tmp_path / "tried.yml")


def test_suite_file_is_read(suite):
    assert suite.seeds == (3, 4, 5)
    first, second = suite.tasks
    small, big = suite.encoders
    plain, short = suite.recipes
    assert first.overlays == ("configs/task/first.cfg",)
    assert big.source == "big"
    assert settings_for(suite, first, small, plain) == {"a.b": 1, "a.c": 1}
    assert settings_for(suite, first, big, plain) == {"a.b": 2, "a.c": 1, "a.d": 3}
    assert settings_for(suite, first, big, short)["a.d"] == 4
    assert overlays_for(suite, second, small, short) == ("x.cfg", "y.cfg", "all.cfg", "short.cfg")
    assert suite.sweeps["learn_rate"].values == (1e-5, 1e-4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metric:", "metrics:"),
        ("cut: context", "cut: 3"),
        ("beyond: miss", "beyond: maybe"),
        ("name: tried", "names: tried"),
        ("seeds: [3, 4-5]", "seeds: 5-3"),
        ("{values: [0.00001, 0.0001]}", "{low: 2, high: 1}"),
    ],
)
def test_mistakes_of_a_suite_file_are_told(tmp_path, old, new):
    (tmp_path / "bad.yml").write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match="BC456"):
        read_suite(tmp_path / "bad.yml")


def test_options_choose_among_what_the_file_names(suite, tmp_path):
    (tmp_path / "some").mkdir()
    chosen = choose(
        suite,
        tasks=["second", "own/other.cfg"],
        encoders=["big", str(tmp_path / "some"), "modernbert-base"],
        recipes=["plain"],
        seeds="7",
        overlays=["last.cfg"],
        settings={"a.d": 9},
        beyond="leave-out",
        published_seed=True,
        metric="micro_f",
    )
    assert [task.name for task in chosen.tasks] == ["second", "other"]
    assert chosen.tasks[1].overlays == ("own/other.cfg",)
    assert {task.metric for task in chosen.tasks} == {"micro_f"}
    assert [encoder.name for encoder in chosen.encoders] == ["big", "some", "modernbert-base"]
    (recipe,) = chosen.recipes
    assert recipe.overlays == ("last.cfg", PUBLISHED_SEED)
    assert (recipe.cut, recipe.beyond) == ("context", "leave-out")
    assert settings_for(chosen, chosen.tasks[0], chosen.encoders[0], recipe)["a.d"] == 9


@pytest.mark.parametrize(
    "options",
    [
        {"tasks": ["no_such_task"], "encoders": ["x"]},
        {"tasks": ["a.cfg"]},
        {"encoders": ["a"]},
        {"tasks": ["a.cfg", "b/a.cfg"], "encoders": ["x"]},
        {"tasks": ["a.cfg"], "encoders": ["x"], "recipes": ["none"]},
        {"tasks": ["a.cfg"], "encoders": ["x"], "seeds": "1-"},
    ],
)
def test_options_that_name_nothing_are_refused(options):
    with pytest.raises(ValueError, match="BC456"):
        choose(Suite(), **options)


def test_seeds():
    assert parse_seeds("42-46") == (42, 43, 44, 45, 46)
    assert parse_seeds("1, 5,2-3,2") == (1, 5, 2, 3)
    assert parse_seeds(0) == (0,)


def test_published_figures_need_a_source(tmp_path):
    (tmp_path / "one.yml").write_text("source: a paper\nfigures: {ner: {x: 50}, 'ner:A': {x: 25}}")
    assert read_published([tmp_path / "one.yml"]) == {
        "ner": {"x": (0.5, "a paper")},
        "ner:A": {"x": (0.25, "a paper")},
    }
    (tmp_path / "two.yml").write_text("figures: {ner: {x: 50}}")
    with pytest.raises(ValueError, match="BC456"):
        read_published([tmp_path / "two.yml"])


@pytest.mark.parametrize(
    ("n_cells", "weight", "gpus", "cores", "free", "expected"),
    [
        (10, 0, [], 16, None, 8),
        (3, 0, [], 16, None, 3),
        (10, 0, [0, 1], 2, None, 2),
        (10, 0, [], 1, None, 1),
        (10, 500_000_000, [], 16, 10_000_000_000, 2),
        (10, 500_000_000, [], 16, 1_000_000_000, 1),
    ],
)
def test_jobs_follow_cores_memory_and_gpus(n_cells, weight, gpus, cores, free, expected):
    assert machine.default_jobs(n_cells, weight, gpus, cores, free) == expected


def test_children_get_their_share_of_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    environment = environment_for(3)
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    assert environment["OMP_WAIT_POLICY"] == "passive"


def test_config_pieces():
    text = CONFIG.format(corpus="c", encoder="e")
    other = with_seed(text, 5)
    assert interpolated(other)["training"]["seed"] == 5
    assert config_hash(other) == config_hash(text)
    assert config_hash(CONFIG.format(corpus="d", encoder="f")) == config_hash(text)
    assert config_hash(text.replace("max_steps = 7", "max_steps = 8")) != config_hash(text)
    assert config_hash(text.replace("${system.seed}", "42")) != config_hash(text)
    assert steps_of({"max_steps": 3000}) == "3,000 steps"
    assert steps_of({"max_epochs": 10, "max_steps": 0}) == "10 epochs"
    assert steps_of({}) == "until patience ends"
    assert metric_of({"bioclinical_transformer", "textcat"}) == "weighted_f"
    assert metric_of({"bioclinical_spans", "textcat"}) == "spans_f"


def test_context_is_that_of_config_or_encoder(short_encoder_folder):
    config = interpolated(CONFIG.format(corpus="c", encoder="e"))
    assert context_of(config, short_encoder_folder) == 64
    config["components"]["transformer"]["model"]["context"] = None
    assert context_of(config, short_encoder_folder) == 64
    config["components"]["transformer"]["model"]["context"] = 32
    assert context_of(config, short_encoder_folder) == 32


def test_best_step_is_the_last_of_the_best(tmp_path):
    assert best_step(tmp_path) is None
    table = (
        "  0       0       1.00    2.00   10.00   0.10\n  1      20       0.50   12.00   0.12\nsome 1 0.99\n"
    )
    (tmp_path / "train.log").write_text(
        f"E    #   LOSS   SCORE\n---\n{table}  2      40       0.40   12.00   0.12\n"
    )
    assert best_step(tmp_path) == {"epoch": 2, "step": 40, "score": 0.12}
    (tmp_path / "log.csv").write_text("step,epoch,score,x\n5,1,0.5,\n9,2,,\n10,3,0.25,\n")
    assert best_step(tmp_path) == {"epoch": 1, "step": 5, "score": 0.5}


def test_error_of_a_child_is_our_message_or_a_kind_never_its_words(tmp_path):
    log = tmp_path / "log"
    assert error_of(log, -9) == "ended by signal 9"
    log.write_text(f"{CANARY}\n")
    assert error_of(log, 3) == "exit code 3"
    log.write_text(f"Traceback\n  File x\nspacy.errors.SomeError: {CANARY}\n")
    assert error_of(log, 1) == "SomeError (exit code 1)"
    log.write_text(
        "✘ Not so\n[BC104] Cannot find the encoder\n'x': why.\n\n✘ Failed\n[BC512] `python` ended.\n"
    )
    assert error_of(log, 1) == "[BC104] Cannot find the encoder 'x': why. (exit code 1)"


def test_children_are_ended_with_what_they_started(tmp_path):
    children = Children()
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(inner.pid, flush=True)\ninner.wait()\n"
    )
    codes = []
    log = tmp_path / "log"
    thread = threading.Thread(
        target=lambda: codes.append(children([str(tmp_path / "parent.py")], log, environment_for(1)))
    )
    thread.start()
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    inner = int(log.read_text())
    children.stop()
    thread.join(60)
    assert codes == [-signal.SIGTERM]
    while Path(f"/proc/{inner}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{inner}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{inner}/stat").exists()
    assert children(["-c", ""], log, environment_for(1)) == -signal.SIGTERM, "nothing starts after the end"


@pytest.fixture
def heard_interrupt():
    """Ctrl-C is ignored in processes that were started in the background; here it is heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interruption_ends_children_and_records_no_failure(tmp_path, heard_interrupt):
    suite = make_suite(tmp_path)
    cells = list(make_planner(tmp_path).cells(suite))
    started = threading.Event()

    class Waiting:
        stopped = False

        def __call__(self, arguments, log, environment):
            started.set()
            deadline = time.monotonic() + 60
            while not self.stopped and time.monotonic() < deadline:
                time.sleep(0.01)
            return -15

        def stop(self):
            self.stopped = True

    runner = Waiting()
    results = make_results(tmp_path)

    def tell_to_end():
        started.wait(30)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=tell_to_end).start()
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, make_place(tmp_path, runner), results, jobs=2, progress=False)
    assert results.failures() == results.rows() == []


def test_command_tells_mistakes_and_ends_with_one(tmp_path):
    from typer.testing import CliRunner

    from spacy_bioclinical.cli import bioclinical

    for words in (
        ["--tasks", "nothing"],
        ["--keep", "some"],
        ["--beyond", "x"],
        ["--gpu-ids", "x", "--tasks", "a.cfg"],
    ):
        done = CliRunner().invoke(bioclinical, ["evaluate-suite", *words])
        assert done.exit_code == 1, words
