"""Read every document of some files twice, in a stream, and count: nothing but numbers, hashes and ids is kept.

The first pass sees everything but unlabelled occurrences of mentions, which need to know all mentions first: the
second pass counts those (only where there are mentions).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import spacy
from spacy.attrs import LOWER
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_bioclinical.cli.debug_corpus.consistency import Consistency
from spacy_bioclinical.cli.debug_corpus.edges import TokenEdges
from spacy_bioclinical.cli.debug_corpus.file_facts import LIMITS, FileFacts
from spacy_bioclinical.cli.debug_corpus.fingerprints import Fingerprints
from spacy_bioclinical.cli.debug_corpus.mentions import Mention, mentions_of, oddities
from spacy_bioclinical.cli.debug_corpus.report import Survey, duplicate_cells, mention_overlap, merged
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pipeline.tokenizer import build_clinical_tokenizer_v1
from spacy_bioclinical.training.shards import iter_docs, read_shard, shards_of

if TYPE_CHECKING:
    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

ENCODED_AT_ONCE = 64  # documents
FRESH_VOCAB = 20_000  # documents after which the vocabulary is made anew, or it would grow with the corpus


@dataclass(frozen=True)
class Options:
    """What to look at.

    lang (str): language whose tokenizer a pipeline would use.
    encoder (Path | None): folder of a tokenizer, to count in pieces.
    group (str | None): regular expression on document ids; what it matches must not stand in two files.
    threshold (float): least similarity of near duplicates.
    samples (int): documents kept to be shown; they are the only text kept.
    """

    lang: str = "en"
    encoder: Path | None = None
    group: str | None = None
    threshold: float = 0.8
    samples: int = 0


def survey_files(paths: Sequence[Path], options: Options) -> Survey:
    """Survey a corpus.

    paths (Sequence[Path]): .spacy files or folders of shards.
    options (Options): what to look at.
    RETURNS (Survey): numbers.
    RAISES (ValueError): BC450 … BC452 for files that cannot be read, BC540 a wrong expression, BC541 no documents,
        BC542 a file given twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        twice = next(path for path in paths if [p.resolve() for p in paths].count(path.resolve()) > 1)
        raise ValueError(Errors.BC542.format(path=twice))
    for path in paths:
        shards_of(path)
    surveyor = _Surveyor(paths, options)
    surveyor.first_pass()
    if not surveyor.fingerprints.files:
        raise ValueError(Errors.BC541.format(paths=", ".join(map(str, paths))))
    surveyor.second_pass()
    return surveyor.finish()


