"""Recipes of packed documents on BERT and RoBERTa folders: positions, dropout, resuming, branching, export.

Run: pytest tests/pretrain/test_bert_mlm.py
"""

import csv
import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertForPreTraining

from pretrain.batches import BatchStream
from pretrain.bert_start import fitted_recipe
from pretrain.compute import checkpoint_activations, layers_of, set_dropout
from pretrain.data import Data
from pretrain.devices import whole_model
from pretrain.flops import flops_per_piece
from pretrain.plan import describe
from pretrain.prefetch import Ahead
from pretrain.recipes import get_recipe
from pretrain.scoring import score_row, score_sequences
from pretrain.start import load_tokenizer, starting_model
from pretrain.train import pretrain
from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.bert import BertSettings
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.encoder.checkpoint import load_pretraining_model, read_config
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.pretrain.bert_folders import write_bert_folder, write_roberta_folder

# The recipe has 128 pieces a document, the folders 64 positions; one test looks at what is said of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*BC780")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    return {
        "bert": write_bert_folder(root / "bert", positions=64),
        "roberta": write_roberta_folder(root / "roberta"),
    }


@pytest.fixture(scope="module")
def run(notes_folder):
    def run(recipe, encoder, output, **settings):
        settings = {"is_quiet": True, "device": "cpu", **settings}
        return pretrain(recipe, [notes_folder], encoder, output, **settings)[0]

    return run


@pytest.fixture(scope="module")
def short(recipe):
    return replace(recipe.for_steps(6), eval_every=3, save_every=2)


@pytest.fixture(scope="module")
def trained(run, short, folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    for family, folder in folders.items():
        with pytest.warns(UserWarning, match="BC780.*128 pieces.*64 learned positions"):
            run(short, folder, root / family)
    return {family: root / family for family in folders}


def losses(output):
    with (output.with_name(output.name + ".work") / "steps.csv").open(encoding="utf8", newline="") as file:
        return [(row["loss"], row["grad_norm"], row["pieces"]) for row in csv.DictReader(file)]


def padded(model, ids, lengths):
    parts = ids.split(lengths)
    batch = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=model.config.pad_token_id)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(part) for part in parts], batch_first=True)
    return model(input_ids=batch, attention_mask=mask).logits[mask == 1]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_documents_are_cut_at_the_positions_and_losses_are_finite(family, trained):
    rows = losses(trained[family])
    assert len(rows) == 6
    assert all(0 < float(loss) < 10 and 0 < float(norm) < 1e3 for loss, norm, _ in rows)
    record = json.loads((trained[family] / "pretraining.json").read_text(encoding="utf8"))
    assert record["recipe"]["max_length"] == 64
    assert record["data"]["cut"] > 5
    assert record["held_out_after"]["n_labelled"] > 50


@pytest.mark.parametrize(("family", "name"), [("bert", "BertForMaskedLM"), ("roberta", "RobertaForMaskedLM")])
def test_exported_folder_gives_the_same_logits_in_transformers(family, name, trained):
    theirs, info = AutoModelForMaskedLM.from_pretrained(trained[family], output_loading_info=True)
    assert type(theirs).__name__ == name
    card = (trained[family] / "README.md").read_text(encoding="utf8")
    assert f"A {'BERT' if family == 'bert' else 'RoBERTa'} encoder" in card
    assert "modernbert" not in card.partition("# ")[0]
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours = load_pretraining_model(trained[family]).eval()
    assert not ours.next_sentence
    generator = torch.Generator().manual_seed(0)
    lengths = [60, 7, 33]
    ids = torch.randint(5, theirs.config.vocab_size, (100,), generator=generator)
    with torch.no_grad():
        expected = padded(theirs.eval(), ids, lengths)
        found = ours(ids, lengths, ids).logits_MV
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert load_encoder(trained[family]).width == 32


def test_resumed_run_equals_the_uninterrupted_one(run, short, folders, trained, tmp_path):
    for stop in (1, 3):
        assert run(short, folders["bert"], tmp_path / "a", stop_after=stop).interrupted == 0
    run(short, folders["bert"], tmp_path / "a")
    assert losses(tmp_path / "a") == losses(trained["bert"])
    for name in ("model.safetensors", "config.json", "pretraining.json"):
        assert (tmp_path / "a" / name).read_bytes() == (trained["bert"] / name).read_bytes()


