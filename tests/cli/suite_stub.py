"""A suite without training: configs of a few lines, and children that write at once what real ones write in hours."""

import json
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from confection import Config

from spacy_bioclinical.cli.suite.cells import Planner
from spacy_bioclinical.cli.suite.plan import EncoderChoice, Recipe, Suite, Task
from spacy_bioclinical.cli.suite.results import Results
from spacy_bioclinical.cli.suite.run_cell import Workplace
from spacy_bioclinical.training.predictions import DocumentPrediction, Mention, Mentions, write_predictions

RATE = "training.optimizer.learn_rate.initial_rate"
DEFAULT = (Recipe("default"),)
CONFIG = """
[paths]
corpus = "{corpus}"
train = ${{paths.corpus}}/train.spacy
dev = ${{paths.corpus}}/dev.spacy
encoder = "{encoder}"

[system]
seed = 0

[components]

[components.transformer]
factory = "bioclinical_transformer"

[components.transformer.model]
context = 64

[components.ner]
factory = "bioclinical_ner"

[training]
seed = ${{system.seed}}
max_steps = 7

[training.optimizer]

[training.optimizer.learn_rate]
initial_rate = 0.00005
"""


def make_suite(root, *, tasks=("one", "two"), encoders=("a", "b"), seeds=(1, 2), recipes=DEFAULT):
    """A suite of tasks whose corpora are a few bytes."""
    for task in tasks:
        (root / task).mkdir(exist_ok=True)
        for part in ("train", "dev", "test"):
            (root / task / f"{part}.spacy").write_bytes(f"{task} {part}".encode())
    return Suite(
        tasks=tuple(
            Task(task, (f"{task}.cfg",), {"paths.corpus": (root / task).as_posix()}) for task in tasks
        ),
        encoders=tuple(EncoderChoice(name, name) for name in encoders),
        recipes=recipes,
        seeds=tuple(seeds),
    )


def make_planner(root, weights=None):
    """A planner whose composed config is CONFIG with the settings, and whose encoders are names."""

    def compose(overlays, encoder, encoder_overlays, settings):
        corpus = settings.get("paths.corpus", "nowhere")
        config = Config().from_str(CONFIG.format(corpus=corpus, encoder=encoder), interpolate=False)
        for key, value in settings.items():
            *sections, last = key.split(".")
            block = config
            for section in sections:
                block = block.setdefault(section, {})
            block[last] = value
        return f"# {overlays}\n\n{config.to_str(interpolate=False)}"

    return Planner(
        compose, lambda source: (root / source, (weights or {}).get(source, f"weights of {source}"))
    )


def score_for(config: dict, part: str) -> float:
    """What a stubbed training reaches: best near a rate of 1e-4 on dev, near 1e-5 on test, a little by seed."""
    rate, seed = config["training"]["optimizer"]["learn_rate"]["initial_rate"], config["system"]["seed"]
    target = 1e-4 if part.startswith("dev") else 1e-5
    return round(0.9 - abs(rate - target) * 1000 + seed / 1000, 6)


@dataclass
class StubRunner:
    """A runner that trains nothing; `fails` says which calls fail, `seconds` how long each takes."""

    fails: object = None
    seconds: float = 0.0
    message: str = "ValueError: quoted note text"
    calls: list = field(default_factory=list)
    most_at_once: int = 0
    gpus: list = field(default_factory=list)
    _now: int = 0
    _lock: object = field(default_factory=threading.Lock)

    def __call__(self, arguments, log, environment):
        words = arguments[3:]
        option = {name: words[words.index(name) + 1] for name in words if name.startswith("--")}
        with self._lock:
            self.calls.append((words[0], option))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.gpus.append((int(option["--gpu-id"]), environment["OMP_NUM_THREADS"]))
        try:
            time.sleep(self.seconds)
            log.parent.mkdir(parents=True, exist_ok=True)
            if self.fails is not None and self.fails(words[0], option):
                with log.open("a") as file:
                    file.write(f"Traceback:\n  in a file\n{self.message}\n")
                return 1
            {"train": train, "calibrate": calibrate, "evaluate": evaluate}[words[0]](words, option)
            return 0
        finally:
            with self._lock:
                self._now -= 1

    def count(self, command):
        return sum(name == command for name, _ in self.calls)


def train(words, option):
    output = Path(option["--output"])
    for name in ("model-best", "model-last"):
        (output / name).mkdir(parents=True, exist_ok=True)
        (output / name / "config.cfg").write_text(Path(words[1]).read_text())
    (output / "log.csv").write_text("epoch,step,score\n1,10,0.5\n2,20,0.75\n3,30,0.75\n4,40,0.6\n")
    Path(option["--report"]).write_text(
        json.dumps({"minutes": 1.5, "device": "cpu", "dev": {"ents_f": 0.75}})
    )


def calibrate(words, option):
    assert Path(words[2]).name == "dev.spacy"
    shutil.copytree(words[1], option["--output"], dirs_exist_ok=True)
    (Path(option["--output"]) / "calibrated").touch()
    found = {"factory": "bioclinical_ner", "n": 9, "temperature": 1.25, "line": None, "thresholds": None}
    told = {"calibration": {"signature": {}, "components": {"ner": {**found, "before": {}, "after": {}}}}}
    Path(option["--report"]).write_text(json.dumps(told))


def evaluate(words, option):
    config = Config().from_disk(Path(words[1]) / "config.cfg")
    score = score_for(config, Path(words[2]).name)
    score = round(score + 0.03125 * (Path(words[1]) / "calibrated").is_file(), 6)
    Path(option["--output"]).write_text(json.dumps(report(score)))
    records = [
        DocumentPrediction("0", 20, 4, 6, 6, Mentions((Mention(0, 4, "DRUG"),), (Mention(0, 4, "DRUG"),)))
    ]
    write_predictions(option["--predictions"], records)


def report(score):
    prf = {"p": score, "r": score, "f": score}
    return {
        "documents": 3,
        "words_per_second": 1000.0,
        "entities": {"seqeval": prf, "spacy": prf, "per_type": {"DRUG": {**prf, "f": score / 2}}},
        "classes": {},
        "details": {"headline": {"entities.f": {"value": score}}},
    }


def make_place(root, runner, keep="best", threads=1):
    return Workplace(
        root / "training", runner, threads, keep, {"processor": "stub"}, {"spacy-bioclinical": "9.9"}
    )


def make_results(root):
    return Results(root / "metrics" / "suite.json")
