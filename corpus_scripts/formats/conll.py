"""Read token-per-line corpora (CoNLL, BIO): a token and its tag a line, a blank line after a sentence.

The text is rebuilt: tokens joined by one space, sentences by a line break. Such files rarely say where
documents end, and a lone sentence gives a long-context encoder nothing to read, so sentences are grouped into
documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from corpus_scripts.formats.files import plain_stem, read_lines
from corpus_scripts.formats.tags import REPAIRS, SCHEMES, Tag, detect_scheme, parse_tag, read_chunks
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

DOCSTART = "-DOCSTART-"
# A PubMed abstract has about nine sentences (BC5CDR: 9.2, NCBI-disease: 9.2 by document), some 400 pieces.
SENTENCES_PER_DOCUMENT = 10


@dataclass(frozen=True)
class ConllOptions:
    """How to read a token-per-line file.

    token_column, tag_column (int): Counted from 0; from the end when negative.
    scheme (str): "iob1", "iob2", "biluo", or "auto" to tell from the tags.
    repair (str): What to do with a continuation that continues nothing: "open", "drop" or "error".
    documents (str): "docstart" (at -DOCSTART- lines), "file" (one document), "sentence" (one each), a number
        (that many sentences each, never across a -DOCSTART-), or "auto": docstart if there is any, else 10.
    label (str | None): Label of tags without one (a bare B or I).
    """

    token_column: int = 0
    tag_column: int = -1
    scheme: str = "auto"
    repair: str = "open"
    documents: str = "auto"
    label: str | None = None

    def __post_init__(self) -> None:
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


class _Sentence(NamedTuple):
    words: list[str]
    tags: list[Tag]
    new_document: bool  # the first one after a -DOCSTART-


def read_conll(path: Path, options: ConllOptions, tally: Tally) -> Iterator[Record]:
    """Read one file, plain or .gz or .xz.

    path (Path): The file.
    options (ConllOptions): How to read it.
    tally (Tally): Receives what was repaired or dropped.
    YIELDS (Record): ids are "<file>-00001", …; ``meta["lines"]`` is the first and last line of the document.
    RAISES (ValueError): BC604 too few columns, BC605 no tag, BC606 stray continuation, BC611 not UTF-8.
    """
    path = Path(path)
    sentences = _read_sentences(path, options)
    scheme = options.scheme
    if scheme == "auto":
        scheme = detect_scheme([sentence.tags for sentence in sentences])
    stem = plain_stem(path)
    for number, group in enumerate(_group(sentences, options.documents), start=1):
        yield _make_record(f"{stem}-{number:05d}", group, path, scheme, options.repair, tally)


def _read_sentences(path: Path, options: ConllOptions) -> list[_Sentence]:
    sentences: list[_Sentence] = []
    words: list[str] = []
    tags: list[Tag] = []
    new_document = True

    def finish() -> None:
        nonlocal words, tags, new_document
        if words:
            sentences.append(_Sentence(words, tags, new_document))
            words, tags, new_document = [], [], False

    for line, content in enumerate(read_lines(path), start=1):
        if not content.strip():
            finish()
            continue
        columns = content.split("\t") if "\t" in content else content.split()
        if columns[0].strip() == DOCSTART:
            finish()
            new_document = True
            continue
        word, tag = _pick(columns, options, path, line)
        words.append(word)
        tags.append(parse_tag(tag, line=line, path=str(path), scheme=options.scheme, label=options.label))
    finish()
    return sentences


def _pick(columns: Sequence[str], options: ConllOptions, path: Path, line: int) -> tuple[str, str]:
    try:
        word = columns[options.token_column].strip()
        tag = columns[options.tag_column].strip()
    except IndexError:
        word = ""
    if not word or len(columns) < 2:
        raise ValueError(
            Errors.BC604.format(
                path=path,
                line=line,
                columns=len(columns),
                token_column=options.token_column,
                tag_column=options.tag_column,
            )
        )
    return word, tag


def _group(sentences: Sequence[_Sentence], documents: str) -> Iterator[list[_Sentence]]:
    if documents == "auto":
        marked = sum(sentence.new_document for sentence in sentences) > 1
        documents = "docstart" if marked else str(SENTENCES_PER_DOCUMENT)
    largest = {"docstart": len(sentences), "file": len(sentences), "sentence": 1}.get(documents)
    size = largest if largest is not None else int(documents)
    group: list[_Sentence] = []
    for sentence in sentences:
        starts = sentence.new_document and documents != "file"
        if group and (starts or len(group) >= size):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _make_record(
    record: str, sentences: Sequence[_Sentence], path: Path, scheme: str, repair: str, tally: Tally
) -> Record:
    spans: list[TextSpan] = []
    lines: list[str] = []
    offset = 0  # of the sentence in the text
    for sentence in sentences:
        starts = []
        position = offset
        for word in sentence.words:
            starts.append(position)
            position += len(word) + 1
        for chunk in read_chunks(sentence.tags, scheme=scheme, repair=repair, tally=tally, path=str(path)):
            last = chunk.end - 1
            spans.append(TextSpan(starts[chunk.start], starts[last] + len(sentence.words[last]), chunk.label))
        lines.append(" ".join(sentence.words))
        offset = position
    meta = {"lines": [sentences[0].tags[0].line, sentences[-1].tags[-1].line]}
    return Record(record, "\n".join(lines), spans=tuple(spans), meta=meta)