def test_dropout_of_the_folder_s_config_is_in_force(run, short, trained, tmp_path):
    without = write_bert_folder(tmp_path / "without", positions=64, dropout=0.0)
    run(replace(short, duration=1), without, tmp_path / "a")
    run(replace(short, duration=1, attention_out_dropout=0.0), without, tmp_path / "b")
    assert losses(tmp_path / "a") == losses(tmp_path / "b")  # the recipe's own is ModernBERT's
    assert losses(tmp_path / "a")[0][0] != losses(trained["bert"])[0][0]


def test_positions_beyond_which_nothing_is_cut_leave_the_recipe_alone(short, recipe):
    modern = {"model_type": "modernbert", "max_position_embeddings": 64}
    assert fitted_recipe(recipe, modern) is recipe
    long = BertSettings(max_position_embeddings=128).to_config()
    assert fitted_recipe(recipe, long) is recipe
    roberta = BertSettings(model_type="roberta", pad_token_id=1, max_position_embeddings=102).to_config()
    assert fitted_recipe(recipe, roberta).max_length == 100
    pairs = get_recipe("bio_clinicalbert")
    fitted = fitted_recipe(pairs, BertSettings(max_position_embeddings=64).to_config())
    assert fitted.max_length == fitted.instances.max_length == 64


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_scores_are_those_of_the_logits(family, folders):
    model = load_pretraining_model(folders[family]).eval()
    generator = torch.Generator().manual_seed(1)
    sequences = []
    for length in (50, 12):
        ids = torch.randint(5, 90, (length,), generator=generator).numpy()
        labels = ids.copy()
        labels[::2] = -100
        sequences.append((ids, labels))
    found = score_sequences(model, sequences)
    for (ids, labels), scores in zip(sequences, found, strict=True):
        ids_T, labels_T = torch.from_numpy(ids), torch.from_numpy(labels)
        with torch.no_grad():
            logits = model(ids_T, [len(ids)], labels_T).logits_MV
        chosen = labels_T[labels_T != -100]
        expected = torch.nn.functional.cross_entropy(logits, chosen, reduction="none")
        torch.testing.assert_close(torch.from_numpy(scores.losses).float(), expected, atol=1e-5, rtol=1e-5)
        assert (scores.ranks == 0).sum() == (logits.argmax(-1) == chosen).sum()


def test_ways_of_computing_leave_gradients_as_they_are(folders):
    ids = torch.arange(10, 60)
    gradients = []
    for recomputed in (False, True):
        model = load_pretraining_model(folders["bert"]).train()
        set_dropout(model, 0.3)
        assert [layer.attention.output.dropout.p for layer in layers_of(model)] == [0.1, 0.1]
        if recomputed:
            checkpoint_activations(model)
        torch.manual_seed(0)
        model(ids, [30, 20], ids).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)


