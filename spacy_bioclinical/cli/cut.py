"""`python -m spacy bioclinical cut`: a corpus whose documents end after so many pieces.

The pipeline itself never cuts. To learn what the long context is worth, the same classifier is trained and
tested on documents cut as an encoder of that length would cut them.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.errors import Errors

if TYPE_CHECKING:
    from spacy.tokens import Doc


@bioclinical.command("cut")
def cut_cli(
    corpus: Path = typer.Argument(..., help="Folder with .spacy files", exists=True, file_okay=False),
    output: Path = typer.Argument(..., help="Folder for the cut ones"),
    pieces: int = typer.Option(512, "--pieces", min=16, help="Pieces kept, special pieces counted"),
    tokenizer: str = typer.Option(..., "--tokenizer", help="Encoder whose pieces count: folder or name"),
) -> None:
    """Cut every document of a corpus after so many pieces; labels stay, entities beyond the cut go."""
    files = sorted(corpus.glob("*.spacy"))
    if not files:
        msg.fail(Errors.BC513.format(path=corpus, what=".spacy files", step="convert"), exits=1)
    try:
        folder = tokenizer_folder(tokenizer)
    except ValueError as error:
        msg.fail("No tokenizer to count with", str(error), exits=1)
    output.mkdir(parents=True, exist_ok=True)
    for file in files:
        n_cut, n_docs = cut_file(file, output / file.name, pieces, folder)
        msg.good(f"{output / file.name}: {n_cut} of {n_docs} documents were longer than {pieces} pieces")


def tokenizer_folder(name: str) -> Path:
    """Find the folder of a tokenizer; weights are neither needed nor downloaded.

    name (str): A folder with tokenizer files, a name of `encoders`, or a hub name.
    RETURNS (Path): The folder.
    RAISES (ValueError): BC104, BC150 if it is not to be had.
    """
    from spacy_bioclinical.encoder.source import resolve_folder

    return Path(name) if Path(name).is_dir() else resolve_folder(name, needs_weights=False)


def first_tokens(doc: "Doc", n_tokens: int) -> "Doc":
    """Copy the beginning of a document, with its classes, its user data, and the spans that end within it.

    doc (Doc): The document. n_tokens (int): Tokens to keep.
    RETURNS (Doc): A document of its own; entities that reach beyond the cut are not in it, as in `Span.as_doc`.
    """
    from spacy.tokens import Span, SpanGroup

    short = doc[:n_tokens].as_doc(copy_user_data=True)
    short.cats = dict(doc.cats)
    for key, group in doc.spans.items():
        kept = [i for i, span in enumerate(group) if span.end <= n_tokens]
        attrs = {
            name: [value[i] for i in kept] if isinstance(value, list) and len(value) == len(group) else value
            for name, value in group.attrs.items()
        }
        spans = [
            Span(short, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id)
            for span in (group[i] for i in kept)
        ]
        short.spans[key] = SpanGroup(short, name=key, spans=spans, attrs=attrs)
    return short


def cut_file(source: Path, target: Path, n_pieces: int, tokenizer: Path) -> tuple[int, int]:
    """Cut the documents of one file at the last token that ends within the pieces kept.

    source (Path): A .spacy file or a folder of shards.
    target (Path): The file to write, aside first; for a folder of shards, the folder.
    n_pieces (int): Pieces kept in each document, prefix and suffix pieces counted.
    tokenizer (Path): Encoder folder.
    RETURNS (tuple[int, int]): Documents that were longer, documents in all.
    """
    import spacy
    from spacy.tokens import DocBin

    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
    from spacy_bioclinical.training.shards import iter_docs, shards_of

    if source.is_dir():
        shards = {shard: target / shard.relative_to(source) for shard in shards_of(source)}
        counts = [cut_file(shard, place, n_pieces, tokenizer) for shard, place in shards.items()]
        return sum(n_cut for n_cut, _ in counts), sum(n_docs for _, n_docs in counts)
    cutter = PieceTokenizer.from_folder(tokenizer)
    room = n_pieces - len(cutter.prefix_ids) - len(cutter.suffix_ids)
    kept = DocBin(store_user_data=True)
    n_cut = 0
    for doc in iter_docs(source, spacy.blank("en").vocab):
        (pieces,) = cutter.encode([doc.text])
        if len(pieces.ids) > room:
            n_cut += 1
            end = int(pieces.ends[room - 1])
            n_tokens = sum(token.idx + len(token) <= end for token in doc)
            doc = first_tokens(doc, n_tokens)
        kept.add(doc)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    kept.to_disk(aside)
    os.replace(aside, target)
    return n_cut, len(kept)
