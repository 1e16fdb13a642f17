"""Encoder folders that every contestant can load: the same weights, and a tokenizer by which one word is one piece.

spacy-transformers and EDS-NLP read text, not ids. With a tokenizer that gives each id a word of its own, the
random documents of the speed benchmark can be read as text by everyone, and true counts of pieces stay true.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.benchmark.sets import word_of
from spacy_bioclinical.cli.benchmark.shapes import SHAPES, context_of, special_ids

WEIGHT_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json")


@dataclass(frozen=True)
class EncoderFolder:
    """An encoder ready to be measured.

    name (str): as the user named it.
    path (Path): folder in the Hugging Face layout.
    config (dict): its `config.json`, defaults filled in.
    is_random (bool): whether the weights were drawn here.
    """

    name: str
    path: Path
    config: dict[str, Any]
    is_random: bool

    @property
    def context(self) -> int:
        """Most pieces of one window."""
        return context_of(self.config)

    @property
    def special_ids(self) -> dict[str, int]:
        """Ids of the special pieces by role."""
        return special_ids(self.config)


def make_folder(name: str, path: Path, *, seed: int = 0, gain: float = 1.0) -> EncoderFolder:
    """Make the folder of an encoder: a built-in shape with random weights, or links to the files of a real one.

    name (str): a name in `SHAPES`, of the catalogue, a hub id or a local folder.
    path (Path): where to make it; no tokenizer is written.
    seed (int): for random weights.
    gain (float): factor on random matrices; 1 keeps the published initialisation.
    RETURNS (EncoderFolder): the folder.
    RAISES (ValueError): BC104 if there is no such encoder, BC530 for a gain on weights that are not random.
    """
    from transformers import AutoConfig

    path.mkdir(parents=True)
    if name in SHAPES:
        _write_random(SHAPES[name], path, seed, gain)
    else:
        from spacy_bioclinical.encoder.source import resolve_folder
        from spacy_bioclinical.errors import Errors

        if gain != 1:
            wanted = f"1 for '{name}', whose weights are not random"
            raise ValueError(Errors.BC530.format(option="--gain", given=gain, wanted=wanted))
        source = resolve_folder(name)
        for pattern in WEIGHT_FILES:
            for file in source.glob(pattern):
                os.symlink(file.resolve(), path / file.name)
    config = AutoConfig.from_pretrained(path, trust_remote_code=False).to_dict()
    return EncoderFolder(name, path, config, name in SHAPES)


def _write_random(shape: dict[str, Any], path: Path, seed: int, gain: float) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    options = {key: value for key, value in shape.items() if key != "model_type"}
    config = AutoConfig.for_model(shape["model_type"], **options)
    torch.manual_seed(seed)
    model = AutoModel.from_config(config)
    if gain != 1:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(gain)
    model.save_pretrained(path, safe_serialization=True)


def write_word_tokenizer(folder: EncoderFolder) -> None:
    """Put a tokenizer beside the weights by which `word_of(id)` is the piece `id`, between [CLS] and [SEP].

    folder (EncoderFolder): changed on disk.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    roles = folder.special_ids
    names = {role: f"[{role.removesuffix('_token').upper()}]" for role in roles}
    ids = {word_of(index): index for index in range(folder.config["vocab_size"])}
    for role, index in roles.items():
        del ids[word_of(index)]
        ids[names[role]] = index
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=names["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{names['cls_token']} $A {names['sep_token']}",
        special_tokens=[(names[role], roles[role]) for role in ("cls_token", "sep_token")],
    )
    write_tokenizer(folder, tokenizer, names)


def write_tokenizer(folder: EncoderFolder, tokenizer: Any, names: dict[str, str]) -> None:
    """Write a tokenizer in the layout that transformers, spacy-transformers and EDS-NLP load.

    folder (EncoderFolder): changed on disk.
    tokenizer (tokenizers.Tokenizer): the tokenizer.
    names (dict[str, str]): special pieces by role ("cls_token": "[CLS]", …).
    """
    tokenizer.add_special_tokens(list(names.values()))
    tokenizer.save(str(folder.path / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": folder.context,
        "model_input_names": ["input_ids", "attention_mask"],
        **names,
    }
    (folder.path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf8")
    (folder.path / "special_tokens_map.json").write_text(json.dumps(names), encoding="utf8")
