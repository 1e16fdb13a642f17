"""Turns, interruption, failure and figures, with contestants that only pretend to compute."""

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest
import typer

from spacy_bioclinical.cli.benchmark.chart import Bar, Panel, axis_steps, bar_chart
from spacy_bioclinical.cli.benchmark.children import Child, Here
from spacy_bioclinical.cli.benchmark.figures import Figure, rate, ratio, shown
from spacy_bioclinical.cli.benchmark.finish import finish, open_record, run_race
from spacy_bioclinical.cli.benchmark.memory import PeakMeter, resident_bytes
from spacy_bioclinical.cli.benchmark.protocol import answer
from spacy_bioclinical.cli.benchmark.race import Contestant, Race
from spacy_bioclinical.cli.benchmark.record import Record, differences
from spacy_bioclinical.cli.benchmark.signature import one_line, signature

SETS = {"fixed-8": {"pieces": 16}, "variable-8": {"pieces": 11}}


class NoMeter:
    """Says that each pass needs one byte more than the one before."""

    def __init__(self):
        self.peak = 0

    def settle(self):
        pass

    def start(self):
        self.peak += 1

    def above(self):
        return self.peak


class Pretender:
    """Notes what it is asked; fails or is interrupted when told to."""

    def __init__(self, key, log, fails_at=None, interrupts_at=None):
        self.key, self.log, self.fails_at, self.interrupts_at = key, log, fails_at, interrupts_at
        self.meter = NoMeter()
        self.n_runs = 0

    def load(self):
        return {"threads": 1}

    def run(self, name):
        self.n_runs += 1
        if self.n_runs == self.fails_at:
            raise RuntimeError("out of memory\nand much more")
        if self.n_runs == self.interrupts_at:
            raise KeyboardInterrupt
        self.log.append((self.key, name))
        return {"number": self.n_runs}

    def run_longest(self, name):
        self.log.append((self.key, f"longest of {name}"))


def contestant(key, level="encoder", kind="packed", precision="fp32", sets=tuple(SETS)):
    return Contestant(key, key, kind, level, "tiny", precision, {"kind": kind}, tuple(sets))


def race(keys, record, log, rounds=3, warmup=1, **options):
    """Race pretenders; options: key to what makes it fail."""
    racers = {key: Pretender(key, log, **options.get(key, {})) for key in keys}
    contestants = [contestant(key) for key in keys]
    return Race(
        contestants, record, rounds=rounds, warmup=warmup, launch=lambda one: Here(racers[one.key])
    ), racers


def test_contestants_take_turns_round_by_round():
    log = []
    record = Record(None, {}, SETS)
    race(["a", "b"], record, log, rounds=2)[0].run()
    prepared = [(key, what) for name in SETS for key in "ab" for what in (f"longest of {name}", name)]
    rounds = [(key, name) for _ in range(2) for name in SETS for key in "ab"]
    assert log == prepared + rounds
    assert all(len(record.runs(key, name)) == 2 for key in "ab" for name in SETS)
    assert all(run["seconds"] >= 0 and run["number"] for run in record.runs("a", "fixed-8"))
    assert record.data["peaks"]["a"]["fixed-8"] == {"document": 1, "set": 2}
    assert record.data["contestants"]["b"]["threads"] == 1


def test_sets_that_a_contestant_does_not_run_are_left_out():
    log = []
    record = Record(None, {}, SETS)
    racers = {key: Pretender(key, log) for key in "ab"}
    both = [contestant("a"), contestant("b", sets=["fixed-8"])]
    Race(both, record, rounds=1, warmup=0, launch=lambda one: Here(racers[one.key])).run()
    assert ("b", "variable-8") not in log
    assert [run for run in log if "longest" not in run[1]] == [
        ("a", "fixed-8"),
        ("b", "fixed-8"),
        ("a", "variable-8"),
    ]


def test_a_failing_contestant_drops_out_and_the_others_go_on():
    log = []
    record = Record(None, {}, SETS)
    race(["a", "b", "c"], record, log, b={"fails_at": 4})[0].run()
    assert record.data["failed"] == {"b": "RuntimeError: out of memory"}
    assert all(len(record.runs(key, name)) == 3 for key in "ac" for name in SETS)
    assert len(record.runs("b", "fixed-8")) == 1
    assert not record.runs("b", "variable-8")