class _Surveyor:
    """The state of one survey."""

    def __init__(self, paths: Sequence[Path], options: Options) -> None:
        self.paths = paths
        self.options = options
        try:
            self.group = re.compile(options.group) if options.group else None
        except re.error as error:
            wanted = f"a regular expression ({error})"
            raise ValueError(
                Errors.BC540.format(option="--group", given=options.group, wanted=wanted)
            ) from None
        self.pieces, self.context = _piece_tokenizer(options.encoder)
        limits = sorted({*LIMITS, *([self.context] if self.context else [])})
        self.names = [path.as_posix() for path in paths]
        self.files = [FileFacts(name, limits) for name in self.names]
        self.fingerprints = Fingerprints()
        self.consistency = Consistency()
        self.groups: dict[str, dict[int, int]] = {}
        self.random = random.Random(0)
        self.samples: list[tuple[str, str, Doc]] = []
        self.n_seen = 0
        self._new_tokenizers()

    def _new_tokenizers(self) -> None:
        nlp = spacy.blank(self.options.lang)
        self.tokenizers = {f"spaCy's {self.options.lang} tokenizer": TokenEdges(nlp.tokenizer)}
        if type(nlp.tokenizer) is Tokenizer:
            clinical = TokenEdges(build_clinical_tokenizer_v1()(nlp))
            self.tokenizers = {"ClinicalTokenizer": clinical, **self.tokenizers}

    def read(self, what: str) -> Iterator[tuple[int, Doc]]:
        """All documents with the number of their file, under a progress bar."""
        with tqdm(desc=what, unit=" docs", disable=None, leave=False) as bar:
            for number, path in enumerate(self.paths):
                for shard in shards_of(path):
                    # A vocabulary keeps every word it sees: one for each shard bounds that. Of what a language
                    # computes for each new word, only the lower-cased form is needed.
                    for doc in iter_docs(shard, Vocab(lex_attr_getters={LOWER: str.lower})):
                        yield number, doc
                        bar.update()

    def first_pass(self) -> None:
        waiting: list[tuple[FileFacts, str, list[Mention]]] = []
        for number, doc in self.read("reading"):
            facts, text = self.files[number], doc.text
            mentions = mentions_of(doc)
            facts.add(doc, mentions, text)
            if not text.strip():
                self.consistency.skip()
                continue
            name = self._name(doc, number)
            _, words_hash = self.fingerprints.add(number, name, text)
            self.consistency.learn(doc, mentions, text, words_hash)
            facts.oddities.update(oddities(doc, mentions, text))
            if mentions and not doc.has_unknown_spaces:
                self._edges(facts, mentions, text)
            if self.group and (match := self.group.search(name)):
                groups = self.groups.setdefault(match.group(match.re.groups and 1) or "", {})
                groups[number] = groups.get(number, 0) + 1
            self._sample(doc, name, self.names[number])
            if self.pieces:
                waiting.append((facts, text, mentions))
                if len(waiting) == ENCODED_AT_ONCE:
                    self._encode(waiting)
        self._encode(waiting)

    def second_pass(self) -> None:
        if any(facts.mentions for facts in self.files):
            shards = [shard for path in self.paths for shard in shards_of(path)]
            for shard in tqdm(shards, desc="comparing", unit=" files", disable=None, leave=False):
                self.consistency.look(read_shard(shard))

    def _name(self, doc: Doc, number: int) -> str:
        given = doc.user_data.get("id")
        if not given:
            self.files[number].documents["without an id"] += 1
        return str(given) if given else f"document {len(self.files[number].tokens) - 1}"

    def _edges(self, facts: FileFacts, mentions: list[Mention], text: str) -> None:
        self.n_seen += 1
        if self.n_seen % FRESH_VOCAB == 0:
            self._new_tokenizers()
        for name, edges in self.tokenizers.items():
            facts.edges[name].update(edges.count(mentions, text))

    def _sample(self, doc: Doc, name: str, file: str) -> None:
        """Keep a fair sample of the documents with mentions (reservoir sampling)."""
        if not self.options.samples or not (doc.ents or doc.spans or doc.cats):
            return
        entry = (name, file, doc)
        if len(self.samples) < self.options.samples:
            self.samples.append(entry)
        else:
            place = self.random.randrange(len(self.fingerprints.files))
            if place < len(self.samples):
                self.samples[place] = entry

    def _encode(self, waiting: list[tuple[FileFacts, str, list[Mention]]]) -> None:
        if not waiting or self.pieces is None:
            return
        n_prefix, n_suffix = len(self.pieces.prefix_ids), len(self.pieces.suffix_ids)
        for (facts, _, mentions), pieces in zip(
            waiting, self.pieces.encode([text for _, text, _ in waiting])
        ):
            # A mention is seen if its first piece is, between the special pieces of a window that is cut at its end.
            firsts = np.searchsorted(pieces.ends, [mention.first for mention in mentions], side="right")
            needed = [n_prefix + int(first) + 1 + n_suffix for first in firsts]
            facts.add_pieces(len(pieces) + n_prefix + n_suffix, needed)
        waiting.clear()

    def finish(self) -> Survey:
        options = {
            "lang": self.options.lang,
            "encoder": self.options.encoder.name if self.options.encoder else None,
            "group": self.options.group,
            "threshold": self.options.threshold,
        }
        survey = Survey(self.names, self.files, self.context, {}, self.samples)
        pairs = self.fingerprints.pairs(self.options.threshold)
        survey.report = {
            "files": {facts.name: facts.to_dict() for facts in self.files},
            "together": merged(self.files).to_dict(),
            "train": self.names[survey.train],
            "duplicates": duplicate_cells(survey, self.fingerprints, pairs),
            "groups": self._groups(),
            "mention_overlap": mention_overlap(survey),
            "consistency": self.consistency.to_dict(),
            "encoder_context": self.context,
            "options": options,
        }
        return survey

    def _groups(self) -> dict[str, Any] | None:
        if self.group is None:
            return None
        shared = [files for files in self.groups.values() if len(files) > 1]
        matched = sum(sum(files.values()) for files in self.groups.values())
        return {
            "groups": len(self.groups),
            "documents_matched": matched,
            "documents_not_matched": len(self.fingerprints.files) - matched,
            "in_several_files": len(shared),
            "documents_of_those": {
                name: sum(files.get(number, 0) for files in shared) for number, name in enumerate(self.names)
            },
        }


def _piece_tokenizer(folder: Path | None) -> tuple[PieceTokenizer | None, int | None]:
    """The tokenizer of an encoder, and the pieces that the encoder reads at once, as far as its files say."""
    if folder is None:
        return None, None
    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

    tokenizer = PieceTokenizer.from_folder(folder)
    context, config = tokenizer.max_length, folder / "config.json"
    if context is None and config.is_file():
        context = json.loads(config.read_text(encoding="utf8")).get("max_position_embeddings")
    return tokenizer, context
