"""Composer checkpoints, written here in their layout: equal outputs, every key accounted for, no code run."""

import json
import random
from collections import OrderedDict
from datetime import timedelta

import numpy as np
import pytest
import torch
import typer
from transformers import ModernBertConfig
from transformers import ModernBertForMaskedLM as TheirModernBert
from typer.testing import CliRunner

from pretrain.composer import build_model, convert, main, read_checkpoint, renamed
from pretrain.composer_config import Overrides
from pretrain.start import load_tokenizer
from spacy_bioclinical.encoder.checkpoint import load_masked_lm

APP = typer.Typer()
APP.command()(main)
STAGE_1 = {"rotary_emb_base": 10000.0, "local_attn_rotary_emb_base": -1}
CONTEXT_8K = {"rotary_emb_base": 160000.0, "local_attn_rotary_emb_base": 10000.0}


class Clock:
    """Some class of a package that is not known here."""

    def __init__(self, ticks):
        self.ticks = ticks


@pytest.fixture(scope="module")
def tokenizer_path(tokenizer_folder):
    return tokenizer_folder


@pytest.fixture(scope="module")
def make_theirs(tokenizer_path):
    """A model of transformers with random weights, two heads 64 wide."""
    tokenizer = load_tokenizer(tokenizer_path)

    def make(stored):
        local = stored["local_attn_rotary_emb_base"]
        config = ModernBertConfig(
            vocab_size=448,
            hidden_size=128,
            intermediate_size=96,
            num_hidden_layers=4,
            num_attention_heads=2,
            global_rope_theta=stored["rotary_emb_base"],
            local_rope_theta=stored["rotary_emb_base"] if local == -1 else local,
            local_attention=16,
            initializer_range=0.1,
            pad_token_id=tokenizer.pad_id,
            reference_compile=False,
            attn_implementation="eager",
        )
        torch.manual_seed(7)
        model = TheirModernBert(config).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" in name or name == "decoder.bias":
                    parameter.add_(0.1 * torch.randn_like(parameter))
        return model

    return make


def composer_keys(model, *, with_decoder=True):
    """A state of transformers under the names that Composer's FlexBERT has."""
    renames = (("model.layers.", "bert.encoder.layers."), ("model.", "bert."))
    state = OrderedDict()
    for name, tensor in model.state_dict().items():
        if name == "decoder.weight" and not with_decoder:
            continue
        for old, new in renames:
            if name.startswith(old):
                name = new + name[len(old) :]
                break
        state[f"model.{name}"] = tensor.clone()
    return state


def write(file, tensors, stored, **more):
    content = {
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 96,
        "vocab_size": 448,
        "sliding_window": 16,
        "global_attn_every_n_layers": 3,
        "attention_layer": "rope",
        "head_class_act": "silu",
        "head_pred_act": "gelu",
        "norm_kwargs": {"eps": 1e-5, "bias": False},
        **stored,
    }
    config = {"file_extension": ".json", "class": "flex_bert.FlexBertConfig", "content": content}
    state = {
        "model": tensors,
        "optimizers": {
            "DecoupledStableAdamW": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}
        },
        "timestamp": {"epoch": 0, "batch": 52988, "total_wct": timedelta(seconds=5)},
        "integrations": {"huggingface": {"model": {"config": config}, "tokenizer": {}}},
        **more,
    }
    python = random.Random(0).getstate()
    rng = [{"python": python, "numpy": np.random.RandomState(0).get_state(), "torch": torch.get_rng_state()}]
    torch.save({"state": state, "rng": rng}, file)
    return file


@pytest.mark.parametrize("stored", [STAGE_1, CONTEXT_8K], ids=["stage 1", "8k"])
@pytest.mark.parametrize("with_decoder", [True, False])
def test_imported_model_gives_the_outputs_of_the_original(
    make_theirs, tokenizer_path, tmp_path, stored, with_decoder
):
    theirs = make_theirs(stored)
    tensors = composer_keys(theirs, with_decoder=with_decoder)
    assert "model.bert.encoder.layers.3.attn.Wqkv.weight" in tensors
    file = write(tmp_path / "ep0-ba52988-rank0.pt", tensors, stored)
    settings, remarks = convert(file, tokenizer_path, tmp_path / "out")
    assert bool(remarks) is (stored is STAGE_1)
    assert settings.local_rope_theta == 10000.0
    ids_T = torch.randint(5, 400, (90,), generator=torch.Generator().manual_seed(0))
    ours = load_masked_lm(tmp_path / "out").eval()
    again = TheirModernBert.from_pretrained(tmp_path / "out", reference_compile=False).eval()
    with torch.no_grad():
        expected = theirs(ids_T[None]).logits[0]
        torch.testing.assert_close(ours(ids_T, [90], ids_T).logits_MV, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(again(ids_T[None]).logits[0], expected, atol=1e-4, rtol=1e-4)
    assert expected.isfinite().all()
    assert expected.std() > 0.1


def test_imported_config_avoids_the_traps(make_theirs, tokenizer_path, tmp_path):
    file = write(tmp_path / "latest-rank0.pt", composer_keys(make_theirs(CONTEXT_8K)), CONTEXT_8K)
    convert(file, tokenizer_path, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf8"))
    tokenizer = load_tokenizer(tokenizer_path)
    expected = {
        "classifier_activation": "gelu",
        "classifier_pooling": "mean",
        "max_position_embeddings": 8192,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "local_attention": 16,
        "num_attention_heads": 2,
        "torch_dtype": "float32",
        "pad_token_id": tokenizer.pad_id,
        "cls_token_id": tokenizer.prefix_ids[0],
        "bos_token_id": tokenizer.prefix_ids[0],
        "sep_token_id": tokenizer.suffix_ids[-1],
        "eos_token_id": tokenizer.suffix_ids[-1],
    }
    assert {key: config[key] for key in expected} == expected
    assert config["architectures"] == ["ModernBertForMaskedLM"]


def test_shape_is_inferred_where_no_config_is_stored(make_theirs, tmp_path):
    file = tmp_path / "bare.pt"
    torch.save({"state": {"model": composer_keys(make_theirs(CONTEXT_8K))}, "rng": []}, file)
    model, remarks = build_model(read_checkpoint(file), file, Overrides(context=1024, global_theta=10000.0))
    settings = model.settings
    assert (settings.num_hidden_layers, settings.hidden_size, settings.num_attention_heads) == (4, 128, 2)
    assert (settings.intermediate_size, settings.vocab_size, settings.max_position_embeddings) == (
        96,
        448,
        1024,
    )
    assert (settings.global_rope_theta, settings.local_rope_theta, settings.local_attention) == (
        1e4,
        1e4,
        128,
    )
    assert "no config" in remarks[0]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("model.bert.encoder.layers.12.mlp.Wi.weight", "model.layers.12.mlp.Wi.weight"),
        ("module.model.bert.embeddings.tok_embeddings.weight", "model.embeddings.tok_embeddings.weight"),
        ("model.bert.encoder.layers.0.mlp._orig_mod.Wo.weight", "model.layers.0.mlp.Wo.weight"),
        ("model.bert.final_norm.weight", "model.final_norm.weight"),
        ("model.head.dense.weight", "head.dense.weight"),
        ("model.decoder.bias", "decoder.bias"),
    ],
)
def test_keys_are_mapped(name, expected):
    assert renamed(name) == expected