def test_nothing_measured_is_an_error_that_says_why():
    record = Record(None, {}, SETS)
    failing = contestant("a")
    with pytest.raises(ValueError, match=r"BC533.*a: RuntimeError: out of memory"):
        run_race(
            [failing], record, rounds=1, warmup=1, launch=lambda one: Here(Pretender("a", [], fails_at=1))
        )


def test_interrupted_race_leaves_a_whole_file_and_goes_on_where_it_stopped(tmp_path):
    path, log = tmp_path / "speed.json", []
    arguments = ("benchmark test", {"rounds": 3}, SETS, {"OMP_NUM_THREADS": "1"}, -1, path)
    record = open_record(*arguments, False)
    first, _ = race(["a", "b"], record, log, b={"interrupts_at": 4})
    with pytest.raises(typer.Exit) as stopped:
        run_race(first.contestants, record, rounds=3, warmup=1, launch=first.launch)
    assert stopped.value.exit_code == 130
    kept = json.loads(path.read_text())
    assert [len(kept["runs"]["a"][name]) for name in SETS] == [1, 1]
    assert [len(kept["runs"]["b"].get(name, [])) for name in SETS] == [1, 0]
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"

    log.clear()
    resumed = open_record(*arguments, True)
    race(["a", "b"], resumed, log)[0].run()
    measured = [run for run in log if "longest" not in run[1]]
    assert measured[:4] == [(key, name) for name in SETS for key in "ab"], "the warm-up of new processes"
    assert measured[4:] == [("b", "variable-8")] + [
        (key, name) for _ in range(2) for name in SETS for key in "ab"
    ]
    assert all(len(resumed.runs(key, name)) == 3 for key in "ab" for name in SETS)
    assert resumed.data["sittings"] == 2

    log.clear()
    finished = open_record(*arguments, True)
    race(["a", "b"], finished, log)[0].run()
    assert not log, "nobody is started when nothing is missing"


def test_figures_of_another_run_are_not_mixed_in(tmp_path):
    path = tmp_path / "speed.json"
    open_record("benchmark test", {"rounds": 3, "seed": 0}, SETS, {}, -1, path, False).save()
    with pytest.raises(ValueError, match=r"BC531.*settings\.seed"):
        open_record("benchmark test", {"rounds": 3, "seed": 1}, SETS, {}, -1, path, True)
    with pytest.raises(ValueError, match=r"BC531.*machine\.threads"):
        open_record(
            "benchmark test", {"rounds": 3, "seed": 0}, SETS, {"OMP_NUM_THREADS": "77"}, -1, path, True
        )
    path.write_text("{")
    with pytest.raises(ValueError, match=r"BC531.*not a result file"):
        open_record("benchmark test", {}, SETS, {}, -1, path, True)
    with pytest.raises(ValueError, match=r"BC530.*--output"):
        open_record("benchmark test", {}, SETS, {}, -1, None, True)


def test_signature_tells_machine_versions_and_settings():
    signed = signature("benchmark test", {"rounds": 3, "lengths": [8, 16]}, {"OMP_NUM_THREADS": "2"})
    line = one_line(signed)
    for part in ("rounds:3", "lengths:8,16", "threads:2", "torch:", "spacy-bioclinical:"):
        assert part in line
    later = {**signed, "date": "another day"}
    assert not differences(signed, later)
    assert differences(signed, {**later, "command": "x"}) == ["command"]


def test_figures_are_medians_with_their_range_and_ratios_are_taken_within_rounds():
    ours = [{"seconds": value} for value in (1.0, 2.0, 4.0)]
    peer = [{"seconds": value} for value in (2.0, 4.0, 8.4, 100.0)]
    assert rate(8.0, ours) == Figure(4.0, 2.0, 8.0)
    assert ratio(ours, peer) == Figure(2.0, 2.0, 2.1)
    assert ratio(ours, []) is None
    assert shown(Figure(2.0, 1.5, 2.5)) == "2.00 [1.50–2.50]"
    assert shown(Figure(2.0, 2.0, 2.0)) == "2.00"
    assert shown(None) == "–"
    assert Figure(123456.0, 0.000123456, 1.0).as_dict() == {"median": 123500.0, "low": 0.0001235, "high": 1.0}


