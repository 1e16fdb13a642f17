"""`python -m spacy bioclinical benchmark precision`: what bf16 costs in accuracy, ours and transformers'.

Both start from the same weights and ids; each bf16 result is compared with the same implementation's fp32 result,
piece by piece. Random weights as published are mild; `--gain` makes them stronger, so that errors add up as they do
in the worst of trained encoders.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli.benchmark._app import benchmark
from spacy_bioclinical.cli.benchmark.data import read_ids, write_ids
from spacy_bioclinical.cli.benchmark.finish import print_table
from spacy_bioclinical.cli.benchmark.folders import EncoderFolder, make_folder
from spacy_bioclinical.cli.benchmark.sets import DocumentSet
from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors


@benchmark.command("precision")
def precision_cli(
    encoder: str = typer.Option("modernbert-base", "--encoder", "-e", help="As in `benchmark speed`"),
    kernel: str = typer.Option("auto", "--kernel", "-k", help="Attention kernel of ours"),
    length: list[int] = typer.Option([512, 2048], "--length", "-l", help="Pieces of a document; repeatable"),
    gain: float = typer.Option(1.0, "--gain", help="Factor on random matrices", min=0.01),
    seed: int = typer.Option(0, "--seed", help="For ids and weights", min=0),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU"),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file for the result"),
) -> None:
    """Measure how far bf16 is from fp32: packed, and transformers, on the same weights and ids."""
    try:
        device = "cpu" if gpu_id < 0 else f"cuda:{gpu_id}"
        with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
            folder = make_folder(encoder, Path(work) / "encoder", seed=seed, gain=gain)
            result = measure(folder, Path(work) / "data", length, seed=seed, kernel=kernel, device=device)
    except ValueError as error:
        msg.fail("Nothing to show", str(error), exits=1)
    rows: list[tuple[str, ...]] = [
        (name, f"{found['mean_cosine']:.6f}", f"{found['least_cosine']:.6f}", f"{found['most_apart']:.3g}")
        for name, found in result["compared"].items()
    ]
    header = ("compared", "mean cosine", "least cosine", "largest difference")
    print_table(header, rows)
    if output is not None:
        write_json(output, {**result, "encoder": encoder, "gain": gain, "kernel": kernel, "seed": seed})


def measure(
    folder: EncoderFolder,
    data: Path,
    lengths: Sequence[int],
    *,
    seed: int = 0,
    kernel: str = "auto",
    device: str = "cpu",
) -> dict[str, Any]:
    """Compare precisions.

    folder (EncoderFolder): the encoder.
    data (Path): folder for the documents.
    lengths (Sequence[int]): pieces of each document; all are computed in one batch.
    seed (int): for ids.
    kernel (str): attention kernel of ours.
    device (str): "cpu", "cuda" or "cuda:N".
    RETURNS (dict): "compared": mean and least cosine of two rows of the same piece, and the largest difference of
        two values, for packed bf16 and transformers bf16 against fp32 of the same implementation and of the other.
    RAISES (ValueError): BC530 if a document is longer than what the encoder reads at once.
    """
    import torch

    from spacy_bioclinical.cli.benchmark.racers.encoders import PackedRacer, TransformersRacer

    if not lengths or not 1 <= min(lengths) <= max(lengths) <= folder.context:
        wanted = f"1 to {folder.context}, what the encoder reads at once"
        raise ValueError(Errors.BC530.format(option="--length", given=list(lengths), wanted=wanted))
    documents = DocumentSet("precision", max(lengths), tuple(lengths))
    write_ids(data, [documents], folder.config["vocab_size"], list(folder.special_ids.values()), seed)
    ids, _ = read_ids(data, documents.name)
    windows = list(torch.as_tensor(ids, dtype=torch.long).split(list(lengths)))
    rows = {}
    for name, make in (("packed", PackedRacer), ("transformers", TransformersRacer)):
        for precision in ("fp32", "bf16"):
            spec = {
                **{"folder": str(folder.path), "data": str(data), "device": device, "precision": precision},
                **{"context": folder.context, "probe_id": 0, "kernel": kernel, "attention": "auto"},
                **{"batch_pieces": sum(lengths), "batch_documents": len(lengths)},
            }
            racer = make(spec)
            racer.load()
            with torch.inference_mode():
                rows[name, precision] = racer.packed_rows(windows).float().cpu()
    pairs = [
        (("packed", "bf16"), ("packed", "fp32")),
        (("transformers", "bf16"), ("transformers", "fp32")),
        (("packed", "bf16"), ("transformers", "fp32")),
        (("packed", "fp32"), ("transformers", "fp32")),
    ]
    compared = {f"{' '.join(a)} / {' '.join(b)}": compare(rows[a], rows[b]) for a, b in pairs}
    return {"compared": compared, "lengths": list(lengths), "device": device, "torch": torch.__version__}


def compare(one: Any, other: Any) -> dict[str, float]:
    """Cosines row by row and the largest difference of two (T, D) tensors."""
    import torch

    cosines = torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=-1)
    return {
        "mean_cosine": cosines.mean().item(),
        "least_cosine": cosines.min().item(),
        "most_apart": (one - other).abs().max().item(),
    }
