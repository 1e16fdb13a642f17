"""The training benchmark compares equal things: batches as transformers makes them, equal losses, whole records."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices
from typer.testing import CliRunner

from pretrain import benchmark as command
from pretrain.benchmark import Setting, benchmark, write_result
from pretrain.benchmarking import contestants as racing
from pretrain.benchmarking.contestants import CONTESTANTS, OURS, RANDOM, SORTED, SPARSE, Engines, Sizes
from pretrain.benchmarking.documents import CLS, MASK, SEP, data_hash, invent, note_like_lengths
from pretrain.benchmarking.engines import PaddedEngine, train_step
from pretrain.benchmarking.gate import gate, gate_documents
from pretrain.benchmarking.plans import (
    one_by_one_plan,
    packed_plan,
    padded_pieces,
    padding_share,
    random_plan,
    sorted_plan,
)
from pretrain.benchmarking.race import Outcome, Run, race
from pretrain.benchmarking.results import attribution, ratio, summary
from pretrain.benchmarking.shapes import for_racing, shape_of
from pretrain.masking import IGNORED
from spacy_bioclinical.encoder.modernbert import ModernBertSettings

CPU = torch.device("cpu")
SHAPE = ModernBertSettings(
    vocab_size=96,
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    local_attention=8,
)
SIZES = Sizes(batch=4, row_pieces=160)
ALL = list(CONTESTANTS.values())


def fresh_engines(precision: str = "fp32") -> Engines:
    return Engines(for_racing(SHAPE), seed=0, precision=precision, device=CPU)


@pytest.fixture(scope="module")
def documents():
    lengths = note_like_lengths(14, seed=1, median=30, most=120)
    return invent(lengths, vocab_size=96, mask_rate=0.3, seed=1)


# --- documents and batches ---------------------------------------------------------------------------------------


def test_lengths_are_note_like_and_depend_on_the_seed_alone() -> None:
    lengths = note_like_lengths(20000, seed=3)
    assert abs(np.median(lengths) / 600 - 1) < 0.04
    assert abs(np.log(lengths[lengths < 8192]).std() - 0.9) < 0.05
    assert lengths.max() == 8192
    assert lengths.min() >= 16
    assert (lengths == note_like_lengths(20000, seed=3)).all()
    assert (lengths != note_like_lengths(20000, seed=4)).any()


def test_documents_are_masked_once_and_hashed_whole(documents) -> None:
    for document in documents:
        assert document.ids[0] == CLS
        assert document.ids[-1] == SEP
        assert document.n_labelled >= 1
        chosen = document.labels != IGNORED
        assert (document.labels[chosen] > MASK).all()
    lengths = [len(document.ids) for document in documents]
    again = invent(lengths, vocab_size=96, mask_rate=0.3, seed=1)
    other = invent(lengths, vocab_size=96, mask_rate=0.3, seed=2)
    assert data_hash(again) == data_hash(documents) != data_hash(other)


def test_every_plan_holds_each_document_once_and_rows_keep_their_budget() -> None:
    lengths = note_like_lengths(101, seed=0)
    for contestant in ALL:
        plan = racing.plan_for(contestant, lengths, Sizes(8, 9000), 5, 2)
        assert sorted(i for step in plan for batch in step for i in batch) == list(range(101))
        assert plan == racing.plan_for(contestant, lengths, Sizes(8, 9000), 5, 2)
        assert plan != racing.plan_for(contestant, lengths, Sizes(8, 9000), 5, 3)
    order = np.random.default_rng(0).permutation(101)
    packed, alone = packed_plan(lengths, order, 9000), one_by_one_plan(lengths, order, 9000)
    assert all(lengths[step[0]].sum() <= 9000 for step in packed)
    assert [step[0] for step in packed] == [[i for batch in step for i in batch] for step in alone]


@pytest.mark.parametrize("n, mega", [(37, None), (300, None), (300, 50), (1000, 50), (5, 50)])
def test_sorted_batches_are_those_of_transformers(n, mega) -> None:
    lengths = note_like_lengths(n, seed=n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(7)).numpy()
    theirs = get_length_grouped_indices(
        lengths.tolist(), 8, mega_batch_mult=mega, generator=torch.Generator().manual_seed(7)
    )
    ours = sorted_plan(lengths, order, 8, mega)
    assert [i for step in ours for i in step[0]] == theirs
    assert [len(step[0]) for step in ours[:-1]] == [8] * (len(ours) - 1)


def test_padding_share_is_that_of_transformers_sampler_and_far_below_random() -> None:
    lengths = note_like_lengths(4000, seed=2)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(lengths))
    indices = list(LengthGroupedSampler(8, lengths=lengths.tolist()))
    theirs = padding_share(lengths, [[indices[i : i + 8]] for i in range(0, len(indices), 8)])
    ours = padding_share(lengths, sorted_plan(lengths, order, 8))
    assert abs(ours - theirs) < 0.01
    assert ours < 0.12 < 0.5 < padding_share(lengths, random_plan(order, 8)) < 0.75


def test_padded_pieces_equal_the_tensors_that_are_computed(documents) -> None:
    lengths = [len(document.ids) for document in documents]
    engine = fresh_engines().theirs
    plan = random_plan(np.arange(len(documents)), 4)
    made = [engine.make([documents[i] for i in batch]) for step in plan for batch in step]
    brute = sum(ids_BL.numel() for ids_BL, _, _ in made)
    real = sum(int(mask_BL.sum()) for _, mask_BL, _ in made)
    assert padded_pieces(lengths, plan) == brute
    assert real == sum(lengths)
    assert padding_share(lengths, plan) == pytest.approx(1 - real / brute)


# --- the gate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gate_lets_equal_models_pass(documents, precision) -> None:
    report = gate(ALL, fresh_engines(precision), documents, SIZES, seed=0, precision=precision)
    keys = {contestant.key for contestant in ALL if contestant.is_same_model}
    assert keys <= set(report)
    assert all(f"{key}, fp32" in report for key in keys if precision == "bf16")
    losses = [found["loss"] for key, found in report.items() if precision == "fp32"]
    if losses:
        assert np.ptp(losses) < 1e-5
        assert all(found["difference of the gradient"] < 1e-4 for found in report.values())


def narrow_window(engines: Engines) -> None:
    engines.ours.settings = replace(engines.ours.settings, local_attention=6)


def other_weight(engines: Engines) -> None:
    with torch.no_grad():
        engines.theirs.model.model.layers[1].mlp.Wo.weight[0] *= 1.5


def not_a_number(engines: Engines) -> None:
    with torch.no_grad():
        engines.theirs.model.head.norm.weight[0] = float("nan")


def mixed_documents(engines: Engines) -> None:
    make = engines.ours.make
    engines.ours.make = lambda documents: (  # type: ignore[method-assign]
        (made := make(documents))[0],
        [sum(made[1])],
        made[2],
    )


def other_masks(engines: Engines) -> None:
    make = engines.theirs.make
    engines.theirs.make = lambda documents: make([replace(d, ids=np.roll(d.ids, 1)) for d in documents])  # type: ignore[method-assign]


@pytest.mark.parametrize("spoil", [narrow_window, other_weight, not_a_number, mixed_documents, other_masks])
def test_gate_catches_a_wrong_model(documents, spoil) -> None:
    engines = fresh_engines()
    spoil(engines)
    with pytest.raises(ValueError, match="BC775") as caught:
        gate(ALL, engines, documents, SIZES, seed=0, precision="fp32")
    assert "Nothing was timed" in str(caught.value)


def test_gate_leaves_weights_and_gradients_as_they_were(documents) -> None:
    engines = fresh_engines()
    before = {name: tensor.clone() for name, tensor in engines.ours.model.state_dict().items()}
    gate(ALL, engines, documents, SIZES, seed=0, precision="fp32")
    for model in (engines.ours.model, engines.theirs.model):
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_gate_takes_short_documents_and_always_some(documents) -> None:
    lengths = [len(document.ids) for document in documents]
    assert all(len(document.ids) <= 40 for document in gate_documents(documents, 5, 40))
    shortest = gate_documents(documents, 2, 2)
    assert sorted(len(document.ids) for document in shortest) == sorted(lengths)[:2]


# --- the race and its record ------------------------------------------------------------------------------------


def test_one_step_changes_both_models_alike(documents) -> None:
    engines = fresh_engines()
    lengths = np.array([len(document.ids) for document in documents])
    losses = []
    for contestant in (CONTESTANTS[OURS], CONTESTANTS[SPARSE]):
        engine = engines.of(contestant)
        step = [list(range(len(documents)))] if contestant.is_ours else [list(range(7)), list(range(7, 14))]
        losses.append(train_step(engine, racing.make_step(engine, documents, step)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert lengths.sum() > 0
    theirs = dict(engines.theirs.model.named_parameters())
    for name, parameter in engines.ours.model.named_parameters():
        assert torch.allclose(parameter, theirs[name], atol=2e-5), name


def test_result_holds_everything_and_repeats_but_for_time(tmp_path) -> None:
    setting = Setting(documents=9, rounds=2, median=30, max_length=100, batch=4, clock="processor")
    first = benchmark(setting, device=CPU, shape=SHAPE, is_quiet=True)
    second = benchmark(replace(setting, only=[SORTED]), device=CPU, shape=SHAPE, is_quiet=True)
    file = tmp_path / "deep" / "result.json"
    write_result(first, file)
    found = json.loads(file.read_text(encoding="utf8"))
    assert [entry.name for entry in file.parent.iterdir()] == ["result.json"]
    for key in ("documents", "model"):
        assert found[key] == second[key]
    assert set(second["gate"]) == set(second["contestants"]) == {OURS, RANDOM, SORTED}
    assert all(found["gate"][key] == second["gate"][key] for key in second["gate"])
    signed = found["signature"]
    assert signed["data_sha256"] == second["signature"]["data_sha256"]
    assert signed["settings"]["seed"] == 0
    assert signed["settings"]["lengths"] == "note-like"
    assert {"torch", "transformers", "python"} <= signed["versions"].keys()
    assert {"processor", "threads", "cores", "device"} <= signed["machine"].keys()
    assert set(found["contestants"]) == set(CONTESTANTS)
    for key, row in found["contestants"].items():
        assert len(found["race"]["runs"][key]) == 2
        speed = row["pieces_per_second"]
        assert 0 < speed["low"] <= speed["median"] <= speed["high"]
        assert row["padding_share"] == second["contestants"].get(key, row)["padding_share"]
    assert found["contestants"][OURS]["times_slower_than_ours"]["median"] == 1
    assert found["contestants"][RANDOM]["padding_share"] > found["contestants"][OURS]["padding_share"] == 0
    factors = found["attribution"]["factors"]
    assert set(factors) == {"padding", "local attention", "predicted pieces only"}
    assert "transformers, random" in command.table(found)


def test_a_contestant_that_fails_leaves_and_ours_must_not(documents, monkeypatch) -> None:
    chosen = racing.choose([SORTED])
    assert [contestant.key for contestant in chosen] == [OURS, RANDOM, SORTED]
    engines = fresh_engines()

    def fail(*_):
        raise RuntimeError("not enough memory: you tried to allocate much\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(PaddedEngine, "predict", fail)
        outcome = race(chosen, engines, documents, SIZES, seed=0, rounds=1, is_quiet=True)
    assert set(outcome.failed) == {RANDOM, SORTED}
    assert len(outcome.runs[OURS]) == 1
    assert outcome.failed[RANDOM] == "RuntimeError: not enough memory: you tried to allocate much"
    assert attribution(outcome, "wall") == {}
    rows = summary(chosen, outcome, pieces=1, clock="wall", flops_per_piece=1.0, peak_flops=1.0)
    assert set(rows) == {OURS}
    monkeypatch.setattr(type(engines.ours), "predict", fail)
    with pytest.raises(ValueError, match="BC777"):
        race(chosen, engines, documents, SIZES, seed=0, rounds=1, is_quiet=True)


def test_ratios_are_taken_within_rounds() -> None:
    def runs(*seconds: float, padding: float = 0.0) -> list[Run]:
        return [Run(value, 2 * value, 3, padding) for value in seconds]

    slow = runs(4.0, 40.0, 6.0, padding=0.5)
    outcome = Outcome({OURS: runs(1.0, 10.0, 2.0), RANDOM: slow, SORTED: runs(2.0, 20.0, 4.0)}, {}, {})
    found = ratio(outcome, OURS, RANDOM, "wall")
    assert found is not None
    assert (found.median, found.low, found.high) == (4.0, 3.0, 4.0)
    parts = attribution(outcome, "processor")
    assert parts["factors"]["padding"]["median"] == 2.0
    assert parts["rest"] == 2.0
    assert parts["what the peer can win back"]["sorting by length"]["median"] == 2.0


def test_lengths_come_from_text_but_no_piece_of_it_does(notes_folder, tokenizer_folder, tmp_path) -> None:
    setting = Setting(documents=5, max_length=40)
    lengths = command.text_lengths([notes_folder], tokenizer_folder, setting, True)
    assert len(lengths) == 5
    assert 3 <= lengths.min() <= lengths.max() <= 40
    with pytest.raises(ValueError, match="BC776"):
        command.text_lengths([notes_folder], None, setting, True)


def test_wrong_settings_are_told() -> None:
    for setting in (
        Setting(precision="int8"),
        Setting(clock="sun"),
        Setting(rounds=0),
        Setting(only=["nobody"]),
        Setting(length=2),
    ):
        with pytest.raises(ValueError, match="BC776"):
            benchmark(setting, device=CPU, shape=SHAPE, is_quiet=True)
    with pytest.raises(ValueError, match="BC776"):
        Setting(clock="processor").check(torch.device("cuda"))
    with pytest.raises(ValueError, match="BC776"):
        shape_of("giant")
    assert {shape_of(name).hidden_size for name in ("tiny", "small", "base")} == {128, 256, 768}


def test_command_explains_an_unknown_shape() -> None:
    import typer

    app = typer.Typer()
    app.command()(command.main)
    answer = CliRunner().invoke(app, ["--shape", "giant", "--device", "cpu"])
    assert answer.exit_code == 1
    assert "BC776" in answer.output
