"""Whole runs of a few seconds: learning, resuming bit for bit, signals, refusals, the exported folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer
from typer.testing import CliRunner

from pretrain.batches import BatchStream, Row
from pretrain.evaluation import evaluate
from pretrain.interruption import Interruption
from pretrain.loop import train
from pretrain.optimizer import make_optimizer
from pretrain.schedules import Schedule
from pretrain.start import fitted_shape, load_tokenizer, starting_model
from pretrain.train import main, pretrain
from spacy_bioclinical.encoder.checkpoint import load_masked_lm

REPOSITORY = Path(__file__).parents[2]
APP = typer.Typer()
APP.command()(main)


def log(work: Path, name="steps.csv", without=("pieces_per_second",)):
    with (work / name).open(encoding="utf8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in without} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(notes_folder, tokenizer_folder):
    def run(recipe, output, **settings):
        settings = {"is_from_scratch": True, "is_quiet": True, "device": "cpu", **settings}
        encoder = settings.pop("encoder", tokenizer_folder)
        return pretrain(recipe, [notes_folder], encoder, output, **settings)[0]

    return run


@pytest.fixture(scope="module")
def whole(run, recipe, tmp_path_factory):
    """An uninterrupted run."""
    output = tmp_path_factory.mktemp("whole") / "encoder"
    run(recipe, output)
    return output


def test_training_learns(run, recipe, tmp_path):
    progress = run(replace(recipe.for_steps(60), lr=1e-2, eval_every=60), tmp_path / "out")
    assert progress.step == 60
    assert progress.before["n_labelled"] == progress.after["n_labelled"] > 50
    assert progress.after["loss"] < progress.before["loss"] - 1.0
    assert progress.after["accuracy"] > progress.before["accuracy"] + 0.05


def test_logs_tell_every_step(whole, recipe):
    work = whole.with_name("encoder.work")
    steps = log(work, without=())
    assert [int(row["step"]) for row in steps] == list(range(1, 13))
    for number, row in enumerate(steps):
        assert float(row["learning_rate"]) == recipe.learning_rate(number)
        assert float(row["grad_norm"]) > 0
        assert 0.5 < float(row["packing"]) <= 1.0
        assert int(row["pieces_per_second"]) > 0
    assert [int(row["step"]) for row in log(work, "evaluations.csv")] == [0, 4, 8, 12]


@pytest.mark.parametrize("stops", [[1], [5], [3, 4, 2]])
def test_resumed_run_equals_the_uninterrupted_one(run, recipe, whole, tmp_path, stops):
    output = tmp_path / "encoder"
    for stop in stops:
        progress = run(recipe, output, stop_after=stop)
        assert progress.interrupted == 0
        assert not output.exists()
    progress = run(recipe, output)
    assert (progress.step, progress.interrupted) == (12, None)
    work, whole_work = output.with_name("encoder.work"), whole.with_name("encoder.work")
    assert log(work) == log(whole_work)
    assert log(work, "evaluations.csv") == log(whole_work, "evaluations.csv")
    for name in ("model.safetensors", "config.json", "pretraining.json"):
        assert (output / name).read_bytes() == (whole / name).read_bytes()


def test_run_counted_in_pieces_follows_its_schedule_and_resumes(run, recipe, tmp_path):
    schedule = Schedule("one_minus_sqrt", decay=2000, floor=0.001)
    counted = replace(recipe, unit="pieces", duration=3000, schedule=schedule)
    run(counted, tmp_path / "whole")
    rows = log(tmp_path / "whole.work")
    seen = [0, *(int(row["pieces"]) for row in rows)]
    assert seen[-2] < 3000 <= seen[-1]
    assert [float(row["learning_rate"]) for row in rows] == [counted.learning_rate(n) for n in seen[:-1]]
    assert float(rows[-1]["learning_rate"]) < 0.5 * counted.lr == 0.5 * float(rows[0]["learning_rate"])
    run(counted, tmp_path / "apart", stop_after=3)
    run(counted, tmp_path / "apart")
    assert log(tmp_path / "apart.work") == rows


def test_bf16_run_stays_close_to_fp32(run, recipe, whole, tmp_path):
    run(replace(recipe, precision="bf16"), tmp_path / "bf16")
    exact = [float(row["loss"]) for row in log(whole.with_name("encoder.work"))]
    rounded = [float(row["loss"]) for row in log(tmp_path / "bf16.work")]
    assert rounded == pytest.approx(exact, rel=2e-2)
    assert rounded != exact
    assert load_file(tmp_path / "bf16" / "model.safetensors")["head.dense.weight"].dtype == torch.float32


def test_seed_and_dropout_change_the_run(run, recipe, whole, tmp_path):
    losses = [row["loss"] for row in log(whole.with_name("encoder.work"))]
    for name, change in (("seed", {"seed": 1}), ("dropout", {"attention_out_dropout": 0.0})):
        run(replace(recipe, **change), tmp_path / name)
        assert [row["loss"] for row in log(tmp_path / f"{name}.work")] != losses


def test_finished_run_is_not_trained_again(run, recipe, whole, monkeypatch):
    before = {file.name: file.read_bytes() for file in whole.rglob("*") if file.is_file()}
    monkeypatch.setattr("pretrain.run.compute_step", lambda *_, **__: pytest.fail("trained again"))
    run(recipe, whole)
    assert {file.name: file.read_bytes() for file in whole.rglob("*") if file.is_file()} == before


def test_checkpoint_of_another_recipe_is_refused(run, recipe, whole):
    log_before = log(whole.with_name("encoder.work"))
    for change, what in (({"lr": 9e-4}, "recipe"), ({"seed": 5}, "seed")):
        with pytest.raises(ValueError, match=rf"BC714.*: {what}\."):
            run(replace(recipe, **change), whole)
    assert log(whole.with_name("encoder.work")) == log_before


def test_exported_folder_gives_the_same_logits_in_transformers(whole, tokenizer_folder):
    theirs = AutoModelForMaskedLM.from_pretrained(whole, attn_implementation="sdpa").eval()
    ours = load_masked_lm(whole).eval()
    tokenizer = AutoTokenizer.from_pretrained(whole)
    ids = tokenizer("Patient reports [MASK] cough, started on [MASK] twice daily.\n" * 9, return_tensors="pt")
    ids_T = ids["input_ids"][0]
    assert (ids_T == tokenizer.mask_token_id).sum() == 18
    with torch.no_grad():
        expected = theirs(**ids).logits[0]
        found = ours(ids_T, [len(ids_T)], ids_T).logits_MV
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert expected.std() > 0.01


def test_exported_record_tells_the_run_and_no_text(whole, recipe, notes_folder):
    record = json.loads((whole / "pretraining.json").read_text(encoding="utf8"))
    assert record["signature"].startswith("recipe:test|")
    assert "|steps:12|" in record["signature"]
    assert record["recipe"]["lr"] == recipe.lr
    assert record["data"]["documents"] == 60
    assert record["held_out_after"]["loss"] > 0
    assert str(notes_folder) not in json.dumps(record)
    names = {file.name for file in whole.iterdir()}
    tokenizer_files = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    ours = {"config.json", "model.safetensors", "pretraining.json", "README.md", "curves"}
    assert names == ours | tokenizer_files


def test_training_continues_from_weights(run, recipe, whole, tmp_path):
    first = run(recipe, tmp_path / "more", encoder=whole, is_from_scratch=False)
    record = json.loads((whole / "pretraining.json").read_text(encoding="utf8"))
    assert first.before["loss"] == pytest.approx(record["held_out_after"]["loss"], abs=1e-5)
    with pytest.raises(ValueError, match="BC722"):
        run(recipe, whole, encoder=whole, is_from_scratch=False)


def test_start_that_cannot_be_is_an_error(run, recipe, whole, tokenizer, tmp_path):
    with pytest.raises(ValueError, match=r"BC713.*--from-scratch"):
        run(recipe, tmp_path / "a", is_from_scratch=False)
    with pytest.raises(ValueError, match="BC720"):
        run(recipe, tmp_path / "b", device="abacus")
    larger = tmp_path / "larger"
    tokenizer.save(larger)
    config = json.loads((whole / "config.json").read_text(encoding="utf8"))
    state = load_file(whole / "model.safetensors")
    for name in ("model.embeddings.tok_embeddings.weight", "decoder.bias"):
        state[name] = state[name][:300].clone()
    save_file(state, larger / "model.safetensors")
    (larger / "config.json").write_text(json.dumps({**config, "vocab_size": 300}), encoding="utf8")
    with pytest.raises(ValueError, match="BC718"):
        run(recipe, tmp_path / "c", encoder=larger, is_from_scratch=False)


def test_tokenizer_without_mask_is_an_error(tokenizer_folder, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        data = json.loads((tokenizer_folder / name).read_text(encoding="utf8"))
        data.pop("mask_token", None)
        (tmp_path / name).write_text(json.dumps(data), encoding="utf8")
    with pytest.raises(ValueError, match="BC717"):
        load_tokenizer(tmp_path)


def test_fresh_model_fits_the_tokenizer(recipe, tokenizer):
    shape = fitted_shape(recipe.shape, tokenizer)
    assert shape.vocab_size % 64 == 0
    assert 0 <= shape.vocab_size - tokenizer.vocab_size < 64
    assert (shape.cls_token_id,) == tokenizer.prefix_ids
    assert (shape.sep_token_id,) == tokenizer.suffix_ids
    assert shape.pad_token_id == tokenizer.pad_id


def test_not_a_number_stops_with_advice(run, recipe, tmp_path, monkeypatch):
    rate = type(recipe).learning_rate
    monkeypatch.setattr(type(recipe), "learning_rate", lambda self, n: 1e38 if n == 6 else rate(self, n))
    with pytest.raises(ValueError, match=r"BC716.*step 8.*checkpoint is that of step 5.*--restart"):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "out.work" / "checkpoints").iterdir()] == ["step-0000000005"]


class FixedStream(BatchStream):
    """A stream of fixed rows."""

    def __init__(self, rows):
        self.seed, self.rows = 0, rows

    def step(self, number):
        return self.rows

    def epoch(self, step):
        return 0


def test_rows_are_weighted_by_their_predictions(recipe, tokenizer, tokenizer_folder, tmp_path):
    """Accumulating over unequal rows equals one row that holds them all."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for length, every in ((60, 2), (20, 9)):
        ids = torch.randint(5, 300, (length,), generator=generator).numpy()
        labels = ids.copy()
        labels[[i for i in range(length) if i % every]] = -100
        rows.append(Row(ids, labels, [length], [0]))
    together = Row(
        np.concatenate([row.ids for row in rows]), np.concatenate([row.labels for row in rows]), [60, 20], [0]
    )
    assert rows[0].n_labelled != rows[1].n_labelled
    results = []
    one_step = replace(recipe, duration=1, attention_out_dropout=0.0)
    for name, given in (("apart", rows), ("together", [together])):
        model, _ = starting_model(one_step, tokenizer_folder, tokenizer, is_from_scratch=True)
        work = tmp_path / name
        train(
            model,
            FixedStream(given),
            one_step,
            work=work,
            identity={},
            held_out_rows=list,
            is_quiet=True,
        )
        results.append(log(work)[0])
    for column in ("loss", "grad_norm"):
        assert float(results[0][column]) == pytest.approx(float(results[1][column]), rel=1e-5)


