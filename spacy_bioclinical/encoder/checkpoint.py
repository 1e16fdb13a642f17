"""Hugging Face folders: find them, read weights from safetensors only, compare every key, write them back whole.

Strict on purpose: a key that is missing or unexpected is an error that names it. Only task heads that an encoder
has no use for are left out, and only by the names in `HEAD_PREFIXES`. No pickle, no remote code.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import Errors
from .bert_pretraining import NEXT_SENTENCE_KEYS, BertForPretraining, without_copies
from .mlm import ModernBertForMaskedLM
from .modernbert import ModernBertSettings
from .source import CONFIG, INDEX, WEIGHTS, resolve_folder

# Where a checkpoint keeps its encoder, and which heads may stand beside it.
BASE_PREFIXES = (
    "model.",
    "bert.",
    "roberta.",
    "longformer.",
    "electra.",
    "deberta.",
    "distilbert.",
    "mpnet.",
    "albert.",
)
HEAD_PREFIXES = (
    *("head.", "decoder.", "classifier.", "cls.", "lm_head.", "pooler.", "qa_outputs.", "score."),
    *("generator_predictions.", "discriminator_predictions.", "mask_predictions.", "vocab_transform."),
    *("vocab_layer_norm.", "vocab_projector.", "pre_classifier."),
    *("predictions.", "sop_classifier.", "lm_predictions."),
)
# Buffers that old checkpoints stored; they follow from the config.
BUFFER_NAMES = ("position_ids", "token_type_ids", "rotary_emb.inv_freq")
# Names of layer-norm parameters in checkpoints converted from TensorFlow.
RENAMES = ((".gamma", ".weight"), (".beta", ".bias"))


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json. RAISES (ValueError): BC105 if it is not a JSON object."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            Errors.BC105.format(file=folder / CONFIG, why=f"line {error.lineno}: not JSON")
        ) from error
    if not isinstance(config, dict):
        raise ValueError(Errors.BC105.format(file=folder / CONFIG, why="not a JSON object"))
    return config


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a folder, sharded or not.

    RAISES (ValueError): BC106 if the folder has no safetensors file, BC105 if one is damaged.
    """
    if (folder / WEIGHTS).is_file():
        files = [folder / WEIGHTS]
    elif (folder / INDEX).is_file():
        shards = json.loads((folder / INDEX).read_text(encoding="utf8"))["weight_map"].values()
        files = [folder / name for name in sorted(set(shards))]
    else:
        raise ValueError(Errors.BC106.format(folder=folder))
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors.update(load_file(file))
        except (SafetensorError, FileNotFoundError) as error:
            raise ValueError(Errors.BC105.format(file=file, why=str(error))) from error
    return tensors


def load_strictly(
    module: nn.Module, tensors: dict[str, Tensor], source: str | Path, optional: Iterable[str] = ()
) -> None:
    """Put tensors into a module whose keys they must match exactly, heads and stored buffers left aside.

    optional (Iterable[str]): keys that may be missing.
    RAISES (ValueError): BC107 naming missing, unexpected and misshapen keys.
    """
    wanted = module.state_dict()
    found: dict[str, Tensor] = {}
    unexpected = []
    for key, tensor in tensors.items():
        name = _own_name(key, wanted)
        if name in wanted:
            found[name] = tensor
        elif not name.startswith(HEAD_PREFIXES) and not name.endswith(BUFFER_NAMES):
            unexpected.append(key)
    missing = sorted(set(wanted) - set(found) - set(optional))
    shapes = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
        for name, tensor in found.items()
        if tensor.shape != wanted[name].shape
    ]
    if missing or unexpected or shapes:
        raise ValueError(
            Errors.BC107.format(
                source=source,
                missing=_some(missing),
                unexpected=_some(sorted(unexpected)),
                shapes=_some(shapes),
            )
        )
    module.load_state_dict({name: tensor.to(torch.float32) for name, tensor in found.items()}, strict=False)


def _own_name(key: str, wanted: dict[str, Tensor]) -> str:
    for old, new in RENAMES:
        if key.endswith(old):
            key = key[: -len(old)] + new
    if key in wanted:
        return key
    for prefix in BASE_PREFIXES:
        if key.startswith(prefix):
            return key[len(prefix) :]
    return key


def _some(names: list[str], limit: int = 8) -> str:
    if not names:
        return "none"
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def state_to_bytes(module: nn.Module) -> bytes:
    """Serialise a module's weights as safetensors bytes."""
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    return save(state, metadata={"format": "pt"})


def state_from_bytes(module: nn.Module, data: bytes, source: str) -> None:
    """Load `state_to_bytes` back, strictly. RAISES (ValueError): BC105, BC107."""
    try:
        tensors = load_safetensors(data)
    except SafetensorError as error:
        raise ValueError(Errors.BC105.format(file=source, why=str(error))) from error
    load_strictly(module, tensors, source)


def load_masked_lm(source: str | Path) -> ModernBertForMaskedLM:
    """Load a ModernBERT folder with its masked-language-model head.

    RAISES (ValueError): BC103 … BC107.
    """
    folder = resolve_folder(source)
    model = ModernBertForMaskedLM(ModernBertSettings.from_config(read_config(folder)))
    # The decoder's weight is the embedding matrix; folders leave it out.
    load_strictly(model, read_weights(folder), folder, optional=["decoder.weight"])
    return model


def load_pretraining_model(
    source: str | Path, *, next_sentence: bool | None = None
) -> ModernBertForMaskedLM | BertForPretraining:
    """Load a folder with the heads it was pretrained with: ModernBERT, BERT (also Clinical ModernBERT) or RoBERTa.

    next_sentence (bool | None): for BERT, with the next-sentence head; None: if the folder holds it.
    RAISES (ValueError): BC103 … BC107, BC750.
    """
    folder = resolve_folder(source)
    config = read_config(folder)
    if config.get("model_type") == "modernbert":
        if next_sentence:
            raise ValueError(Errors.BC750.format(family="modernbert"))
        return load_masked_lm(folder)
    tensors = without_copies(read_weights(folder))
    if next_sentence is None:
        next_sentence = all(key in tensors for key in NEXT_SENTENCE_KEYS)
    model = BertForPretraining.from_config(config, next_sentence)
    load_strictly(model, tensors, folder, optional=shared_names(model))
    return model


def shared_names(model: nn.Module) -> set[str]:
    """Return second names of parameters that have two, such as a decoder tied to the embeddings."""
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return names - {name for name, _ in model.named_parameters()}


def save_folder(model: ModernBertForMaskedLM | BertForPretraining, folder: str | Path) -> None:
    """Write config.json and model.safetensors as transformers lays them out, each moved into place when whole.

    The tokenizer's files are the tokenizer's to write (`PieceTokenizer.save`).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    left_out = shared_names(model)
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name not in left_out
    }
    settings = model if isinstance(model, BertForPretraining) else model.settings
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as aside:
        save_file(state, Path(aside) / WEIGHTS, metadata={"format": "pt"})
        config = json.dumps(settings.to_config(), indent=2, sort_keys=True) + "\n"
        (Path(aside) / CONFIG).write_text(config, encoding="utf8")
        for name in (WEIGHTS, CONFIG):
            (Path(aside) / name).chmod(0o644)
            os.replace(Path(aside) / name, folder / name)