def test_operations_are_counted_for_a_bert():
    settings = BertSettings(
        vocab_size=100, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    layer = 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * 10
    assert flops_per_piece(settings, 10.0, 0.5) == 3 * (2 * layer + 2 * 0.5 * 8 * (8 + 100))
    assert "BERT" in describe(get_recipe("bio_clinicalbert"))


def test_branch_is_built_as_its_checkpoint_says(run, short, folders, trained, tmp_path):
    trunk = trained["bert"].with_name("bert.work")
    later = replace(short, name="later", duration=3, lr=5e-4)
    progress = run(later, folders["bert"], tmp_path / "branch", branch_from=str(trunk), stop_after=1)
    assert progress.interrupted == 0
    progress = run(later, folders["bert"], tmp_path / "branch", branch_from=str(trunk))
    assert progress.step == 3
    assert read_config(tmp_path / "branch")["model_type"] == "bert"
    first = float(losses(tmp_path / "branch")[0][0])
    assert first == pytest.approx(float(losses(trained["bert"])[-1][0]), abs=0.6)
    pairs = replace(get_recipe("bio_clinicalbert").for_steps(2), row_pieces=512)
    with pytest.raises(ValueError, match=r"BC781.*holds no next-sentence head.*bio_clinicalbert trains one"):
        run(pairs, folders["bert"], tmp_path / "refused", branch_from=str(trunk))


def test_a_bert_s_recipe_of_packed_documents_begins_from_scratch(run, folders, tmp_path):
    as_run = get_recipe("clinical_modernbert_as_run")
    shape = replace(
        as_run.bert, num_hidden_layers=2, hidden_size=24, num_attention_heads=2, intermediate_size=32
    )
    few = replace(as_run.for_steps(2), bert=shape, row_pieces=512, precision="fp32", batch_warmup=None)
    run(few, folders["bert"], tmp_path / "a", is_from_scratch=True)
    config = read_config(tmp_path / "a")
    assert (config["model_type"], config["max_position_embeddings"]) == ("bert", 8192)
    tokenizer = PieceTokenizer.from_folder(folders["bert"])
    assert (config["vocab_size"], config["pad_token_id"]) == (tokenizer.vocab_size, tokenizer.pad_id)


def test_whole_model_keeps_the_heads_it_has(folders):
    from pretrain.devices import Team

    model = load_pretraining_model(folders["bert"])
    copy = whole_model(model, Team(torch.device("cpu"), kind="fsdp"))
    assert isinstance(copy, BertForPretraining)
    assert copy.next_sentence
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), copy.parameters(), strict=True))


def test_masked_pieces_alone_train_all_that_is_built(short, folders):
    tokenizer = load_tokenizer(folders["bert"])
    assert BertForPreTraining.from_pretrained(folders["bert"]).cls.seq_relationship is not None
    model, word = starting_model(short, folders["bert"], tokenizer, is_from_scratch=False)
    assert len(word) == 64
    ids = torch.arange(10, 40)
    model(ids, [30], ids).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_steps_prepared_ahead_are_those_made_one_by_one(short, notes_folder, folders, tmp_path):
    tokenizer = PieceTokenizer.from_folder(folders["bert"])
    data = Data(replace(short, max_length=64), [notes_folder], tokenizer, tmp_path, is_quiet=True)
    plain = [[row.ids.tolist() for row in data.stream.step(number)] for number in range(12)]
    order = [0, 1, 2, 3, 4, 2, 3, 4, 5, 9, 10, 11, 0]  # back to a checkpoint, ahead, and back
    with Ahead(data.stream) as stream:
        assert isinstance(stream.stream, BatchStream)
        assert (stream.seed, stream.epoch(11)) == (data.stream.seed, data.stream.epoch(11))
        for number in order:
            assert [row.ids.tolist() for row in stream.step(number)] == plain[number]
        [only] = stream.step(7, 1, 2)
        assert only.ids.tolist() == plain[7][1]


def test_error_of_a_step_comes_when_it_is_asked_for():
    class Broken:
        seed = 0

        def step(self, number, rank=0, world=1):
            if number == 2:
                raise ValueError("two")
            return [number]

    with Ahead(Broken()) as stream:
        assert [stream.step(number) for number in (0, 1)] == [[0], [1]]
        with pytest.raises(ValueError, match="two"):
            stream.step(2)
        assert stream.step(3) == [3]


def test_row_of_pairs_and_row_of_documents_are_scored_by_one_function(folders):
    from pretrain.batches import Row
    from pretrain.clinicalbert.instances import PairRow

    model = load_pretraining_model(folders["bert"]).eval()
    ids = torch.arange(10, 30).numpy()
    labels = ids.copy()
    types = torch.cat([torch.zeros(10), torch.ones(10)]).long().numpy()
    plain = score_row(model, Row(ids, labels, [20], [0]))
    zeros = score_row(model, PairRow(ids, 0 * types, labels, [20], None, [0]))
    typed = score_row(model, PairRow(ids, types, labels, [20], None, [0]))
    assert zeros.losses == pytest.approx(plain.losses, abs=1e-6)
    assert abs(typed.losses - plain.losses).max() > 1e-4
