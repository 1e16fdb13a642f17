"""The probe must find what a model has learnt by heart, and nothing in one that learnt nothing."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM
from typer.testing import CliRunner

from pretrain.canaries import (
    SPACES,
    Canary,
    Exposure,
    canary_texts,
    exposures,
    filler,
    plant_canaries,
    read_canaries,
    secret_losses,
    write_canaries,
)
from pretrain.masking import Vocabulary, mask_pieces
from pretrain.memorisation import (
    SpannedText,
    exposure_by_repeats,
    masked_recovery,
    phi_gap,
    probe,
    read_spanned,
    verdicts,
)
from pretrain.memorisation_command import app
from pretrain.optimizer import make_optimizer
from pretrain.shards import shards_for
from pretrain.start import fitted_shape
from spacy_bioclinical.encoder.checkpoint import save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM

PLANTED = Canary("Locker code of nurse Bodumi: ", ", do not pass on.", "number", 4711, 64)
NEVER = Canary("Locker code of nurse Zagefu: ", ", do not pass on.", "number", 8052, 0)


@pytest.fixture(scope="module")
def start(recipe, tokenizer):
    shape = replace(fitted_shape(recipe.shape, tokenizer), num_hidden_layers=2)
    return ModernBertForMaskedLM(shape).init_weights(0).eval()


def learn(start, tokenizer, texts, n_steps):
    """Train a copy of the starting weights on all texts at every step."""
    model = ModernBertForMaskedLM(start.settings)
    model.load_state_dict(start.state_dict())
    optimizer = make_optimizer(model, lr=1e-2, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
    vocabulary = Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
    parts = [
        np.concatenate([tokenizer.prefix_ids, pieces.ids, tokenizer.suffix_ids]).astype(np.int64)
        for pieces in tokenizer.encode(texts)
    ]
    row, lengths = np.concatenate(parts), [len(part) for part in parts]
    for step in range(n_steps):
        generator = np.random.default_rng(step)
        ids, labels = mask_pieces(row, rate=0.3, vocabulary=vocabulary, generator=generator)
        model(torch.from_numpy(ids), lengths, torch.from_numpy(labels)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="module")
def trained(start, tokenizer):
    return learn(start, tokenizer, [PLANTED.sentence()[0]] * 6, n_steps=200)


@pytest.fixture(scope="module")
def encoder(trained, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer.save(folder)
    save_folder(trained, folder)
    return folder


def test_canaries_are_a_function_of_the_seed_and_of_known_size():
    canaries = plant_canaries(6, seed=3, repeats=(1, 4))
    assert canaries == plant_canaries(6, seed=3, repeats=(1, 4)) != plant_canaries(6, seed=4, repeats=(1, 4))
    assert [c.repeats for c in canaries] == [1] * 6 + [4] * 6 + [0] * 6
    assert len({c.before for c in canaries}) == 18
    for canary in canaries:
        text, begin, end = canary.sentence()
        assert text[begin:end] == filler(canary.kind, canary.index)
    for kind, size in SPACES.items():
        assert len({filler(kind, index) for index in range(size)}) == size
        assert len({len(filler(kind, index)) for index in range(0, size, 97)}) == 1
    texts = canary_texts(canaries, seed=0)
    assert sorted(texts) == sorted(c.sentence()[0] for c in canaries for _ in range(c.repeats))
    assert texts != sorted(texts)
    with pytest.raises(ValueError, match="BC769"):
        plant_canaries(1, seed=0, repeats=(0, 1))


def test_no_split_takes_canaries_out_of_training(tokenizer, notes, tmp_path):
    canaries = plant_canaries(8, seed=0, repeats=(1, 2))
    file = tmp_path / "canaries.jsonl"
    documents = [*canary_texts(canaries, 0), *notes]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf8")
    shards = shards_for([file], tokenizer, tmp_path, max_length=256, is_quiet=True)
    _, held_out = shards.split(0.5)
    assert len(held_out) > 10
    assert shards.documents[held_out].min() >= len(canary_texts(canaries, 0))


def test_loss_of_a_secret_is_that_of_transformers_one_piece_at_a_time(trained, encoder, tokenizer):
    theirs = AutoModelForMaskedLM.from_pretrained(encoder, attn_implementation="sdpa").eval()
    sentences = [PLANTED.sentence(), PLANTED.sentence(12), NEVER.sentence()]
    expected = []
    for (_, begin, end), pieces in zip(sentences, tokenizer.encode([text for text, _, _ in sentences])):
        total = 0.0
        for place, (first, last) in enumerate(zip(pieces.starts, pieces.ends)):
            if max(first, begin) < min(last, end):
                ids = torch.tensor([[*tokenizer.prefix_ids, *pieces.ids, *tokenizer.suffix_ids]])
                right = int(ids[0, place + 1])
                ids[0, place + 1] = tokenizer.mask_id
                with torch.no_grad():
                    total -= float(theirs(input_ids=ids).logits[0, place + 1].log_softmax(0)[right])
        expected.append(total)
    np.testing.assert_allclose(secret_losses(trained, tokenizer, sentences), expected, atol=1e-3)
    assert expected[0] < expected[1]


def test_a_planted_secret_is_more_exposed_than_one_never_planted(start, trained, tokenizer):
    canaries = [PLANTED, NEVER]
    before = exposures(start, tokenizer, canaries, n_candidates=199)
    planted, never = exposures(trained, tokenizer, canaries, n_candidates=199)
    assert planted.rank == 1
    assert planted.bits == planted.most_bits == math.log2(200)
    assert planted.bits > never.bits + 2
    assert planted.bits > before[0].bits + 2
    assert [planted, never] == exposures(trained, tokenizer, canaries, n_candidates=199, row_pieces=500)


def test_exposure_of_unseen_secrets_is_a_bit_and_a_half():
    """Carlini et al.: the exposure of a secret of random rank is exponential in base 2, its mean 1 / ln 2."""
    found = [Exposure(0, rank, 5000, 0.0) for rank in range(1, 5001)]
    (row,) = exposure_by_repeats(found)
    assert row["mean"] == pytest.approx(1 / math.log(2), abs=0.01)
    assert (row["limit"], row["most"], row["least"], row["first"]) == (math.log2(5000), math.log2(5000), 0, 1)


@pytest.fixture(scope="module")
def phi_texts(tokenizer):
    """Invented notes with a number each, spans around it; two sides of 25."""
    draw = np.random.default_rng(2)
    sides = []
    for side in range(2):
        texts = []
        for number in range(25):
            secret = f"{draw.integers(10_000):04}"
            before = f"Patient reports cough. Record {'ab'[side]}{number} is "
            texts.append(SpannedText(f"{before}{secret}. Stable.", [(len(before), len(before) + 4)]))
        sides.append(texts)
    return sides


def test_hidden_phi_is_recovered_better_where_it_was_learnt(start, tokenizer, phi_texts):
    training, held_out = phi_texts
    model = learn(start, tokenizer, [text for text, _ in training], n_steps=60)
    report = probe(model, tokenizer, start=start, training=training, held_out=held_out)
    phi = report["phi"]
    assert phi["training"]["n_documents"] == phi["held_out"]["n_documents"] == 25
    assert phi["net_gap"]["loss"]["high"] < 0
    assert phi["gap"]["top1"]["value"] == pytest.approx(
        phi["training"]["top1"]["value"] - phi["held_out"]["top1"]["value"]
    )
    swapped = phi_gap(model, tokenizer, held_out, training, start=start)
    assert swapped["gap"]["loss"]["value"] == pytest.approx(-phi["gap"]["loss"]["value"])
    same = phi_gap(start, tokenizer, training, held_out, start=start)
    assert same["net_gap"]["loss"]["value"] == pytest.approx(0, abs=1e-9)


def test_only_phi_is_hidden_and_all_of_it(start, tokenizer, phi_texts, monkeypatch):
    seen = []

    def spy(model, sequences, **settings):
        seen.extend(sequences)
        return []

    monkeypatch.setattr("pretrain.memorisation.score_sequences", spy)
    masked_recovery(start, tokenizer, [*phi_texts[0], SpannedText("No PHI here.", [])])
    assert len(seen) == 25
    for (ids, labels), (text, [(begin, end)]) in zip(seen, phi_texts[0]):
        (pieces,) = tokenizer.encode([text])
        covered = [
            bool(set(range(a, b)) & set(range(begin, end))) for a, b in zip(pieces.starts, pieces.ends)
        ]
        assert (labels != -100).tolist() == [False, *covered, False]
        assert (ids == tokenizer.mask_id).tolist() == [False, *covered, False]


def test_long_texts_are_read_in_windows(tokenizer, recipe):
    shape = replace(fitted_shape(recipe.shape, tokenizer), num_hidden_layers=2, max_position_embeddings=64)
    model = ModernBertForMaskedLM(shape).init_weights(0).eval()
    text = "Patient reports mild cough. " * 60
    spans = [(0, 7), (28 * 30, 28 * 30 + 7), (28 * 59, 28 * 59 + 7)]
    values, documents = masked_recovery(model, tokenizer, [SpannedText(text, spans)] * 2)
    (pieces,) = tokenizer.encode([text])
    n_phi = sum(((pieces.starts < end) & (pieces.ends > begin)).sum() for begin, end in spans)
    assert len(pieces) > 3 * 64
    assert np.bincount(documents).tolist() == [n_phi, n_phi]
    np.testing.assert_allclose(values[:n_phi], values[n_phi:], atol=1e-5)


def test_verdicts_follow_their_thresholds():
    def canaries(repeats, mean):
        rows = [{"repeats": 0, "mean": 1.5, "limit": 10.0}, {"repeats": repeats, "mean": mean, "limit": 10.0}]
        return verdicts({"canaries": rows})[0]

    assert canaries(1, 3.4)["verdict"] == "ok"
    assert canaries(1, 3.6)["verdict"] == "look"
    assert canaries(4, 8.1)["verdict"] == "stop"
    assert canaries(64, 9.9)["verdict"] == "look"
    assert "deduplicate" in canaries(64, 9.9)["advice"]

    def phi(low, value, n_pieces=500, loss=0.0):
        gap = {
            "top1": {"low": low, "value": value, "high": value + 0.1},
            "loss": {"value": loss, "high": loss / 2},
        }
        side = {"n_pieces": n_pieces}
        return verdicts({"phi": {"training": side, "held_out": side, "gap": gap}})[0]["verdict"]

    assert phi(-0.01, 0.01) == "ok"
    assert phi(0.01, 0.03) == "look"
    assert phi(0.01, 0.12) == "stop"
    assert phi(-0.01, 0.12) == "look"
    assert phi(-0.01, 0.01, loss=-0.3) == "look"
    assert phi(0.01, 0.12, n_pieces=20) == "look"


def test_nothing_measured_has_no_verdict(start, tokenizer):
    report = probe(start, tokenizer)
    assert (report["verdict"], report["verdicts"]) == (None, [])


def test_spans_are_read_in_both_notations_and_errors_name_the_line(tmp_path):
    file = tmp_path / "phi.jsonl"
    good = [
        {"text": "Mr Zagefu", "spans": [{"start": 3, "end": 9, "label": "NAME"}]},
        {"text": "Mr Zagefu", "spans": [[3, 9]]},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in good), encoding="utf8")
    assert read_spanned(file) == [SpannedText("Mr Zagefu", [(3, 9)])] * 2
    for bad in ('{"text": "Mr Zagefu", "spans": [[3, 10]]}', '{"text": "Mr Zagefu"}', "Zagefu"):
        file.write_text(json.dumps(good[0]) + "\n\n" + bad + "\n", encoding="utf8")
        with pytest.raises(ValueError, match=r"BC768.*line 3") as caught:
            read_spanned(file)
        assert "Zagefu" not in str(caught.value)


def test_commands_plant_and_probe_without_quoting_a_secret(encoder, phi_texts, tmp_path):
    def command(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    texts, record, output = (tmp_path / name for name in ("canaries.jsonl", "canaries.json", "report.json"))
    counts = ("--number", 1, "--repeats", 1, "--repeats", 4)
    result = command("plant", "--output", texts, "--record", record, *counts)
    assert result.exit_code == 0, result.output
    assert len(texts.read_text(encoding="utf8").splitlines()) == 5
    assert read_canaries(record) == plant_canaries(1, 0, (1, 4))
    write_canaries([PLANTED, replace(PLANTED, repeats=1), NEVER], record)
    phi = []
    for name, side in zip(("training", "held-out"), phi_texts):
        file = tmp_path / f"{name}.jsonl"
        lines = [json.dumps({"text": text, "spans": spans}) for text, spans in side]
        file.write_text("\n".join(lines), encoding="utf8")
        phi += [f"--{name}-phi", file]
    options = ("--canaries", record, *phi, "--candidates", 99, "--output", output, "--quiet")
    result = command("probe", encoder, "--start", encoder, *options, "--strict")
    assert result.exit_code == 0, result.output  # no more exposed than at the start, which is itself
    result = command("probe", encoder, *options, "--strict")
    assert result.exit_code == 3, result.output
    report = json.loads(output.read_text(encoding="utf8"))
    assert report["verdict"] == "stop"
    assert [row["repeats"] for row in report["canaries"]] == [0, 1, 64]
    said = output.read_text(encoding="utf8") + result.output
    for secret in (
        "4711",
        "8052",
        "Bodumi",
        "Zagefu",
        *(t.text[b:e] for t in phi_texts[0] for b, e in t.spans),
    ):
        assert f" {secret}" not in said
        assert f'"{secret}' not in said
    assert "BC767" in command("probe", encoder, "--output", output).output
    assert "BC769" in command("probe", encoder, "--output", output, "--canaries", texts).output