def test_every_key_is_accounted_for(make_theirs, tokenizer_path, tmp_path):
    good = composer_keys(make_theirs(CONTEXT_8K))

    def refused(match, **changes):
        tensors = {name: tensor for name, tensor in {**good, **changes}.items() if tensor is not None}
        file = write(tmp_path / "changed.pt", tensors, CONTEXT_8K)
        with pytest.raises(ValueError, match=match):
            convert(file, tokenizer_path, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    refused(r"BC772.*Missing: head\.norm\.weight", **{"model.head.norm.weight": None})
    refused(r"BC772.*Unexpected: classifier\.weight", **{"model.classifier.weight": torch.zeros(2, 128)})
    refused(r"BC772.*model\.layers\.1", **{name: None for name in good if "layers.1." in name})
    refused(r"BC772.*decoder\.bias \(3,\) instead of \(448,\)", **{"model.decoder.bias": torch.zeros(3)})
    refused(r"BC772.*not tied", **{"model.decoder.weight": torch.zeros(448, 128)})
    refused(r"BC772.*tok_embeddings", **{"model.bert.embeddings.tok_embeddings.weight": None})
    refused(r"BC770.*no plain tensors.*model\.decoder\.bias", **{"model.decoder.bias": "words"})


@pytest.mark.parametrize(
    "key, value",
    [
        ("mlp_layer", "mlp"),
        ("rotary_emb_interleaved", True),
        ("hidden_size", 256),
        ("num_hidden_layers", 22),
        ("num_attention_heads", 3),
        ("global_attn_every_n_layers", -1),
    ],
)
def test_settings_that_cannot_be_computed_are_refused(make_theirs, tokenizer_path, tmp_path, key, value):
    stored = {**CONTEXT_8K, key: value}
    file = write(tmp_path / "odd.pt", composer_keys(make_theirs(CONTEXT_8K)), stored)
    with pytest.raises(ValueError, match=f"BC773.*'{key}' is {value}"):
        convert(file, tokenizer_path, tmp_path / "out")


def test_unknown_objects_are_refused_until_named_and_never_built(
    make_theirs, tokenizer_path, tmp_path, monkeypatch
):
    tensors = composer_keys(make_theirs(CONTEXT_8K))
    file = write(tmp_path / "clock.pt", tensors, CONTEXT_8K, callbacks={"clock": Clock(3)})
    name = f"{Clock.__module__}.{Clock.__qualname__}"
    built = []
    monkeypatch.setattr(Clock, "__setstate__", lambda self, state: built.append(state), raising=False)
    arguments = [str(file), "--tokenizer", str(tokenizer_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(APP, arguments)
    assert result.exit_code == 1
    assert "BC771" in result.output
    assert f"--trust {name}" in result.output
    assert "numpy" not in result.output
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(APP, [*arguments, "--trust", name])
    assert result.exit_code == 0, result.output
    assert "4 layers, width 128" in result.output
    assert not built
    assert load_masked_lm(tmp_path / "out").settings.hidden_size == 128


def test_code_in_a_checkpoint_never_runs(tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(trace)!r}, 'w').close()",)

    file = tmp_path / "evil.pt"
    torch.save({"state": {"model": {"a": torch.zeros(1)}, "callbacks": Evil()}}, file)
    with pytest.raises(ValueError, match=r"BC771.*exec"):
        read_checkpoint(file)
    for name in ("builtins.exec", "__builtin__.exec"):  # even if named, a stand-in takes its place
        try:
            read_checkpoint(file, trust=[name])
        except ValueError as error:
            assert "BC771" in str(error)  # noqa: PT017
    assert not trace.exists()


def test_files_that_are_none_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"BC770.*no such file"):
        read_checkpoint(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"BC770.*damaged"):
        read_checkpoint(tmp_path / "text.pt")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"BC770.*state -> model"):
        read_checkpoint(tmp_path / "other.pt")
    whole = tmp_path / "other.pt"
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ValueError, match="BC770"):
        read_checkpoint(tmp_path / "cut.pt")
