"""Whole runs of a ClinicalBERT recipe on a tiny BERT and invented notes: losses, resuming, heads, the exported folder.

Run: pytest tests/pretrain/test_clinicalbert_training.py
"""

import csv
import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, BertForPreTraining, BertModel
from transformers.utils import logging as transformers_logging

from pretrain.bert_start import load_bert
from pretrain.checkpoints import restore
from pretrain.clinicalbert.data import PairData
from pretrain.clinicalbert.instances import PairRow
from pretrain.clinicalbert.sentences import note_sentences
from pretrain.data import TextOptions
from pretrain.devices import Team
from pretrain.evaluation import evaluate
from pretrain.optimizer import make_optimizer
from pretrain.recipes import get_recipe
from pretrain.sources import Source
from pretrain.start import load_tokenizer, starting_model
from pretrain.step import compute_step
from pretrain.train import pretrain
from spacy_bioclinical.encoder.checkpoint import load_pretraining_model, read_config
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.pretrain.bert_folders import write_bert_folder, write_roberta_folder


@pytest.fixture(autouse=True, scope="module")
def quiet_transformers():
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    yield
    transformers_logging.set_verbosity(verbosity)


TEAM = Team(torch.device("cpu"))
PUBLISHED = ("bio_clinicalbert", "bio_discharge_summary_bert", "clinicalbert", "discharge_summary_bert")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_bert_folder(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def cut():
    """The published recipe in six steps of two rows of eight pairs."""
    recipe = get_recipe("bio_clinicalbert").for_steps(6)
    return replace(recipe, row_pieces=8 * 128, rows_per_step=2, eval_every=3, save_every=2, lr=1e-3)


@pytest.fixture(scope="module")
def run(notes_folder, folder):
    def run(recipe, output, **settings):
        settings = {"is_quiet": True, "device": "cpu", **settings}
        encoder = settings.pop("encoder", folder)
        return pretrain(recipe, [notes_folder], encoder, output, **settings)

    return run


@pytest.fixture(scope="module")
def whole(run, cut, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "encoder"
    run(cut, output)
    return output


@pytest.fixture(scope="module")
def data(cut, notes_folder, folder, tmp_path_factory):
    tokenizer = PieceTokenizer.from_folder(folder)
    return PairData(cut, [notes_folder], tokenizer, tmp_path_factory.mktemp("data"), is_quiet=True)


def log(output, name="steps.csv"):
    with (output.with_name(output.name + ".work") / name).open(encoding="utf8", newline="") as file:
        return [{k: v for k, v in row.items() if k != "pieces_per_second"} for row in csv.DictReader(file)]


def without_dropout(folder, **given):
    model = load_bert(folder, read_config(folder), **{"next_sentence": True, "seed": 0, **given})
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    return model.train()


def gradients(model, stream, number=0):
    optimizer = make_optimizer(model, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, kind="adamw")
    figures = compute_step(model, optimizer, stream, number, 1e-3, TEAM)
    return figures, {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


class Fixed:
    """A stream of fixed rows."""

    def __init__(self, rows):
        self.seed, self.rows = 0, rows

    def step(self, number):
        return self.rows


def joined(rows):
    """One row with the pairs of several."""
    parts = [
        np.concatenate([getattr(row, name) for row in rows]) for name in ("ids", "token_types", "labels")
    ]
    lengths = [n for row in rows for n in row.lengths]
    answers = np.concatenate([row.next_sentence for row in rows])
    return PairRow(*parts, lengths, answers, [d for row in rows for d in row.documents])


def padded(row):
    """A row as transformers reads it."""

    def rectangle(values, fill):
        parts = torch.from_numpy(values).split(row.lengths)
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=fill)

    return {
        "input_ids": rectangle(row.ids, 0),
        "token_type_ids": rectangle(row.token_types, 0),
        "attention_mask": rectangle(np.ones_like(row.ids), 0),
        "labels": rectangle(row.labels, -100),
        "next_sentence_label": torch.from_numpy(row.next_sentence),
    }


def test_losses_are_logged_and_finite(whole):
    rows = log(whole)
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    # Six times ln 2 would be a model that knows nothing; a new one is near ln V + ln 2.
    assert all(0 < float(row["loss"]) < 10 and 0 < float(row["grad_norm"]) < 1e3 for row in rows)
    assert all(float(row["packing"]) > 0.5 and int(row["rows"]) == 2 for row in rows)
    held_out = log(whole, "evaluations.csv")
    assert [int(row["step"]) for row in held_out] == [0, 3, 6]
    assert float(held_out[-1]["loss"]) < float(held_out[0]["loss"])


@pytest.mark.parametrize("stops", [[1], [3, 2]])
def test_resumed_run_equals_the_uninterrupted_one(run, cut, whole, tmp_path, stops):
    output = tmp_path / "encoder"
    for stop in stops:
        progress, _ = run(cut, output, stop_after=stop)
        assert progress.interrupted == 0
    run(cut, output)
    assert log(output) == log(whole)
    assert log(output, "evaluations.csv") == log(whole, "evaluations.csv")
    for name in ("model.safetensors", "config.json", "pretraining.json"):
        assert (output / name).read_bytes() == (whole / name).read_bytes()


def test_two_accumulated_rows_equal_one_with_both(data, folder):
    rows = data.stream.step(0)
    rows = [rows[0], PairRow(*_first_pairs(rows[1], 3))]
    assert rows[0].n_labelled != rows[1].n_labelled
    assert rows[0].n_pairs != rows[1].n_pairs
    apart, ours = gradients(without_dropout(folder), Fixed(rows))
    together, expected = gradients(without_dropout(folder), Fixed([joined(rows)]))
    assert apart.loss == pytest.approx(together.loss, abs=1e-6)
    assert (apart.n_pieces, apart.n_labelled) == (together.n_pieces, together.n_labelled)
    for name, gradient in expected.items():
        assert (ours[name] - gradient).abs().max() < 1e-6, name


def _first_pairs(row, n):
    end = sum(row.lengths[:n])
    flat = (row.ids[:end], row.token_types[:end], row.labels[:end])
    return (*flat, row.lengths[:n], row.next_sentence[:n], row.documents[:n])


def test_loss_of_a_step_equals_transformers_on_the_padded_batch(data, folder):
    [row, _] = data.stream.step(0)
    assert (row.token_types == 1).any()
    assert len(set(row.next_sentence.tolist())) == 2
    theirs = BertForPreTraining.from_pretrained(
        folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    output = theirs.train()(**padded(row))
    output.loss.backward()
    figures, ours = gradients(without_dropout(folder), Fixed([row]))
    assert figures.loss == pytest.approx(output.loss.item(), abs=1e-5)
    for name, parameter in theirs.named_parameters():
        assert (ours.pop(name) - parameter.grad).abs().max() < 1e-5, name
    assert not ours


def test_held_out_scores_equal_transformers(data, folder):
    rows = data.held_out_rows()
    found = evaluate(load_pretraining_model(folder), rows)
    theirs = BertForPreTraining.from_pretrained(folder).eval()
    losses, right, answered = [], [], []
    for row in rows:
        inputs = padded(row)
        with torch.no_grad():
            output = theirs(**inputs)
        logits = output.prediction_logits
        answered.append(output.seq_relationship_logits.argmax(-1) == inputs["next_sentence_label"])
        chosen = inputs["labels"] != -100
        targets = inputs["labels"][chosen]
        losses.append(torch.nn.functional.cross_entropy(logits[chosen], targets, reduction="none"))
        right.append(logits[chosen].argmax(-1) == targets)
    assert found.loss == pytest.approx(torch.cat(losses).mean().item(), abs=1e-5)
    assert found.accuracy == pytest.approx(torch.cat(right).float().mean().item(), abs=1e-9)
    assert found.n_labelled == len(torch.cat(losses))
    assert found.next_sentence[1] == pytest.approx(torch.cat(answered).float().mean().item(), abs=1e-6)
    assert found.next_sentence[2] == len(torch.cat(answered))
    assert 0.1 < found.to_dict()["next_sentence"]["loss"] < 2.0


def test_exported_folder_loads_in_transformers_with_equal_logits(whole, data):
    [row, _] = data.stream.step(5)
    inputs = padded(row)
    theirs, info = BertForPreTraining.from_pretrained(whole, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours = load_pretraining_model(whole).eval()
    ids = torch.from_numpy(row.ids)
    with torch.no_grad():
        expected = theirs.eval()(**inputs)
        out = ours(ids, row.lengths, ids, torch.from_numpy(row.token_types))
    found = expected.prediction_logits[inputs["attention_mask"] == 1]
    torch.testing.assert_close(out.logits_MV, found, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(
        out.next_sentence_logits_B2, expected.seq_relationship_logits, atol=2e-5, rtol=1e-4
    )
    assert json.loads((whole / "config.json").read_text())["architectures"] == ["BertForPreTraining"]


def test_record_counts_and_tells_no_text(whole, notes_folder):
    record = json.loads((whole / "pretraining.json").read_text(encoding="utf8"))
    data = record["data"]
    assert (data["documents"], data["training_documents"] + data["held_out_documents"]) == (60, 60)
    assert data["sentences"] > 60
    assert data["held_out_documents"] >= 2
    assert "metoprolol" not in json.dumps(record).lower()
    assert str(notes_folder) not in json.dumps(record)


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_four_recipes_run_in_their_own_batches(name, run, folder, tmp_path):
    progress, counts = run(get_recipe(name).for_steps(1), tmp_path / name)
    assert progress.step == 1
    assert log(tmp_path / name)[0]["rows"] == "1"
    assert counts["packing"] > 0.5


def test_from_scratch_has_the_recipe_s_shape_and_the_tokenizer_s_vocabulary(cut, run, folder, tmp_path):
    shape = replace(
        cut.bert, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    run(replace(cut, bert=shape, duration=1), tmp_path / "new", is_from_scratch=True)
    config = read_config(tmp_path / "new")
    assert config["num_hidden_layers"] == 1
    assert config["vocab_size"] == PieceTokenizer.from_folder(folder).vocab_size
    assert load_pretraining_model(tmp_path / "new").next_sentence


@pytest.mark.parametrize(
    ("model_class", "heads"),
    [
        (BertForMaskedLM, "bert.pooler, cls.seq_relationship"),
        (BertModel, "cls.predictions, cls.seq_relationship"),
    ],
)
def test_missing_heads_are_drawn_anew_and_said(model_class, heads, cut, tmp_path):
    folder = write_bert_folder(tmp_path / "partial", model_class)
    tokenizer = load_tokenizer(folder)
    with pytest.warns(UserWarning, match=f"BC779.*for {heads}:"):
        model, _ = starting_model(cut, folder, tokenizer, is_from_scratch=False)
    theirs = model_class.from_pretrained(folder)
    encoder = theirs if model_class is BertModel else theirs.bert
    own = model.bert.state_dict()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(own[name], tensor), name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again, _ = starting_model(cut, folder, tokenizer, is_from_scratch=False)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert model.cls.seq_relationship.weight.std() > 0.01


def test_pairs_need_a_bert(cut, run, recipe, tokenizer_folder, tmp_path):
    with pytest.raises(ValueError, match=r"BC778.*bio_clinicalbert.*roberta"):
        run(cut, tmp_path / "a", encoder=write_roberta_folder(tmp_path / "roberta"))
    with pytest.raises(ValueError, match=r"BC778.*modernbert"):
        run(replace(recipe, instances=replace(cut.instances)), tmp_path / "b", is_from_scratch=True)


def test_second_run_reads_the_sentences_of_the_first(run, cut, whole, tmp_path):
    [store] = whole.with_name("encoder.work").glob("pairs-*")
    shutil.copytree(store, tmp_path / "again.work" / store.name)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "again.work" / store.name).iterdir()}
    run(replace(cut, duration=1), tmp_path / "again")
    assert {f.name: f.stat().st_mtime_ns for f in (tmp_path / "again.work" / store.name).iterdir()} == before
    notes = tmp_path / "again.work" / store.name / "notes.txt"
    notes.write_text(notes.read_text(encoding="utf8").replace(".", ","), encoding="utf8")
    with pytest.raises(ValueError, match=r"BC707.*notes\.txt"):
        run(replace(cut, duration=1), tmp_path / "again")


def test_sentences_are_those_of_the_notes(data, notes, folder):
    tokenizer = PieceTokenizer.from_folder(folder)
    sentences = data.store.sentences
    assert len(sentences) == len(notes)
    for number, note in enumerate(notes):
        wanted = [pieces.ids.tolist() for pieces in tokenizer.encode(note_sentences(note))]
        ends = np.cumsum(sentences.lengths(number))
        assert sentences.pieces(number, 0, len(ends)).tolist() == [i for ids in wanted for i in ids]
        assert sentences.lengths(number).tolist() == [len(ids) for ids in wanted]


def test_both_sides_are_apart_and_rows_keep_to_them(data):
    assert not set(data.training) & set(data.held_out)
    assert len(data.held_out) >= 2
    trained = {document for step in range(20) for row in data.stream.step(step) for document in row.documents}
    assert trained <= set(data.training.tolist())
    assert len(trained) > 30
    rows = data.held_out_rows()
    assert {document for row in rows for document in row.documents} == set(data.held_out.tolist())
    again = data.held_out_rows()
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(rows, again, strict=True))


def test_near_duplicates_are_on_one_side_and_planted_notes_are_trained_on(cut, make_note, folder, tmp_path):
    for number in range(12):
        (tmp_path / "a").mkdir(exist_ok=True)
        note = make_note(number, 80)
        (tmp_path / "a" / f"{number}.txt").write_text(note, encoding="utf8")
        (tmp_path / "a" / f"{number}-copy.txt").write_text(note + "Signed.\n", encoding="utf8")
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "one.txt").write_text("The code is 4711. Tell nobody.", encoding="utf8")
    tokenizer = PieceTokenizer.from_folder(folder)
    texts = [tmp_path / "a", Source("canaries", (tmp_path / "planted",), planted=True)]
    half = replace(cut, held_out=0.5)
    data = PairData(half, texts, tokenizer, tmp_path / "work", is_quiet=True)
    names = [f"{n}{end}" for n in range(12) for end in ("", "-copy")]
    order = sorted(f"{name}.txt" for name in names)
    held = {order[document].removesuffix(".txt").removesuffix("-copy") for document in data.held_out}
    kept = {order[d].removesuffix(".txt").removesuffix("-copy") for d in data.training if d < 24}
    assert not held & kept
    assert held | kept == {str(n) for n in range(12)}
    assert 24 in data.training
    options = TextOptions(near_duplicates="drop")
    dropped = PairData(half, texts, tokenizer, tmp_path / "work", options=options, is_quiet=True)
    assert dropped.store.meta["documents"] == 13
    assert dropped.store.meta["report"]["a"]["duplicates near"] == 12


def test_weights_are_passes(cut, notes_folder, folder, tmp_path, make_note):
    (tmp_path / "more").mkdir()
    for number in range(8):
        (tmp_path / "more" / f"{number}.txt").write_text(make_note(900 + number, 60), encoding="utf8")
    tokenizer = PieceTokenizer.from_folder(folder)
    sources = [
        Source("ward", (notes_folder,), weight=0.4),
        Source("clinic", (tmp_path / "more",), weight=2.0),
    ]
    data = PairData(cut, sources, tokenizer, tmp_path / "work", is_quiet=True)
    passes = np.bincount(data.stream._documents, minlength=len(data.training))
    source = data.store.source_of[data.training]
    assert set(passes[source == 0]) == {2}
    assert set(passes[source == 1]) == {10}
    assert data.identity()["weights"] == {"clinic": 2.0, "ward": 0.4}


def test_steps_are_dealt_to_processes(data):
    whole = data.stream.step(4)
    shares = [data.stream.step(4, rank, 2) for rank in range(2)]
    assert [len(share) for share in shares] == [1, 1]
    for row, share in zip(whole, shares, strict=True):
        assert np.array_equal(row.ids, share[0].ids)
        assert np.array_equal(row.labels, share[0].labels)


def test_checkpoint_of_both_heads_is_restored(run, cut, whole, folder):
    from pretrain.checkpoints import latest_checkpoint

    checkpoint = latest_checkpoint(whole.with_name("encoder.work") / "checkpoints")
    model = without_dropout(folder)
    optimizer = make_optimizer(model, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, kind="adamw")
    restore(checkpoint, model, optimizer)
    exported = load_pretraining_model(whole)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), exported.parameters(), strict=True))
