"""Held-out scores against transformers' own model, padded, one document at a time, and a plain sort of all pieces."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import typer
from transformers import AutoModelForMaskedLM
from typer.testing import CliRunner

from pretrain import scoring
from pretrain.batches import Row, evaluation_rows, generator_for
from pretrain.bootstrap import differences, means
from pretrain.context import context_value
from pretrain.evaluation import LENGTHS, TOP, evaluate, evaluate_in_detail
from pretrain.evaluation_command import main
from pretrain.log import FIGURES, evaluation_columns
from pretrain.masking import IGNORED, Vocabulary, mask_pieces
from pretrain.scoring import score_row, score_sequences
from pretrain.shards import shards_for
from pretrain.start import fitted_shape
from spacy_bioclinical.encoder.checkpoint import save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM

LENGTHS_OF_ROWS = [9, 40, 3, 128, 61]


@pytest.fixture(scope="module")
def model(recipe, tokenizer):
    """Random weights, large enough that probabilities are far from even."""
    shape = replace(fitted_shape(recipe.shape, tokenizer), num_hidden_layers=2)
    model = ModernBertForMaskedLM(shape).init_weights(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.mul_(4.0)
    return model


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer.save(folder)
    save_folder(model, folder)
    return folder


@pytest.fixture(scope="module")
def theirs(folder):
    return AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="sdpa").eval()


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)


@pytest.fixture(scope="module")
def rows(tokenizer, vocabulary):
    """Rows of invented sequences, masked; sequence numbers run through all rows."""
    rows = []
    for number in range(2):
        generator = generator_for(7, number)
        parts = []
        for length in LENGTHS_OF_ROWS:
            content = generator.choice(vocabulary.ordinary, size=length - 2)
            parts.append(np.concatenate([tokenizer.prefix_ids, content, tokenizer.suffix_ids]))
        ids, labels = mask_pieces(
            np.concatenate(parts).astype(np.int64), rate=0.3, vocabulary=vocabulary, generator=generator
        )
        first = number * len(LENGTHS_OF_ROWS)
        numbers = list(range(first, first + len(LENGTHS_OF_ROWS)))
        rows.append(Row(ids, labels, list(LENGTHS_OF_ROWS), numbers))
    return rows


def by_hand(theirs, row):
    """(sequence, place in it, loss, rank) of each predicted piece: one padded document at a time, sorted."""
    found, begin = [], 0
    for sequence, length in zip(row.sequences, row.lengths):
        ids = torch.zeros(1, length + 5, dtype=torch.long)
        ids[0, :length] = torch.from_numpy(row.ids[begin : begin + length])
        attention = (torch.arange(length + 5) < length)[None].long()
        with torch.no_grad():
            logits = theirs(input_ids=ids, attention_mask=attention).logits[0].double()
        for place in range(length):
            label = int(row.labels[begin + place])
            if label != IGNORED:
                order = logits[place].argsort(descending=True, stable=True).tolist()
                loss = -float(logits[place].log_softmax(0)[label])
                found.append((sequence, place, loss, order.index(label)))
        begin += length
    return found


@pytest.fixture(scope="module")
def expected(theirs, rows):
    return [piece for row in rows for piece in by_hand(theirs, row)]


def test_loss_and_accuracy_are_those_of_transformers(model, rows, expected):
    scores = evaluate(model, rows)
    assert scores.loss == pytest.approx(np.mean([loss for *_, loss, _ in expected]), abs=1e-4)
    assert scores.accuracy == pytest.approx(np.mean([rank == 0 for *_, rank in expected]), abs=1e-9)
    assert (scores.n_labelled, scores.n_pieces) == (len(expected), 2 * sum(LENGTHS_OF_ROWS))
    for k in (5, 10, 25):
        assert scores.top[k] == pytest.approx(np.mean([rank < k for *_, rank in expected]), abs=1e-9)
    told = {"loss", "accuracy", "top5", "top10", "top25", "n_labelled", "n_pieces", "by_source"}
    assert set(scores.to_dict()) == told
    assert scores.to_dict()["by_source"] == {}


def test_scores_by_source_are_those_of_its_sequences(model, rows, expected):
    names, source_of = ("even", "odd", "none"), np.arange(len(LENGTHS_OF_ROWS) * 2 + 2) % 2
    scores = evaluate(model, rows, names, source_of)
    assert set(scores.by_source) == {"even", "odd"}
    for number, name in enumerate(names[:2]):
        of_it = [(loss, rank) for sequence, _, loss, rank in expected if sequence % 2 == number]
        found = scores.by_source[name]
        assert found["n_labelled"] == len(of_it)
        assert found["loss"] == pytest.approx(np.mean([loss for loss, _ in of_it]), abs=1e-4)
        assert found["accuracy"] == pytest.approx(np.mean([rank == 0 for _, rank in of_it]), abs=1e-9)
        assert found["top10"] == pytest.approx(np.mean([rank < 10 for _, rank in of_it]), abs=1e-9)
    assert len(scores.line(names)) == len(evaluation_columns(names)) - 2
    assert scores.line(names)[-5:] == ("",) * 5
    assert scores.line(names)[6:11] == tuple(scores.by_source["even"][name] for name in FIGURES)
    assert len(scores.line(names[:1])) == len(evaluation_columns(())) - 2


def test_nothing_to_predict_gives_no_scores_and_the_mode_is_kept(model, rows):
    blank = replace(rows[0], labels=np.full_like(rows[0].labels, IGNORED))
    model.train()
    assert evaluate(model, [blank]) is None
    assert evaluate_in_detail(model, [blank]) is None
    assert evaluate(model, rows) is not None
    assert model.training
    model.eval()


def test_top_k_is_that_of_a_sort(model, rows, expected):
    whole = evaluate_in_detail(model, rows, n_resamples=10).whole
    for k in TOP:
        share = np.mean([rank < k for *_, rank in expected])
        assert whole.top[k].value == pytest.approx(share, abs=1e-9)
    assert 0 < whole.top[25].value < 1
    assert whole.perplexity == pytest.approx(math.exp(whole.loss.value))


def test_blocks_of_logits_change_nothing(model, rows, monkeypatch):
    whole = score_row(model, rows[0])
    monkeypatch.setattr(scoring, "BLOCK_LOGITS", 3 * model.settings.vocab_size)
    blocks = score_row(model, rows[0])
    np.testing.assert_allclose(blocks.losses, whole.losses, atol=1e-5)
    np.testing.assert_array_equal(blocks.ranks, whole.ranks)


def test_equally_likely_pieces_are_ranked_by_id(model, rows):
    flat = ModernBertForMaskedLM(model.settings).eval()
    with torch.no_grad():
        for parameter in flat.parameters():
            parameter.zero_()
    scores = score_row(flat, rows[0])
    np.testing.assert_array_equal(scores.ranks, rows[0].labels[rows[0].labels != IGNORED])


def test_sequences_score_the_same_packed_and_alone(model, rows):
    row = rows[0]
    bounds = np.cumsum([0, *row.lengths])
    sequences = [(row.ids[a:b], row.labels[a:b]) for a, b in pairwise(bounds)]
    together = score_sequences(model, sequences, row_pieces=10_000)
    alone = [score_sequences(model, [sequence], row_pieces=1)[0] for sequence in sequences]
    assert len(together) == len(sequences)
    for one, other, (_, labels) in zip(together, alone, sequences):
        np.testing.assert_array_equal(one.places, np.flatnonzero(labels != IGNORED))
        np.testing.assert_array_equal(one.places, other.places)
        np.testing.assert_allclose(one.losses, other.losses, atol=1e-4)


def test_groups_are_those_of_a_count_by_hand(model, rows, expected):
    """Five documents: sequences 0-2 are one of 9 + 40 + 3 pieces less the special ones, and so on."""
    documents = np.array([0, 0, 0, 1, 2, 2, 2, 3, 3, 4])
    lengths = np.array(2 * LENGTHS_OF_ROWS)
    sizes = np.bincount(documents, lengths - 2)
    names = ["clinic", "nowhere", "library"]
    source_of = np.array([0, 2, 0, 2, 2])
    detail = evaluate_in_detail(
        model, rows, lengths=lengths, documents=documents, sources=names, source_of=source_of, n_resamples=20
    )
    for name, number in (("clinic", 0), ("library", 2)):
        losses = [loss for s, _, loss, _ in expected if source_of[documents[s]] == number]
        group = detail.by_source[name]
        assert (group.n_labelled, group.n_documents) == (len(losses), int((source_of == number).sum()))
        assert group.loss.value == pytest.approx(np.mean(losses), abs=1e-4)
    assert "nowhere" not in detail.by_source
    small = [loss for s, _, loss, _ in expected if sizes[documents[s]] <= LENGTHS[0]]
    assert detail.by_length["<=128"].n_labelled == len(small)
    assert sizes.tolist() == [46, 126, 104, 127, 59]
    assert set(detail.by_position) == {"<512"}
    for table in detail.tables().values():
        assert sum(group.n_labelled for group in table.values()) == detail.whole.n_labelled
        total = sum(group.loss.value * group.n_labelled for group in table.values())
        assert total / detail.whole.n_labelled == pytest.approx(detail.whole.loss.value)
    json.dumps(detail.to_dict(), allow_nan=False)


def test_positions_count_from_the_beginning_of_the_document(model, tokenizer, vocabulary):
    """One document of two sequences: pieces 0 to 499, and 500 to 599; the group changes at piece 512."""
    rows = []
    for number, length in enumerate((500, 100)):
        ids = np.full(length + 2, vocabulary.ordinary[5])
        ids[0], ids[-1] = tokenizer.prefix_ids[0], tokenizer.suffix_ids[0]
        labels = np.where(np.isin(np.arange(length + 2), [0, length + 1]), IGNORED, ids)
        rows.append(Row(ids, labels, [length + 2], [number + 1]))
    lengths, documents = np.array([30, 502, 102]), np.array([0, 1, 1])
    detail = evaluate_in_detail(model, rows, lengths=lengths, documents=documents)
    counts = {name: group.n_labelled for name, group in detail.by_position.items()}
    assert counts == {"<512": 512, "<4096": 88}
    assert {name: group.n_labelled for name, group in detail.by_length.items()} == {"<=1024": 600}
    assert detail.whole.loss.low is None  # one document: no interval


def test_interval_of_the_mean_is_the_known_one():
    """Documents of one piece each: the standard error of a mean is that of the textbook."""
    draw = np.random.default_rng(0)
    values = draw.normal(3.0, 2.0, size=(400, 1))
    (mean,) = means(values, np.arange(400), seed=0)
    error = values.std(ddof=1) / 400**0.5
    assert mean.value == pytest.approx(values.mean())
    assert mean.standard_error == pytest.approx(error, rel=0.1)
    assert mean.low == pytest.approx(mean.value - 1.96 * error, abs=0.3 * error)
    repeated = np.repeat(values, 25, axis=0)  # 25 equal pieces a document say no more than one
    (same,) = means(repeated, np.repeat(np.arange(400), 25), seed=0)
    assert same.standard_error == pytest.approx(mean.standard_error)
    assert means(values, np.arange(400), seed=0) == [mean] != means(values, np.arange(400), seed=1)


def test_difference_of_two_sides_has_the_error_of_both():
    draw = np.random.default_rng(1)
    first, second = draw.normal(1, 1, (300, 1)), draw.normal(0, 2, (500, 1))
    (gap,) = differences((first, np.arange(300)), (second, np.arange(500)), seed=0)
    assert gap.value == pytest.approx(first.mean() - second.mean())
    assert gap.standard_error == pytest.approx((first.var() / 300 + second.var() / 500) ** 0.5, rel=0.1)


@pytest.fixture(scope="module")
def long_sequences(tokenizer, vocabulary):
    def sequence(number, length):
        content = generator_for(3, number).choice(vocabulary.ordinary, size=length - 2)
        return np.concatenate([tokenizer.prefix_ids, content, tokenizer.suffix_ids]).astype(np.int64)

    return [sequence(number, length) for number, length in enumerate((90, 150, 20, 210))]


def test_a_window_that_covers_the_document_is_the_document(model, long_sequences, vocabulary):
    settings = {"vocabulary": vocabulary, "min_length": 60, "per_document": 8, "n_resamples": 50}
    report = context_value(model, long_sequences, (16, 150, 500), **settings)
    assert (report["n_documents"], report["n_labelled"]) == (3, 24)
    small, middle, large, whole = report["windows"]
    assert [row["window"] for row in report["windows"]] == [16, 150, 500, None]
    assert large["loss"] == whole["loss"]
    assert large["top1"] == whole["top1"]
    assert large["beyond"] is whole["beyond"] is None
    assert (small["beyond"]["n_documents"], middle["beyond"]["n_documents"]) == (3, 1)
    saved = small["beyond"]["loss_saved"]
    assert saved["value"] == pytest.approx(small["loss"]["value"] - whole["loss"]["value"])
    assert saved["low"] <= saved["value"] <= saved["high"]
    assert saved["value"] != 0
    assert report == context_value(model, long_sequences, (16, 150, 500), **settings)
    assert report != context_value(model, long_sequences, (16, 150, 500), seed=1, **settings)
    assert context_value(model, long_sequences, (16,), **{**settings, "min_length": 999}) is None


def test_a_window_shows_the_pieces_around_the_one_to_predict(
    model, theirs, long_sequences, vocabulary, monkeypatch
):
    """Each window, given to transformers alone, gives the loss that is reported; it holds its piece near its middle."""
    seen = []

    def spy(model, sequences, **settings):
        seen.extend(sequences)
        return score_sequences(model, sequences, **settings)

    monkeypatch.setattr("pretrain.context.score_sequences", spy)
    sequence = long_sequences[3]
    report = context_value(
        model, [sequence], (16,), vocabulary=vocabulary, min_length=60, per_document=5, n_resamples=5
    )
    windows = [(ids, labels) for ids, labels in seen if len(ids) == 16]
    (full,) = [(ids, labels) for ids, labels in seen if len(ids) != 16]
    targets = np.flatnonzero(full[1] != IGNORED)
    assert len(targets) == 5
    losses = []
    for ids, labels in windows:
        row = Row(ids, labels, [16], [0])
        losses += [loss for *_, loss, _ in by_hand(theirs, row)]
        content = full[0][1:-1]
        begin = next(i for i in range(len(content) - 13) if (content[i : i + 14] == ids[1:-1]).all())
        for place in np.flatnonzero(labels != IGNORED):
            assert begin + place in targets
            assert sequence[begin + place] == labels[place]
            assert 6 <= place <= 9 or begin in (0, len(content) - 14)
    assert len(losses) == 5
    assert report["windows"][0]["loss"]["value"] == pytest.approx(np.mean(losses), abs=1e-4)


def test_a_window_without_room_is_an_error(model, long_sequences, vocabulary):
    with pytest.raises(ValueError, match="BC765"):
        context_value(model, long_sequences, (2,), vocabulary=vocabulary)


@pytest.fixture(scope="module")
def command():
    app = typer.Typer()
    app.command()(main)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_command_writes_scores_with_their_signature_and_no_text(
    command, folder, model, tokenizer, vocabulary, notes_folder, tmp_path
):
    output = tmp_path / "metrics" / "evaluation.json"
    options = ("--text", notes_folder, "--output", output, "--context-length", 100, "--window", 32, "--quiet")
    result = command(folder, *options, "--row-pieces", 2048)
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text(encoding="utf8"))
    shards = shards_for([notes_folder], tokenizer, tmp_path, max_length=8192, is_quiet=True)
    assert report["signature"]["data_hash"] == shards.meta["data_hash"]
    assert set(report["signature"]) == {"encoder", "data_hash", "seed", "version"}
    order = np.arange(len(shards.lengths))
    settings = {"row_pieces": 2048, "mask_rate": 0.15, "most_pieces": 2**20}
    plain = evaluate(model, evaluation_rows(shards, order, vocabulary, **settings))
    assert report["n_pieces"] == plain.n_pieces
    assert report["whole"]["n_labelled"] == pytest.approx(plain.n_labelled, rel=0.1)
    assert report["context"]["windows"][0]["window"] == 32
    assert "top 1" in result.output
    for word in ("penicillin", "metoprolol", str(notes_folder)):
        assert word not in output.read_text(encoding="utf8") + result.output.replace(str(output), "")


def test_command_scores_the_held_out_part_of_a_run(command, folder, tokenizer, notes_folder, tmp_path):
    shards = shards_for([notes_folder], tokenizer, tmp_path, max_length=128, is_quiet=True)
    output = tmp_path / "evaluation.json"
    options = ("--output", output, "--quiet", "--context-documents", 0, "--row-pieces", 512)
    result = command(folder, "--shards", tmp_path, *options)
    assert result.exit_code == 1
    assert "BC767" in result.output  # no record, so the share must be given
    result = command(folder, "--shards", tmp_path, "--held-out", 0.2, *options)
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text(encoding="utf8"))
    assert report["n_pieces"] == shards.lengths[shards.split(0.2)[1]].sum()
    assert report["context"] is None
    assert "BC766" in command(folder, "--shards", folder, *options).output
    assert "BC767" in command(folder, *options).output
