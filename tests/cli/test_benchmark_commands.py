"""`python -m spacy bioclinical benchmark …` from end to end on tiny encoders; what they measure is not judged here."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
import typer
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.benchmark import length, pipeline
from spacy_bioclinical.cli.benchmark import speed as speed_module
from spacy_bioclinical.cli.benchmark.children import Here
from spacy_bioclinical.cli.benchmark.racers import products
from spacy_bioclinical.cli.benchmark.worker import build

TINY = ["--encoder", "tiny", "--precision", "fp32"]


@pytest.fixture
def in_this_process(monkeypatch):
    """Contestants without processes of their own: starting five of them takes longer than all they do."""
    for module in (length, pipeline, speed_module):
        monkeypatch.setattr(module, "Child", lambda spec, environment, python: Here(build(spec)))
    monkeypatch.setattr(products, "LEAST_SECONDS", 0.0)


def run(*words):
    return CliRunner().invoke(bioclinical, ["benchmark", *map(str, words)])


def test_every_option_is_explained():
    group = typer.main.get_command(bioclinical).commands["benchmark"]
    assert set(group.commands) == {"speed", "pipeline", "length", "precision"}
    for name, command in group.commands.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def test_speed_runs_beside_its_peers_in_processes_of_their_own(tmp_path):
    output = tmp_path / "new" / "speed.json"
    arguments = [*TINY, "--length", 24, "--documents", 3, "--rounds", 1, "--threads", 1, "--output", output]
    done = run("speed", *arguments)
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text())
    assert not written["failed"]
    kinds = {facts["kind"] for facts in written["contestants"].values()}
    assert kinds == {"products", "packed", "transformers", "component", "spacy-transformers"}
    assert {facts["threads"] for facts in written["contestants"].values()} == {1}
    rows = written["results"]["speed"]
    assert len(rows) == 4 * 2 + 1
    assert all(row["ktok_per_second"]["median"] > 0 for row in rows)
    assert all(row["peak_mb_of_one_document"] is not None for row in rows)
    assert written["signature"]["settings"]["seed"] == 0
    ElementTree.fromstring(output.with_suffix(".svg").read_text())
    for part in (
        "tiny packed auto fp32",
        "transformers sdpa fp32",
        "TFLOP/s",
        "torch:",
        "variable documents run at",
    ):
        assert part in done.output

    again = run("speed", *arguments, "--resume")
    assert again.exit_code == 0, again.output
    resumed = json.loads(output.read_text())
    assert resumed["runs"] == written["runs"]
    assert resumed["results"] == written["results"]
    other = run("speed", *arguments, "--resume", "--seed", 1)
    assert other.exit_code == 1
    assert "BC531" in other.output
    assert json.loads(output.read_text()) == resumed, "a refused run leaves the file alone"


def test_speed_takes_several_encoders_kernels_and_no_peer(tmp_path, in_this_process):
    output = tmp_path / "speed.json"
    sizes = [
        "--length",
        16,
        "--length",
        600,
        "--documents",
        2,
        "--documents",
        1,
        "--rounds",
        2,
        "--warmup",
        0,
    ]
    chosen = ["--encoder", "tiny", "--encoder", "tiny-bert", "--kernel", "auto", "--kernel", "banded"]
    done = run(
        "speed",
        *chosen,
        "--precision",
        "fp32",
        "--peer",
        "none",
        "--no-equal-mean",
        *sizes,
        "--output",
        output,
    )
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text())
    assert not written["failed"]
    assert {row["key"] for row in written["results"]["speed"]} == {
        f"{encoder} packed {kernel} fp32"
        for encoder in ("tiny", "tiny-bert")
        for kernel in ("auto", "banded")
    }
    assert len(written["results"]["speed"]) == 4 * 4, "600 pieces are windows for an encoder of 512"
    assert written["results"]["variable_to_equal_mean"] == []
    assert all(len(runs) == 2 for sets in written["runs"].values() for runs in sets.values())


def test_pipelines_run_side_by_side(tmp_path, in_this_process):
    output = tmp_path / "pipeline.json"
    sizes = ["--notes", 1, "--words", 120, "--rounds", 1, "--warmup", 0, "--output", output]
    done = run("pipeline", *TINY, "--window-encoder", "tiny-bert", *sizes)
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text())
    assert not written["failed"]
    assert [row["key"] for row in written["results"]["pipelines"]] == [
        "ours tiny whole fp32",
        "spacy-transformers tiny whole fp32",
        "spacy-transformers tiny-bert 128/96 fp32",
    ]
    assert written["sets"]["notes"]["words"] == 120
    assert 1.1 < written["sets"]["notes"]["pieces_per_word"]["tiny"] < 2
    assert "pieces a word" in done.output
    ElementTree.fromstring(output.with_suffix(".svg").read_text())


def test_length_compares_both_implementations_and_windows(tmp_path, in_this_process):
    output = tmp_path / "length.json"
    sizes = ["--pieces", 32, "--long", 9000, "--rounds", 1, "--warmup", 0, "--output", output]
    done = run("length", *TINY, *sizes)
    assert done.exit_code == 0, done.output
    rows = json.loads(output.read_text())["results"]["length"]
    assert [row["kind"] for row in rows] == ["packed", "transformers", "component"]
    assert all(row["ratio"]["median"] > 0 for row in rows)
    refused = run("length", *TINY, "--pieces", 5000)
    assert refused.exit_code == 1
    assert "BC530" in refused.output
    assert "Traceback" not in refused.output


def test_precision_prints_and_writes(tmp_path):
    output = tmp_path / "precision.json"
    done = run("precision", "--encoder", "tiny", "--length", 20, "--gain", 2, "--output", output)
    assert done.exit_code == 0, done.output
    assert "packed bf16 / packed fp32" in done.output
    assert json.loads(output.read_text())["gain"] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["speed", "--encoder", "tiny", "--kernel", "warp"], "BC102"),
        (["speed", "--encoder", "./no/such/folder"], "BC104"),
        (["speed", "--encoder", "tiny", "--edsnlp", "no/such/python"], "BC532"),
        (["speed", "--encoder", "tiny", "--length", "8", "--resume"], "BC530"),
        (["pipeline", "--encoder", "tiny", "--peer", "flair"], "BC530"),
        (["precision", "--encoder", "tiny", "--length", "9999"], "BC530"),
    ],
)
def test_wrong_arguments_end_with_one_message(words, code):
    done = run(*words)
    assert done.exit_code == 1
    assert code in done.output
    assert "Traceback" not in done.output
