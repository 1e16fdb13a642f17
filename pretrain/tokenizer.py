"""Train a tokenizer of ModernBERT's kind on raw text: `python -m pretrain.tokenizer --help`.

Byte-level BPE (every text can be written, nothing becomes [UNK]), NFC, no prefix space, [CLS] … [SEP] around
a document; only the vocabulary is smaller. Needed when an encoder is trained from random weights; otherwise
keep the tokenizer that came with the weights. The same text and settings give the same files.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from tqdm import tqdm

from pretrain.sources import Source, parse_source, read_data_file, selected, sources_of
from spacy_bioclinical.errors import Errors
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

UNKNOWN, CLS, SEP, PAD, MASK = SPECIALS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
N_BYTES = 256
CONTEXT = 8192
LONGEST_PIECE = 16  # characters; keeps ruler lines and base64 from filling a small vocabulary


def train_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int = CONTEXT) -> PieceTokenizer:
    """Learn a vocabulary from texts.

    vocab_size (int): pieces in all; fewer if the texts do not yield that many.
    max_length (int): the context written into the tokenizer's config.
    RAISES (ValueError): BC719 if bytes and special pieces alone need more.
    """
    least = N_BYTES + len(SPECIALS)
    if vocab_size < least:
        raise ValueError(Errors.BC719.format(vocab_size=vocab_size, least=least))
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(name, special=True, lstrip=name == MASK) for name in SPECIALS],
        max_token_length=LONGEST_PIECE,
        show_progress=False,
    )
    backend.train_from_iterator((_readable(text) for text in texts), trainer)
    ids = [(name, backend.token_to_id(name)) for name in (CLS, SEP)]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}", pair=f"{CLS} $A {SEP} $B:1 {SEP}:1", special_tokens=ids
    )
    roles = {"unk_token": UNKNOWN, "cls_token": CLS, "sep_token": SEP, "pad_token": PAD, "mask_token": MASK}
    return PieceTokenizer(backend.to_str(), roles, max_length)


def _readable(text: str) -> str:
    """Lone surrogates become U+FFFD, as when encoding."""
    return text.encode("utf8", "surrogatepass").decode("utf8", "replace")


def sample(texts: Iterable[str], most: int | None, seed: int) -> Iterator[str]:
    """Yield all texts, or a random choice of `most` of them (one pass; memory for `most` texts)."""
    if most is None:
        yield from texts
        return
    generator = random.Random(seed)
    kept: list[str] = []
    for number, text in enumerate(texts):
        place = number if number < most else generator.randrange(number + 1)
        if place < most:
            kept[place : place + 1] = [text]
    yield from kept


def documents_of(sources: Iterable[Source], is_quiet: bool = True) -> Iterator[str]:
    """Yield the texts of all sources, each document once: weights count from 0 on, and canaries are left out."""
    for source in sources:
        if source.weight and not source.planted:
            bar = tqdm(source.files(), desc=f"read {source.name}", unit="file", disable=is_quiet)
            for document in selected(source, bar, Counter()):
                yield document.text


def main(
    text: list[str] = typer.Option(
        [],
        "--text",
        help="Text files or folders, or NAME=PATH, as pretrain.train takes them; more may follow.",
    ),
    more_text: list[str] = typer.Argument(None, metavar="[FILE]...", help="Further text files or folders."),
    data_file: Path = typer.Option(None, "--data", help="YAML, JSON or TOML file of sources."),
    output: Path = typer.Option(..., "--output", help="Folder to write the tokenizer to."),
    vocab_size: int = typer.Option(4096, "--vocab-size", help="Pieces in all."),
    max_documents: int = typer.Option(
        None, "--max-documents", min=1, help="Learn from a random choice of these."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of that choice."),
    text_key: str = typer.Option(None, "--text-key", help="JSON key or CSV column that holds the text."),
    encoder: Path = typer.Option(
        None, "--encoder", help="Where pretrain.train will begin: nothing is done if that is not OUTPUT."
    ),
    from_scratch: bool = typer.Option(False, "--from-scratch", help="As pretrain.train takes it; no effect."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Train a ModernBERT-shaped tokenizer on raw text."""
    if encoder is not None and encoder.resolve() != output.resolve():
        typer.echo(f"not needed {output}: training begins with the tokenizer of {encoder}")
        return
    try:
        named = [parse_source(one, text_key) for one in (*text, *(more_text or []))]
        sources = sources_of([*named, *(read_data_file(data_file) if data_file else ())])
        if not sources:
            raise ValueError(Errors.BC788)
        n_files = sum(len(source.files()) for source in sources)
        tokenizer = train_tokenizer(sample(documents_of(sources, quiet), max_documents, seed), vocab_size)
        if tokenizer.vocab_size <= N_BYTES + len(SPECIALS):
            raise ValueError(Errors.BC706.format(n_files=n_files, n_empty="some or no"))
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    tokenizer.save(output)
    typer.echo(
        f"written    {output}  {tokenizer.vocab_size:,} pieces, fingerprint {tokenizer.fingerprint[:16]}"
    )


if __name__ == "__main__":
    typer.run(main)