def test_chart_is_xml_and_holds_every_bar():
    panels = [
        Panel(
            f"set {i} & more",
            [
                Bar(f"who <{j}>", "packed", "fp32" if j else "bf16", 10.0 * j + 3, 3, 40, f"{j}.5×")
                for j in range(3)
            ],
        )
        for i in range(3)
    ]
    chart = bar_chart('A "title"', "kTok/s", panels, {"packed": "ours"}, "a note")
    root = ElementTree.fromstring(chart)
    name = "{http://www.w3.org/2000/svg}"
    texts = ["".join(text.itertext()) for text in root.iter(f"{name}text")]
    bars = [rect for rect in root.iter(f"{name}rect") if rect.get("height") == "15"]
    assert len(bars) == 9
    assert {
        "who <0>",
        "who <1>",
        "who <2>",
        "set 2 & more",
        "kTok/s",
        "a note",
        "ours",
        "paler: fp32",
    } <= set(texts)
    assert sum("23.0 2.5×" in text for text in texts) == 3
    widths = [float(bar.get("width")) for bar in bars[:3]]
    assert widths[1] / widths[0] == pytest.approx(13 / 3, rel=0.01)
    width, height = (float(root.get(key)) for key in ("width", "height"))
    for element in root.iter():
        for key, most in (("x", width), ("x2", width), ("y", height), ("y2", height)):
            assert 0 <= float(element.get(key, 0)) <= most
    assert "prefers-color-scheme: dark" in chart


@pytest.mark.parametrize(
    ("most", "steps"), [(4.0, (1.0, 4)), (0.5, (0.1, 5)), (93, (20.0, 5)), (1600, (500.0, 4))]
)
def test_axis_has_round_steps(most, steps):
    step, n_steps = axis_steps(most)
    assert (pytest.approx(step), n_steps) == steps
    assert step * n_steps >= most > step * (n_steps - 1)


def test_peak_meter_sees_what_was_held_and_given_back():
    meter = PeakMeter()
    meter.settle()
    meter.start()
    before = resident_bytes()
    held = bytearray(b"x") * (64 * 2**20)
    assert len(held) == 64 * 2**20
    del held
    assert 60 * 2**20 < meter.above() < 160 * 2**20
    if sys.platform == "linux":
        meter.start()
        assert meter.above() < 40 * 2**20, "an earlier peak is forgotten"
    assert resident_bytes() - before < 32 * 2**20


def test_answers_hold_facts_seconds_and_peaks():
    racer = Pretender("a", [])
    assert answer(racer, {"do": "load"}) == {"facts": {"threads": 1}}
    assert answer(racer, {"do": "memory", "set": "s"}) == {"peak_bytes": 1}
    told = answer(racer, {"do": "run", "set": "s"})
    assert told["seconds"] >= 0
    assert told["number"] == 1


def test_a_child_that_cannot_start_tells_why(tmp_path):
    import os

    child = Child({"kind": "no such kind"}, dict(os.environ))
    child.post({"do": "load"})
    assert "KeyError" in child.take()["error"]
    child.close()
    dead = Child({}, dict(os.environ), sys.executable)  # EDS-NLP's script, in an environment without EDS-NLP
    dead.post({"do": "load"})
    assert "error" in dead.take()
    dead._process.send_signal(signal.SIGKILL)
    dead._process.wait()
    dead.post({"do": "load"})
    assert "error" in dead.take()
    dead.close()


def test_children_end_when_we_do():
    code = (
        "import os, time\n"
        "from spacy_bioclinical.cli.benchmark.children import Child\n"
        "child = Child({'kind': 'packed'}, dict(os.environ))\n"
        "print(child._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    for _ in range(600):  # it looks for its parent once it has imported torch
        try:
            with open(f"/proc/{pid}/stat", encoding="utf8") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    raise AssertionError("the child outlived its parent")


def test_finish_writes_results_and_chart(tmp_path, capsys):
    record = open_record("benchmark test", {}, SETS, {}, -1, tmp_path / "out" / "speed.json", False)
    record.data["failed"]["a"] = "why"
    finish(record, {"speed": []}, "<svg/>")
    assert (tmp_path / "out" / "speed.svg").read_text() == "<svg/>"
    assert json.loads((tmp_path / "out" / "speed.json").read_text())["results"]["speed"] == []
    assert "a was left out" in capsys.readouterr().out
