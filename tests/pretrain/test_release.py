"""Nothing leaves without reports of its very weights and a probe that does not say stop; then all of it, or nothing."""

import json
from dataclasses import replace

import pytest
import typer
from transformers import AutoModelForMaskedLM, AutoTokenizer
from typer.testing import CliRunner

from pretrain import release as module
from pretrain.evaluation_command import encoder_hash
from pretrain.inputs import inputs_record
from pretrain.release import STOPPED, main, release
from pretrain.schedules import Schedule
from pretrain.sources import parse_source
from pretrain.train import pretrain

APP = typer.Typer()
APP.command()(main)
MEAN = {"value": 0.5, "low": 0.4, "high": 0.6}


@pytest.fixture(scope="module")
def phases(recipe, tokenizer_folder, notes_folder, tmp_path_factory):
    """Two phases as `pretrain.train` leaves them: the folders phase1 and phase2."""
    folder = tmp_path_factory.mktemp("phases")
    constant = Schedule("constant_with_warmup", warmup=1)
    first = replace(recipe, name="first", duration=3, schedule=constant, eval_every=2, save_every=2)
    second = replace(first, name="second", continues="first", restart_override=True, seed=10)
    texts = [parse_source(f"ward={notes_folder}")]
    one, two = folder / "phase1", folder / "phase2"
    pretrain(first, texts, tokenizer_folder, one, is_from_scratch=True, is_quiet=True, device="cpu")
    branch = {"branch_from": f"{one}.work", "is_quiet": True, "device": "cpu"}
    pretrain(second, texts, one, two, **branch)
    return one, two


@pytest.fixture
def reports(phases, tmp_path):
    """Write both reports of the last phase; `change` is merged into them."""

    def write(verdict="ok", *, encoder=None, sources=("ward",), **change):
        signature = {"encoder": encoder or encoder_hash(phases[1]), "data_hash": "d", "seed": 0}
        groups = {name: {"n_documents": 2, "loss": MEAN} for name in sources}
        scores = {"signature": signature, "whole": {"loss": MEAN}, "by_source": groups}
        line = {"verdict": verdict, "what": "canaries x 1", "why": "7.1 of 7.6 bits", "advice": "none"}
        canaries = [{"repeats": 1, "n_canaries": 8, "mean": 7.1, "limit": 7.6}]
        probed = {
            "signature": signature,
            "verdict": verdict,
            "verdicts": [line],
            "canaries": canaries,
            "phi": None,
        }
        paths = {"evaluation": tmp_path / "e.json", "memorisation": tmp_path / "m.json"}
        for (name, path), report in zip(paths.items(), (scores, probed)):
            path.write_text(json.dumps({**report, **change.get(name, {})}), encoding="utf8")
        return paths

    return write


