"""Read token-per-line corpora (CoNLL, BIO): a token and its tag a line, a blank line after a sentence.

The text is rebuilt: tokens joined by one space, sentences by a line break. Such files rarely say where
documents end, and a lone sentence gives a long-context encoder nothing to read, so sentences are grouped into
documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from corpus_scripts.formats.conll_exact import is_exact, read_exact
from corpus_scripts.formats.conll_lines import Columns, Sentence, look_ahead, read_sentences
from corpus_scripts.formats.files import plain_stem
from corpus_scripts.formats.tags import ALIASES, REPAIRS, SCHEMES, read_chunks
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

# A PubMed abstract has about nine sentences (BC5CDR: 9.2, NCBI-disease: 9.2 by document), some 400 pieces.
SENTENCES_PER_DOCUMENT = 10
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class ConllOptions:
    """How to read a token-per-line file.

    token_column, tag_column (int): Counted from 0; from the end when negative.
    scheme (str): "iob1", "iob2", "biluo", or "auto" to tell from the tags; or another name of one of them
        ("bio", "iobes", "bmewo", …).
    repair (str): What to do with a continuation that continues nothing: "open", "drop" or "error".
    documents (str): "docstart" (at -DOCSTART- lines), "file" (one document), "sentence" (one each), a number
        (that many sentences each, never across a -DOCSTART-), or "auto": docstart if there is any, else 10.
    label (str | None): Label of tags without one (a bare B or I).
    given_tokens (bool): The records bring the tokens of the file (a token with white space inside counts as
        several); else spaCy's tokenizer decides.
    """

    token_column: int = 0
    tag_column: int = -1
    scheme: str = "auto"
    repair: str = "open"
    documents: str = "auto"
    label: str | None = None
    given_tokens: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scheme", ALIASES.get(self.scheme, self.scheme))
        for option, value, allowed in (
            ("--scheme", self.scheme, SCHEMES), ("--repair", self.repair, REPAIRS),
        ):  # fmt: skip
            if value not in allowed:
                raise ValueError(
                    Errors.BC622.format(option=option, value=value, expected=" or ".join(allowed))
                )
        number = self.documents.isdecimal() and int(self.documents) > 0
        if not number and self.documents not in ("auto", "docstart", "file", "sentence"):
            expected = "auto, docstart, file, sentence or a number of sentences"
            raise ValueError(
                Errors.BC622.format(option="--documents", value=self.documents, expected=expected)
            )


def read_conll(path: Path, options: ConllOptions, tally: Tally) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz, in the memory of its longest document.

    What only the whole file tells ("auto") is found by going through it once before.

    path (Path): The file. One of write_conll gives the records it was written from, whatever the options,
        unless they ask for other documents.
    options (ConllOptions): How to read it.
    tally (Tally): Receives what was repaired or dropped.
    YIELDS (Record): ids are "<file>-00001", …; ``meta["lines"]`` is the first and last line of the document.
    RAISES (ValueError): BC604 too few columns, BC605 no tag, BC606 stray continuation, BC611 not UTF-8, BC656
        a line of write_conll that is damaged.
    """
    path = Path(path)
    if options.documents in ("auto", "docstart") and is_exact(path):
        yield from read_exact(path, options.repair, tally)
        return
    columns = Columns(options.token_column, options.tag_column, options.scheme, options.label)
    scheme, documents = options.scheme, options.documents
    if "auto" in (scheme, documents):
        layout = look_ahead(path, columns)
        scheme = layout.scheme if scheme == "auto" else scheme
        if documents == "auto":
            documents = "docstart" if layout.marked else str(SENTENCES_PER_DOCUMENT)
    stem = plain_stem(path)
    for number, group in enumerate(_group(read_sentences(path, columns), documents), start=1):
        yield _make_record(f"{stem}-{number:05d}", group, path, scheme, options, tally)


def _group(sentences: Iterable[Sentence], documents: str) -> Iterator[list[Sentence]]:
    if documents in ("docstart", "file"):
        size = None
    else:
        size = 1 if documents == "sentence" else int(documents)
    group: list[Sentence] = []
    for sentence in sentences:
        starts = sentence.new_document and documents != "file"
        if group and (starts or len(group) == size):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _make_record(
    record: str, sentences: Sequence[Sentence], path: Path, scheme: str, options: ConllOptions, tally: Tally
) -> Record:
    spans: list[TextSpan] = []
    lines: list[str] = []
    tokens: list[tuple[int, int]] = []
    offset = 0  # of the sentence in the text
    for words, tags, first_line, _ in sentences:
        chunks = read_chunks(
            tags, scheme=scheme, repair=options.repair, tally=tally, path=str(path), first_line=first_line
        )
        if chunks:
            ends = [offset + index + end for index, end in enumerate(accumulate(map(len, words)))]
            for start, end, label in chunks:
                spans.append(TextSpan(ends[start] - len(words[start]), ends[end - 1], label))
        line = " ".join(words)
        if options.given_tokens:
            tokens.extend((offset + match.start(), offset + match.end()) for match in _WORD.finditer(line))
        lines.append(line)
        offset += len(line) + 1
    last = sentences[-1]
    return Record(
        record,
        "\n".join(lines),
        spans=tuple(spans),
        meta={"lines": [sentences[0].line, last.line + len(last.words) - 1]},
        tokens=tuple(tokens) if options.given_tokens else None,
    )
