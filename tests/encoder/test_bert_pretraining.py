"""Packed BERT and RoBERTa with their pretraining heads against transformers' padded ones.

Run: pytest tests/encoder/test_bert_pretraining.py
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    BertForMaskedLM,
    BertForPreTraining,
    RobertaForMaskedLM,
)

from spacy_bioclinical.encoder import load_encoder
from spacy_bioclinical.encoder.bert_pretraining import BertForPretraining
from spacy_bioclinical.encoder.checkpoint import load_pretraining_model, save_folder
from spacy_bioclinical.encoder.mlm import ModernBertForMaskedLM as OurModernBert
from tests.encoder.family_folders import strengthened, write_family_folder
from tests.encoder.references import draw_ids

SMALL = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LENGTHS = [40, 7, 128, 65]
ROBERTA = {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}


def reference(model_class, model_type="bert", **overrides):
    return strengthened(model_class(AutoConfig.for_model(model_type, **{**SMALL, **overrides})))


@pytest.fixture
def folder(tmp_path):
    """A BERT folder with both heads as transformers writes it."""
    reference(BertForPreTraining).save_pretrained(tmp_path / "bert", safe_serialization=True)
    return tmp_path / "bert"


def batch():
    """Ids, labels, token types and answers of four pairs, packed."""
    ids = draw_ids(LENGTHS)
    labels = torch.where(torch.arange(len(ids)) % 5 == 2, draw_ids(LENGTHS, seed=5), -100)
    types = torch.cat([(torch.arange(n) > n // 3).long() for n in LENGTHS])
    return ids, labels, types, torch.tensor([0, 1, 1, 0])


def padded(flat, fill):
    return torch.nn.utils.rnn.pad_sequence(flat.split(LENGTHS), batch_first=True, padding_value=fill)


def padded_inputs(ids, labels, types=None):
    mask = padded(torch.ones_like(ids), 0)
    inputs = {"input_ids": padded(ids, 0), "attention_mask": mask, "labels": padded(labels, -100)}
    return inputs if types is None else {**inputs, "token_type_ids": padded(types, 0)}


def test_both_heads_equal_reference_in_logits_loss_and_gradients(folder):
    ids, labels, types, answers = batch()
    theirs = BertForPreTraining.from_pretrained(folder).train()
    inputs = padded_inputs(ids, labels, types)
    expected = theirs(**inputs, next_sentence_label=answers)
    expected.loss.backward()
    model = load_pretraining_model(folder).train()
    out = model(ids, LENGTHS, labels, types, answers)
    out.loss.backward()
    predicted = inputs["labels"] != -100
    assert out.n_labelled == int(predicted.sum())
    assert out.n_pairs == 4
    assert (out.logits_MV - expected.prediction_logits[predicted]).abs().max() < 2e-4
    assert (out.next_sentence_logits_B2 - expected.seq_relationship_logits).abs().max() < 2e-4
    assert abs(out.loss - expected.loss) < 2e-4
    assert torch.allclose(out.loss, out.mlm_loss + out.next_sentence_loss)
    own = dict(model.named_parameters())
    for name, parameter in theirs.named_parameters():
        assert (own.pop(name).grad - parameter.grad).abs().max() < 2e-4, name
    assert not own, "every parameter has a counterpart in transformers"


def test_token_types_and_next_sentence_matter(folder):
    ids, labels, types, answers = batch()
    model = load_pretraining_model(folder)
    with torch.no_grad():
        zeros = model(ids, LENGTHS, labels, torch.zeros_like(types), answers)
        assert torch.equal(model(ids, LENGTHS, labels).logits_MV, zeros.logits_MV)
        assert (model(ids, LENGTHS, labels, types).logits_MV - zeros.logits_MV).abs().max() > 0.01
        alone = model(ids, LENGTHS, labels, types)
        assert alone.next_sentence_loss is None
        assert torch.equal(alone.loss, alone.mlm_loss)


def test_nothing_to_predict_gives_zero_loss_with_gradients(folder):
    ids, labels, types, answers = batch()
    out = load_pretraining_model(folder)(
        ids, LENGTHS, torch.full_like(labels, -100), types, torch.full_like(answers, -100)
    )
    assert (out.n_labelled, out.n_pairs, out.loss.item()) == (0, 0, 0.0)
    out.loss.backward()


def test_empty_windows_shift_no_answers(folder):
    ids, labels, types, answers = batch()
    model = load_pretraining_model(folder)
    with torch.no_grad():
        plain = model(ids, LENGTHS, labels, types, answers)
        holes = [40, 0, 7, 128, 0, 65, 0]
        out = model(ids, holes, labels, types, torch.tensor([0, 1, 1, 1, 0, 0, 1]))
    assert torch.equal(out.next_sentence_logits_B2, plain.next_sentence_logits_B2)
    assert torch.equal(out.loss, plain.loss)


@pytest.mark.parametrize(
    ("model_class", "overrides"),
    [
        (BertForMaskedLM, {}),
        (BertForMaskedLM, {"hidden_act": "relu", "layer_norm_eps": 1e-3}),
        (RobertaForMaskedLM, ROBERTA),
        (RobertaForMaskedLM, {**ROBERTA, "hidden_act": "relu"}),
    ],
)
def test_masked_lm_alone_equals_reference(tmp_path, model_class, overrides):
    reference(model_class, **overrides).save_pretrained(tmp_path, safe_serialization=True)
    theirs = model_class.from_pretrained(tmp_path).train()
    ids, labels, _, answers = batch()
    inputs = padded_inputs(ids, labels)
    if overrides.get("model_type") == "roberta":
        inputs["input_ids"][inputs["attention_mask"] == 0] = 1
    expected = theirs(**inputs)
    expected.loss.backward()
    model = load_pretraining_model(tmp_path).train()
    out = model(ids, LENGTHS, labels)
    out.loss.backward()
    assert (out.logits_MV - expected.logits[inputs["labels"] != -100]).abs().max() < 2e-4
    assert abs(out.loss - expected.loss) < 2e-4
    own = dict(model.named_parameters())
    for name, parameter in theirs.named_parameters():
        assert (own[name].grad - parameter.grad).abs().max() < 2e-4, name
    with pytest.raises(ValueError, match="BC750"):
        model(ids, LENGTHS, labels, None, answers)


def test_saved_folder_is_what_transformers_reads(folder, tmp_path):
    model = load_pretraining_model(folder)
    save_folder(model, tmp_path / "again")
    before, after = (
        load_file(folder / "model.safetensors"),
        load_file(tmp_path / "again" / "model.safetensors"),
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    theirs, info = BertForPreTraining.from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert theirs.cls.predictions.decoder.weight is theirs.bert.embeddings.word_embeddings.weight
    assert json.loads((tmp_path / "again" / "config.json").read_text())["architectures"] == [
        "BertForPreTraining"
    ]
    assert load_encoder(tmp_path / "again").width == 48


def test_roberta_folder_is_saved_as_transformers_reads_it(tmp_path):
    reference(RobertaForMaskedLM, **ROBERTA).save_pretrained(tmp_path / "a", safe_serialization=True)
    save_folder(load_pretraining_model(tmp_path / "a"), tmp_path / "b")
    theirs, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "b", output_loading_info=True)
    assert isinstance(theirs, RobertaForMaskedLM)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]


@pytest.mark.parametrize(
    ("family", "next_sentence"),
    [("bert", False), ("bert-cased-trap", True), ("clinical-modernbert", False), ("roberta", False)],
)
def test_published_folder_layouts_load_with_their_heads(tmp_path, family, next_sentence):
    model = load_pretraining_model(write_family_folder(family, tmp_path / family))
    assert model.next_sentence is next_sentence
    ids = draw_ids([9], vocab_size=60)
    assert model(ids, [9], ids).logits_MV.shape == (9, model.settings.vocab_size)


def test_modernbert_folder_loads_as_before(tmp_path):
    folder = write_family_folder("modernbert", tmp_path / "modernbert")
    assert isinstance(load_pretraining_model(folder), OurModernBert)
    with pytest.raises(ValueError, match="BC750"):
        load_pretraining_model(folder, next_sentence=True)


def test_next_sentence_head_can_be_left_out_but_not_invented(folder, tmp_path):
    model = load_pretraining_model(folder, next_sentence=False)
    assert not model.next_sentence
    reference(BertForMaskedLM).save_pretrained(tmp_path / "masked", safe_serialization=True)
    with pytest.raises(ValueError, match=r"BC107.*seq_relationship"):
        load_pretraining_model(tmp_path / "masked", next_sentence=True)


def test_decoder_stored_beside_the_embeddings_is_tied_as_published(folder):
    tensors = load_file(folder / "model.safetensors")
    bias = tensors.pop("cls.predictions.bias")
    tensors["cls.predictions.decoder.bias"] = bias
    tensors["cls.predictions.decoder.weight"] = torch.zeros(300, 48)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_pretraining_model(folder)
    assert model.predictions.decoder.weight is model.model.embeddings.word_embeddings.weight
    assert model.predictions.decoder.weight.abs().max() > 0
    assert torch.equal(model.predictions.decoder.bias, bias)


def test_what_cannot_be_computed_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    with pytest.raises(ValueError, match=r"BC103.*tie_word_embeddings"):
        BertForPretraining.from_config({**config, "tie_word_embeddings": False})
    ids, labels, types, answers = batch()
    model = load_pretraining_model(folder)
    with pytest.raises(ValueError, match=r"BC751.*token types"):
        model(ids, LENGTHS, labels, types[:-1], answers)
    with pytest.raises(ValueError, match=r"BC751.*next-sentence"):
        model(ids, LENGTHS, labels, types, answers[:-1])


def test_bf16_is_near_fp32_and_fresh_weights_are_bert_s(folder):
    ids, labels, types, answers = batch()
    model = load_pretraining_model(folder).eval().init_weights(3)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert all(torch.equal(first[name], value) for name, value in model.init_weights(3).state_dict().items())
    weight = model.model.embeddings.word_embeddings.weight
    assert weight.abs().max() <= 0.04
    assert 0.015 < weight.std() < 0.02
    with torch.no_grad():
        exact = model(ids, LENGTHS, labels, types, answers)
        model.model.set_compute(precision="bf16")
        out = model(ids, LENGTHS, labels, types, answers)
    assert out.logits_MV.dtype == torch.float32
    assert abs(out.loss - exact.loss) < 0.02
