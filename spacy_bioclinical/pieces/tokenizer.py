"""Cut whole texts into pieces with character offsets: one tokenisation each, never truncated or padded.

Works on the Rust `tokenizers` backend directly: a 100,000-word document takes about half a second on one
core. Windows are cut out of the pieces afterwards (windows.py), so a word never tokenises differently because
it happens to begin a window.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from tokenizers import Tokenizer

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.casing import restore_case
from spacy_bioclinical.pieces.forks import guard_forks
from spacy_bioclinical.pieces.loading import load_fast_tokenizer
from spacy_bioclinical.pieces.white_space import code_points, trim

Casing = Literal["auto", "published"]
CASINGS = get_args(Casing)
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
ABSURD_LENGTH = 10_000_000  # transformers writes 1e30 for "not known"
UNKNOWN_LENGTH = int(1e30)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTES_FORMAT = "spacy-bioclinical.pieces.1"


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of one document, without special pieces.

    ids (int32 (P,)): vocabulary ids.
    starts, ends (int32 (P,)): character offsets into the original text, leading and trailing white space
        taken off. A piece that is only white space keeps its raw range; a piece that stands for no character
        at all is empty (start == end).
    is_space (bool (P,)): which pieces are only white space. Left out: none.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    is_space: np.ndarray = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.is_space is None:
            object.__setattr__(self, "is_space", np.zeros(len(self.ids), dtype=bool))
        for name in ("starts", "ends", "is_space"):
            n_values = len(getattr(self, name))
            if n_values != len(self.ids):
                message = Errors.BC211.format(
                    n_values=n_values, what=name, n_expected=len(self.ids), per="pieces"
                )
                raise ValueError(message)

    def __len__(self) -> int:
        return len(self.ids)


class PieceTokenizer:
    """A subword tokenizer that reads any text as plain text and keeps its offsets.

    prefix_ids, suffix_ids (tuple[int, ...]): special pieces around every window, e.g. ([CLS],) and ([SEP],).
    pad_id (int): the padding piece; for a tokenizer without one, its end or unknown piece, or 0.
    mask_id (int | None): the mask piece.
    vocab_size (int): rows an embedding table needs (highest id + 1).
    special_ids (frozenset[int]): every special piece, the unknown piece included.
    max_length (int | None): pieces the encoder takes at once, special ones included; None where not known.
    """

    def __init__(
        self, serialised: str, special_tokens: Mapping[str, str], max_length: int | None = None
    ) -> None:
        """Build from the text of a tokenizer.json and special tokens by role ("cls_token": "[CLS]", …)."""
        self._backend = Tokenizer.from_str(serialised)
        self._backend.no_truncation()
        self._backend.no_padding()
        self.special_tokens = {role: special_tokens[role] for role in ROLES if special_tokens.get(role)}
        _register_special(self._backend, self.special_tokens.values())
        self._backend.encode_special_tokens = True  # a typed "[SEP]" is text

        role_ids = {role: self._backend.token_to_id(text) for role, text in self.special_tokens.items()}
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        added = self._backend.get_added_tokens_decoder()
        self.prefix_ids, self.suffix_ids = _template(self._backend)
        self._serialised = self._backend.to_str()
        # encode() adds no special pieces, and RoBERTa's post-processor would empty the ranges of white space.
        self._backend.post_processor = None
        self.vocab_size: int = max(vocabulary.values(), default=-1) + 1
        self.max_length = max_length if max_length is not None and 0 < max_length < ABSURD_LENGTH else None
        self.mask_id: int | None = role_ids.get("mask_token")
        fallbacks = (role_ids.get(role) for role in ("pad_token", "eos_token", "unk_token"))
        self.pad_id: int = next((index for index in fallbacks if index is not None), 0)
        self.special_ids: frozenset[int] = frozenset(
            chain(
                (index for index in role_ids.values() if index is not None),
                (index for index, token in added.items() if token.special),
                self.prefix_ids,
                self.suffix_ids,
            )
        )
        self._unknown_id: int | None = role_ids.get("unk_token")
        forbidden = np.zeros(self.vocab_size, dtype=bool)
        forbidden[sorted(self.special_ids - {self._unknown_id})] = True
        self._forbidden = forbidden

    @classmethod
    def from_folder(cls, folder: str | Path, *, casing: Casing = "auto") -> PieceTokenizer:
        """Load from an encoder folder (Hugging Face layout) or a hub name.

        folder (str | Path): the folder. A name of the catalogue becomes a folder by `encoder.source.resolve_folder`.
        casing (str): "auto" keeps the case of texts where the files would lower-case them for a cased vocabulary
            (Bio_ClinicalBERT), with the warning BC208; "published" does as the files say.
        RAISES (ValueError): BC209 for another casing; see loading.py for files that cannot be had.
        """
        if casing not in CASINGS:
            raise ValueError(Errors.BC209.format(given=casing))
        tokenizer = load_fast_tokenizer(folder)
        roles = {
            role: str(text) for role, text in tokenizer.special_tokens_map.items() if isinstance(text, str)
        }
        serialised = tokenizer.backend_tokenizer.to_str()
        if casing == "auto":
            serialised, share = restore_case(serialised, tokenizer.all_special_tokens)
            if share is not None:
                warnings.warn(Errors.BC208.format(name=folder, share=share), stacklevel=2)
        max_length = tokenizer.model_max_length
        known = isinstance(max_length, (int, float)) and max_length < ABSURD_LENGTH
        return cls(serialised, roles, int(max_length) if known else None)

    def encode(self, texts: Sequence[str]) -> list[Pieces]:
        """Tokenise whole texts.

        texts (Sequence[str]): any strings. Lone surrogates are read as U+FFFD.
        RETURNS (list[Pieces]): one per text, in order; no special pieces, never truncated or padded.
        """
        guard_forks()
        readable = [_SURROGATE.sub("\ufffd", text) for text in texts]
        encodings = self._backend.encode_batch(readable, add_special_tokens=False)
        return [self._pieces(text, encoding) for text, encoding in zip(readable, encodings)]

    def _pieces(self, text: str, encoding: Any) -> Pieces:
        ids = np.array(encoding.ids, dtype=np.int32)
        if self._unknown_id is not None:
            # Only vocabularies that hold special tokens as ordinary words (Unigram) ever come here with any.
            ids[self._forbidden[ids]] = self._unknown_id
        flat = np.fromiter(chain.from_iterable(encoding.offsets), dtype=np.int32, count=2 * len(ids))
        starts, ends, is_space = trim(flat[0::2], flat[1::2], code_points(text))
        return Pieces(ids, starts, ends, is_space)

    def strings(self, ids: Iterable[int]) -> list[str]:
        """Return the piece strings of vocabulary ids, as the vocabulary writes them ("Ġpain", "##ing")."""
        return [self._backend.id_to_token(int(index)) or "" for index in ids]

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 (hex) of the tokenizer and its special tokens: equal means equal pieces for every text."""
        content = {"tokenizer": json.loads(self._serialised), "special_tokens": self.special_tokens}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and its two companions, as AutoTokenizer reads them."""
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "attention_mask"],  # the default adds token_type_ids
            "model_max_length": UNKNOWN_LENGTH if self.max_length is None else self.max_length,
            "clean_up_tokenization_spaces": False,
            **self.special_tokens,
        }
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / "tokenizer.json", Tokenizer.from_str(self._serialised).to_str(pretty=True))
        _write_whole(folder / "tokenizer_config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
        roles = json.dumps(self.special_tokens, indent=2, sort_keys=True)
        _write_whole(folder / "special_tokens_map.json", roles + "\n")

    def to_bytes(self) -> bytes:
        """Serialise everything needed to encode again; JSON in UTF-8."""
        content = {
            "format": _BYTES_FORMAT,
            "tokenizer": self._serialised,
            "special_tokens": self.special_tokens,
            "max_length": self.max_length,
        }
        return json.dumps(content, ensure_ascii=False).encode("utf-8")

    @classmethod
    def from_bytes(cls, data: bytes) -> PieceTokenizer:
        """Build from to_bytes(); no file and no transformers needed.

        RAISES: ValueError BC206 if the bytes are something else.
        """
        try:
            content = json.loads(data.decode("utf-8"))
            if content["format"] != _BYTES_FORMAT:
                raise KeyError("format")
            return cls(content["tokenizer"], content["special_tokens"], content["max_length"])
        except Exception as error:  # the Rust side raises bare Exception
            raise ValueError(Errors.BC206.format(length=len(data), reason=type(error).__name__)) from error

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        # Copies and worker processes: the backend alone would forget encode_special_tokens.
        return type(self).from_bytes, (self.to_bytes(),)


def _register_special(backend: Tokenizer, texts: Iterable[str]) -> None:
    """Mark the role tokens as special where tokenizer.json does not."""
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    missing = [text for text in texts if text not in special]
    if missing:
        backend.add_special_tokens(missing)


def _template(backend: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special ids that the tokenizer's own post-processor puts before and after a text."""
    for probe in ("a", "A", "0", ".", "\n"):
        encoding = backend.encode(probe)
        own = [index for index, special in enumerate(encoding.special_tokens_mask) if not special]
        if own:
            return tuple(encoding.ids[: own[0]]), tuple(encoding.ids[own[-1] + 1 :])
    around = backend.encode("").ids  # no probe has a piece: the usual one in front, the rest behind
    return tuple(around[:1]), tuple(around[1:])


def _write_whole(path: Path, text: str) -> None:
    """Write aside and move into place, so that a reader never sees half a file."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