def test_final_folder_holds_the_candidates_weights_and_tells_all(phases, reports, tmp_path):
    place = tmp_path / "final"
    assert release(phases[1], place, phases=phases[:1], **reports()) == "ok"
    names = {file.name for file in place.iterdir()}
    assert names == {*module.PARTS, "README.md", "pretraining.json", "curves"}
    for name in module.PARTS:
        assert (place / name).read_bytes() == (phases[1] / name).read_bytes()
    card = (place / "README.md").read_text(encoding="utf8")
    for told in (
        "`first`",
        "`second`",
        "canaries x 1",
        "7.1 of 7.6 bits",
        "### by source",
        "0.5 (0.4 to 0.6)",
    ):
        assert told in card or told.replace("###", "####") in card, told
    assert "started from random weights" in card
    assert "Not measured" not in card
    pictures = [line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")]
    assert {path.split("/")[1] for path in pictures} == {"phase1", "phase2"}
    assert all((place / path).is_file() for path in pictures)
    record = json.loads((place / "pretraining.json").read_text(encoding="utf8"))
    assert [phase["recipe"]["name"] for phase in record["phases"]] == ["first"]
    assert record["release"]["encoder"] == encoder_hash(place)
    assert (record["release"]["verdict"], record["release"]["accepted"]) == ("ok", None)
    assert AutoModelForMaskedLM.from_pretrained(place)
    assert AutoTokenizer.from_pretrained(place)
    # A second release gives the same bytes and takes an older encoder's other weights away.
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    (place / "model-00001-of-00002.safetensors").write_bytes(b"old")
    (place / "mine.txt").write_text("kept")
    release(phases[1], place, phases=phases[:1], **reports())
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == {
        **before,
        place / "mine.txt": b"kept",
    }


def test_stop_is_refused_until_somebody_answers_for_it(phases, reports, tmp_path):
    place, paths = tmp_path / "final", reports("stop")
    words = [str(phases[1]), "--output", str(place), "--phase", str(phases[0])]
    words += [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    done = CliRunner().invoke(APP, words)
    assert (done.exit_code, place.exists()) == (STOPPED, False)
    assert "BC786" in done.output
    assert "--accept-memorisation" in done.output
    done = CliRunner().invoke(
        APP, [*words, "--accept-memorisation", "the text\nis public", "--license", "mit"]
    )
    assert done.exit_code == 0, done.output
    card = (place / "README.md").read_text(encoding="utf8")
    assert "although the verdict is stop, because: the text is public" in card
    assert 'license: "mit"' in card
    record = json.loads((place / "pretraining.json").read_text(encoding="utf8"))
    assert record["release"]["accepted"] == "the text is public"
    # A reason that was not needed is not told; "look" does not stand in the way.
    release(phases[1], place, accepted="for nothing", **reports("look"))
    assert "for nothing" not in (place / "README.md").read_text(encoding="utf8")


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "ab" * 32},
        {"memorisation": {"verdict": None}},
        {"memorisation": {"verdict": "fine"}},
        {"memorisation": {"signature": {}}},
        {"evaluation": {"signature": {"encoder": "ab" * 32}}},
        {"evaluation": {"signature": None}},
    ],
)
def test_reports_of_other_weights_or_of_nothing_are_refused(phases, reports, tmp_path, change):
    with pytest.raises(ValueError, match="BC785"):
        release(phases[1], tmp_path / "final", **reports(**change))
    assert not (tmp_path / "final").exists()


def test_folders_that_do_not_belong_together_are_refused(phases, reports, tmp_path):
    one, two = phases
    paths = reports()
    cases = [
        (two, two, ()),
        (two, one, [one]),
        (two, tmp_path / "f", [two]),
        (two, tmp_path / "f", [one, one]),
    ]
    cases += [(tmp_path, tmp_path / "f", ())]
    for candidate, place, before in cases:
        with pytest.raises(ValueError, match="BC787"):
            release(candidate, place, phases=before, **paths)
    assert not (tmp_path / "f").exists()


def test_names_of_sources_that_the_record_does_not_tell_are_numbered(phases, reports, tmp_path):
    release(phases[1], tmp_path / "f", **reports(sources=("ward", "jane-doe")))
    card = (tmp_path / "f" / "README.md").read_text(encoding="utf8")
    assert "jane-doe" not in card
    assert "| text 2 |" in card
    assert "| ward |" in card


def test_a_failure_leaves_the_older_folder_as_it_was(phases, reports, tmp_path, monkeypatch):
    place = tmp_path / "final"
    release(phases[1], place, **reports())
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "model_card", full)
    with pytest.raises(OSError):
        release(phases[1], place, phases=phases[:1], **reports())
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["final"]


def test_inputs_change_with_text_weight_and_start(notes_folder, tokenizer_folder, tmp_path):
    (tmp_path / "a.txt").write_text("first")
    records = [inputs_record([parse_source(f"ward={notes_folder}{weight}")]) for weight in ("", ":2", ":1")]
    assert records[0] == records[2] != records[1]
    source = [parse_source(str(tmp_path / "a.txt"))]
    before = inputs_record(source, tokenizer_folder)
    assert before["encoder"]
    assert before == inputs_record(source, tokenizer_folder)
    (tmp_path / "a.txt").write_text("other")
    after = inputs_record(source, tokenizer_folder)
    assert (after["encoder"] == before["encoder"], after["text"] == before["text"]) == (True, False)
    assert not [word for word in ("first", "a.txt") if word in json.dumps(before)]
    with pytest.raises(ValueError, match="BC789"):
        inputs_record(source, tmp_path / "nowhere")
