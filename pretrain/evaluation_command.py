"""The command behind `python -m pretrain.evaluation`: score an encoder folder on held-out text, print, write JSON.

Example: python -m pretrain.evaluation encoders/tiny --shards encoders/tiny.work --output metrics/tiny.json
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import typer
from tqdm import tqdm

from pretrain.batches import evaluation_rows, generator_for
from pretrain.bootstrap import CHOICE
from pretrain.context import LONG, WINDOWS, context_value
from pretrain.evaluation import DetailedEvaluation, Group, evaluate_in_detail
from pretrain.masking import Vocabulary
from pretrain.scoring import ROW_PIECES
from pretrain.shards import META, Shards, open_shards, shards_for
from pretrain.start import choose_device, load_tokenizer
from pretrain.text import file_hash
from spacy_bioclinical import __version__
from spacy_bioclinical.encoder.checkpoint import load_pretraining_model
from spacy_bioclinical.errors import Errors


def encoder_hash(folder: Path) -> str:
    """Return the SHA-256 of an encoder folder's weights (of the list of its files' hashes if there are several)."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return file_hash(files[0])
    return hashlib.sha256("".join(map(file_hash, files)).encode("ascii")).hexdigest()


def write_report(report: dict[str, Any], file: Path) -> None:
    """Write a report as JSON, aside first and moved into place when whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.writing")
    aside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf8")
    os.replace(aside, file)


def _open(folder: Path, encoder: Path) -> Shards:
    """Open a folder of shards, or below a run's working folder those that the encoder's run read, or the only ones.

    RAISES (ValueError): BC766, BC707.
    """
    found = [folder] if (folder / META).is_file() else sorted(folder.glob("shards-*"))
    if len(found) > 1:
        data = str(_record(encoder).get("run", {}).get("data", "?"))
        found = [place for place in found if data.startswith(place.name.removeprefix("shards-"))] or found
    if len(found) != 1:
        raise ValueError(Errors.BC766.format(folder=folder, n=len(found)))
    return open_shards(found[0])


def _record(encoder: Path) -> dict[str, Any]:
    """What the run of an encoder folder wrote about itself; {} if it did not."""
    try:
        return dict(json.loads((encoder / "pretraining.json").read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError):
        return {}


def _held_out_share(encoder: Path) -> float | None:
    """The share of documents that the run of an encoder folder held out, if its record tells."""
    return _record(encoder).get("recipe", {}).get("held_out")


def main(
    encoder: Path = typer.Argument(..., metavar="ENCODER", help="Encoder folder: weights and tokenizer."),
    text: list[Path] = typer.Option([], "--text", help="Held-out text files or folders: all is evaluated."),
    shards: Path = typer.Option(None, "--shards", help="Or a run's working folder: its held-out part."),
    output: Path = typer.Option(..., "--output", help="JSON file to write."),
    held_out: float = typer.Option(None, "--held-out", help="Share held out [the encoder's record]."),
    text_key: str = typer.Option(None, "--text-key", help="JSON key or CSV column that holds the text."),
    mask_rate: float = typer.Option(0.15, "--mask-rate", help="Share of pieces to predict."),
    most_pieces: int = typer.Option(2**20, "--most-pieces", min=1, help="Stop at so many pieces."),
    max_length: int = typer.Option(8192, "--max-length", min=3, help="With --text: cut documents there."),
    row_pieces: int = typer.Option(ROW_PIECES, "--row-pieces", min=1, help="Pieces computed at once."),
    window: list[int] = typer.Option(list(WINDOWS), "--window", help="Context to compare; repeat it."),
    context_documents: int = typer.Option(32, "--context-documents", min=0, help="So many; 0: not at all."),
    context_length: int = typer.Option(LONG, "--context-length", min=1, help="Least pieces of those."),
    seed: int = typer.Option(0, "--seed", min=0, help="Choice of documents, masks of windows, intervals."),
    device: str = typer.Option("auto", "--device", help="cpu, cuda, cuda:N or auto."),
    precision: str = typer.Option("fp32", "--precision", help="fp32, bf16 or auto."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Evaluate an encoder on held-out text, whole and by group."""
    try:
        if bool(text) == bool(shards):
            why = "give either --text or --shards"
            raise ValueError(Errors.BC767.format(why=why, todo="Name one of them"))
        tokenizer = load_tokenizer(encoder)
        assert tokenizer.mask_id is not None
        model = load_pretraining_model(encoder).to(choose_device(device)).eval()
        model.model.set_compute(precision=precision)
        with tempfile.TemporaryDirectory() as aside:
            share = held_out
            if shards:
                data = _open(shards, encoder)
                share = _held_out_share(encoder) if share is None else share
                if share is None:
                    why = "the encoder's record does not tell what share of documents was held out"
                    raise ValueError(Errors.BC767.format(why=why, todo="Give the recipe's: --held-out SHARE"))
                sequences = data.split(share)[1]
            else:
                cut_at = min(max_length, model.settings.max_position_embeddings)
                settings: dict[str, Any] = {"text_key": text_key, "is_quiet": quiet}
                data = shards_for(text, tokenizer, Path(aside), max_length=cut_at, **settings)
                sequences = np.arange(len(data.lengths))
            if data.meta["tokenizer"] != tokenizer.fingerprint:
                why = "the shards were made with another tokenizer than the encoder's"
                raise ValueError(Errors.BC767.format(why=why, todo="Evaluate raw text: --text FILE"))
            if not len(sequences):
                why = "no document is held out"
                raise ValueError(Errors.BC767.format(why=why, todo="Give held-out text: --text FILE"))
            sequences = sequences[generator_for(seed, CHOICE).permutation(len(sequences))]
            vocabulary = Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
            row_pieces = max(row_pieces, int(data.lengths[sequences].max()))
            budget = {"row_pieces": row_pieces, "most_pieces": most_pieces}
            rows = list(evaluation_rows(data, sequences, vocabulary, mask_rate=mask_rate, **budget))
            detail = evaluate_in_detail(
                model,
                tqdm(rows, desc="evaluate", unit="row", disable=quiet),
                lengths=data.lengths,
                documents=data.documents,
                sources=getattr(data, "sources", ()),
                source_of=getattr(data, "source_of", None),
                n_special=len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids),
                seed=seed,
            )
            long = [i for i in sequences if data.lengths[i] >= context_length][:context_documents]
            with tqdm(total=len(long), desc="context", unit="document", disable=quiet) as bar:
                context = context_value(
                    model,
                    [data.sequence(int(index)) for index in long],
                    sorted(window),
                    vocabulary=vocabulary,
                    mask_rate=mask_rate,
                    min_length=context_length,
                    row_pieces=row_pieces,
                    seed=seed,
                    on_document=bar.update,
                )
    except (ValueError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if detail is None:
        typer.echo(Errors.BC767.format(why="no piece to predict", todo="Give more text"), err=True)
        raise typer.Exit(1)
    report = {
        "signature": signature_of(encoder, data_hash=data.meta["data_hash"], seed=seed),
        "held_out": share,
        "mask_rate": mask_rate,
        **detail.to_dict(),
        "context": context,
    }
    write_report(report, output)
    typer.echo(table_of(detail, context))
    typer.echo(f"written    {os.fspath(output)}")


def signature_of(encoder: Path, *, seed: int, **hashes: str) -> dict[str, Any]:
    """Return what a report's figures come from: hash of the weights, further hashes, seed and version."""
    return {"encoder": encoder_hash(encoder), **hashes, "seed": seed, "version": __version__}


def table_of(detail: DetailedEvaluation, context: dict[str, Any] | None) -> str:
    """Return the scores as a table for the terminal."""
    lines = [
        f"{'group':<24}{'documents':>10}{'pieces':>9}{'loss':>8}  {'95 % interval':<17}"
        f"{'perplexity':>11}{'top 1':>7}{'5':>7}{'10':>7}{'25':>7}"
    ]

    def line(name: str, group: Group) -> str:
        low, high = group.loss.low, group.loss.high
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        top = "".join(f"{mean.value:>7.1%}" for mean in group.top.values())
        return (
            f"{name:<24.24}{group.n_documents:>10,}{group.n_labelled:>9,}{group.loss.value:>8.3f}  {interval:<17}"
            f"{group.perplexity:>11.4g}{top}"
        )

    lines.append(line("all", detail.whole))
    for what, groups in detail.tables().items():
        lines += [line(f"{what} {name}", group) for name, group in groups.items()]
    if context:
        counts = f"{context['n_documents']} documents, {context['n_labelled']} pieces"
        lines += ["", f"context ({counts}); saved: loss that the rest of the document takes away"]
        for row in context["windows"]:
            name = "whole document" if row["window"] is None else f"window {row['window']}"
            text = f"{name:<24}loss {row['loss']['value']:.3f}, top 1 {row['top1']['value']:.1%}"
            if row["beyond"]:
                saved = row["beyond"]["loss_saved"]
                interval = "" if saved["low"] is None else f" ({saved['low']:+.3f} to {saved['high']:+.3f})"
                text += f", saved {saved['value']:+.3f}{interval} in {row['beyond']['n_documents']} documents"
            lines.append(text)
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