def test_evaluation_equals_plain_arithmetic(recipe, tokenizer, tokenizer_folder):
    model, _ = starting_model(recipe, tokenizer_folder, tokenizer, is_from_scratch=True)
    model.train()
    ids = torch.arange(10, 40).numpy()
    labels = ids.copy()
    labels[::3] = -100
    result = evaluate(model, [Row(ids, labels, [18, 12], [0, 1])])
    assert result is not None
    assert model.training
    model.eval()
    with torch.no_grad():
        ids_T, labels_T = torch.from_numpy(ids), torch.from_numpy(labels)
        logits = model(ids_T, [18, 12], ids_T).logits_MV[labels_T != -100]
    targets = labels_T[labels_T != -100]
    expected = -logits.log_softmax(-1)[torch.arange(len(targets)), targets].mean().item()
    assert result.loss == pytest.approx(expected, rel=1e-5)
    assert result.accuracy == (logits.argmax(-1) == targets).float().mean().item()
    assert (result.n_labelled, result.n_pieces) == (20, 30)
    assert evaluate(model, []) is None


def test_no_parameter_is_forgotten_by_the_optimizer(recipe, tokenizer, tokenizer_folder):
    model, _ = starting_model(recipe, tokenizer_folder, tokenizer, is_from_scratch=True)
    optimizer = make_optimizer(model, lr=1.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=1e-5)
    held = sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"])
    assert held == sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def few_notes(notes, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("few") / "notes.jsonl"
    file.write_text("".join(json.dumps({"text": note[:400]}) + "\n" for note in notes[:6]), encoding="utf8")
    return file


@pytest.fixture(scope="module")
def start(few_notes, tokenizer_folder):
    def start(output) -> subprocess.Popen:
        line = [sys.executable, "-m", "pretrain.train", "--text", few_notes, "--encoder", tokenizer_folder]
        line += ["--output", output, "--from-scratch", "--max-steps", 16, "--quiet", "--device", "cpu"]
        return subprocess.Popen(
            list(map(str, line)),
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture(scope="module")
def finished(start, tmp_path_factory) -> Path:
    """The folder of a command that ran to its end."""
    output = tmp_path_factory.mktemp("finished") / "encoder"
    process = start(output)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "held-out loss" in out
    return output


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_killed_command_resumes(start, finished, tmp_path, sent):
    output = tmp_path / "encoder"
    steps = tmp_path / "encoder.work" / "steps.csv"
    process = start(output)
    deadline = time.monotonic() + 120
    while not (steps.is_file() and len(steps.read_text(encoding="utf8").splitlines()) > 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(sent)
    out, _ = process.communicate(timeout=120)
    if sent == signal.SIGKILL:
        assert process.returncode == -sent
    else:
        assert process.returncode == 128 + sent
        assert "SIGTERM" in out
        assert "Run the same command to go on" in out
    assert not output.exists()
    process = start(output)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert log(steps.parent) == log(finished.with_name("encoder.work"))
    assert (output / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_is_noted_and_handlers_come_back(sent):
    before = signal.getsignal(sent)
    with Interruption() as interruption:
        assert interruption.received is None
        os.kill(os.getpid(), sent)
        assert interruption.received == sent
        assert signal.getsignal(sent) == before
    assert signal.getsignal(sent) == before


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--recipe", "phase1_base", "--dry-run"], 0, "160,453,000,000"),
        (["--dry-run", "--max-steps", "7"], 0, "7 if every row is full"),
        (["--recipe", "nonesuch"], 1, "BC712"),
        ([], 1, "BC723"),
        (["--dry-run", "--precision", "fp8"], 1, "BC709"),
    ],
)
def test_command_plans_and_reports_errors(arguments, code, said):
    result = CliRunner().invoke(APP, arguments)
    assert result.exit_code == code
    assert said in result.output


def test_command_takes_several_texts_and_restarts(notes_folder, few_notes, tokenizer_folder, tmp_path):
    output = tmp_path / "encoder"
    places = ["--text", few_notes, few_notes, "--encoder", tokenizer_folder, "--output", output]
    settings = [*map(str, places), "--from-scratch", "--quiet", "--device", "cpu", "--max-steps", "2"]
    result = CliRunner().invoke(APP, settings)
    assert result.exit_code == 0, result.output
    assert "12 documents" in result.output
    refused = CliRunner().invoke(APP, [*settings, "--seed", "3"])
    assert refused.exit_code == 1
    assert "BC714" in refused.output
    anew = CliRunner().invoke(APP, [*settings, "--seed", "3", "--restart"])
    assert anew.exit_code == 0, anew.output
    assert "seed:3" in anew.output
