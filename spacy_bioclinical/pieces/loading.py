"""Find the fast tokenizer behind an encoder folder or a hub name, or say in one message what to do instead.

Runs once, when a pipeline is initialised or a pretraining run starts; a saved pipeline carries its tokenizer
and never comes here. transformers is imported only inside the call (about 2 s). Code that a folder brings is
never run.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from spacy_bioclinical.errors import Errors

VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
SENTENCEPIECE_FILES = VOCABULARY_FILES[3:]
SENTENCEPIECE_NEEDS = ("sentencepiece", "google.protobuf")  # to make a fast tokenizer of such a file


def load_fast_tokenizer(name: str | Path) -> Any:
    """Load a transformers fast tokenizer.

    name (str | Path): a folder in Hugging Face layout, or the name of an encoder on the hub.
    RETURNS (PreTrainedTokenizerFast): the tokenizer; its Rust backend is `.backend_tokenizer`.
    RAISES: ValueError BC201 no such folder, BC202 no tokenizer files, BC203 hub out of reach, BC204 no fast
        version, BC205 files that do not load, BC207 a SentencePiece file that two missing packages would convert.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not any((folder / file_name).is_file() for file_name in VOCABULARY_FILES):
            raise ValueError(Errors.BC202.format(name=name, looked_for=", ".join(VOCABULARY_FILES)))
        tokenizer = _load_from_folder(folder)
    elif _looks_like_path(name) or folder.exists():
        raise ValueError(Errors.BC201.format(name=name))
    else:
        tokenizer = _load_from_hub(str(name))
    if not tokenizer.is_fast:
        raise ValueError(Errors.BC204.format(name=name, kind=type(tokenizer).__name__))
    return tokenizer


def _looks_like_path(name: str | Path) -> bool:
    """Tell "./encoders/tiny", "encoders/tiny/" and "a/b/c" from a hub name, "name" or "owner/name".

    "encoders/tiny" is ambiguous: a path where a folder "encoders" exists here, a hub name otherwise.
    """
    text = str(name)
    return (
        isinstance(name, Path)
        or text.startswith((".", "~", "/"))
        or text.endswith("/")
        or "\\" in text
        or text.count("/") > 1
        or ("/" in text and Path(text).parent.is_dir())
    )


def _load_from_folder(folder: Path) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        return AutoTokenizer.from_pretrained(str(folder), use_fast=True, trust_remote_code=False)
    except Exception as error:
        # A folder without a class that this transformers knows still says all in tokenizer.json, unless it
        # asks for code of its own.
        if (folder / "tokenizer.json").is_file() and not _names_known_class(folder):
            return _load_generic(folder, PreTrainedTokenizerFast)
        file = _sentencepiece_only(folder)
        if file is not None and not all(_is_installed(package) for package in SENTENCEPIECE_NEEDS):
            raise ValueError(Errors.BC207.format(name=folder, file=file)) from error
        raise _unreadable(folder, error) from error


def _sentencepiece_only(folder: Path) -> str | None:
    """Return the SentencePiece file of a folder that has no vocabulary in another form."""
    present = [name for name in VOCABULARY_FILES if (folder / name).is_file()]
    return present[0] if present and present[0] in SENTENCEPIECE_FILES else None


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def _load_generic(folder: Path, tokenizer_class: Any) -> Any:
    try:
        return tokenizer_class.from_pretrained(str(folder))
    except Exception as error:
        raise _unreadable(folder, error) from error


def _load_from_hub(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, use_fast=True, trust_remote_code=False)
    except OSError as error:
        raise ValueError(Errors.BC203.format(name=name, reason=type(error).__name__)) from error
    except Exception as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str | Path, error: Exception) -> ValueError:
    return ValueError(Errors.BC205.format(name=name, reason=type(error).__name__))


def _names_known_class(folder: Path) -> bool:
    """Say whether a folder asks for a class that this transformers has, or for code of its own."""
    import transformers

    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(config, dict):
        return False
    return "auto_map" in config or hasattr(transformers, str(config.get("tokenizer_class")))
