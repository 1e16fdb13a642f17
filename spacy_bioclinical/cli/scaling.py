"""`python -m spacy bioclinical scaling`: what one long document costs compared with two of half its length.

Quadratic attention makes it almost twice as expensive; local layers at the cost of their window keep it cheaper.
Both implementations run in one process on the same weights and pieces, since machines are noisy.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_bioclinical.cli._app import bioclinical
from spacy_bioclinical.cli.files import write_json


@bioclinical.command("scaling")
def scaling_cli(
    pieces: int = typer.Option(4096, "--pieces", help="Length of the shorter documents", min=16),
    rounds: int = typer.Option(2, "--rounds", help="Rounds; the fastest counts", min=1),
    precision: str = typer.Option("fp32", "--precision", help="fp32 or bf16"),
    config: Path | None = typer.Option(
        None, "--config", help="config.json of a ModernBERT; none: base shape"
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file for the result"),
) -> None:
    """Time one document of 2n pieces against two of n, packed and through transformers (sdpa)."""
    result = measure(pieces, rounds, precision, config)
    rows = [
        (name, f"{part['two_short']:.2f}", f"{part['one_long']:.2f}", f"{part['ratio']:.2f}")
        for name, part in result["seconds"].items()
    ]
    msg.table(rows, header=(f"{precision}, random weights", f"2 x {pieces}", f"1 x {2 * pieces}", "ratio"))
    if output is not None:
        write_json(output, result)


def measure(pieces: int, rounds: int, precision: str, config: Path | None) -> dict[str, Any]:
    """Time both implementations.

    pieces (int): n, length of the shorter documents.
    rounds (int): how often; the fastest run of each counts.
    precision (str): "fp32" or "bf16".
    config (Path | None): `config.json` of a ModernBERT.
    RETURNS (dict): seconds of each implementation for two documents of n and one of 2n pieces, and their ratio.
    """
    import torch
    from transformers import ModernBertConfig, ModernBertModel

    from spacy_bioclinical.encoder.base import PRECISIONS
    from spacy_bioclinical.encoder.modernbert import ModernBert, ModernBertSettings

    settings = ModernBertSettings()
    if config is not None:
        settings = ModernBertSettings.from_config(json.loads(config.read_text(encoding="utf8")))
    encoder = ModernBert(settings).init_weights(0).eval()
    encoder.set_compute(precision=precision)
    reference: Any = ModernBertModel(
        ModernBertConfig(**settings.to_config(), attn_implementation="sdpa", reference_compile=False)
    )
    reference.load_state_dict(encoder.state_dict())
    reference = reference.eval().to(PRECISIONS[precision])
    ids = torch.randint(5, settings.vocab_size, (2 * pieces,), generator=torch.Generator().manual_seed(0))
    runs: dict[str, tuple[Callable, Callable]] = {
        "packed": (lambda: encoder(ids, [pieces, pieces]), lambda: encoder(ids, [2 * pieces])),
        "transformers": (
            lambda: reference(input_ids=ids.view(2, pieces)),
            lambda: reference(input_ids=ids.view(1, 2 * pieces)),
        ),
    }
    seconds = {}
    with torch.inference_mode():
        for name, (two_short, one_long) in runs.items():
            two, one = _fastest(two_short, rounds), _fastest(one_long, rounds)
            seconds[name] = {"two_short": two, "one_long": one, "ratio": one / two}
    facts = {"pieces": pieces, "precision": precision, "rounds": rounds, "threads": torch.get_num_threads()}
    return {"seconds": seconds, **facts, "torch": torch.__version__}


def _fastest(run: Callable, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
