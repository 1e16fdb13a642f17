"""Options that several convert commands take, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from corpus_scripts.sharding import ShardOptions

Lang = Annotated[str, typer.Option(help="Language whose spaCy tokenizer is used.")]
MaxLoss = Annotated[
    float,
    typer.Option(
        help="Largest part of the mentions that may be lost (0.01 = one in a hundred).", min=0, max=1
    ),
]
Documents = Annotated[
    str | None,
    typer.Option(
        help="conll: what makes a document: docstart, file, sentence, or a number of sentences. "
        "Default: docstart if there is any -DOCSTART-, else 10 sentences (about an abstract)."
    ),
]
Repair = Annotated[
    str | None,
    typer.Option(
        help="conll: an I- tag that continues nothing: open (begins an entity, the default), drop or error."
    ),
]
Workers = Annotated[
    int, typer.Option(help="Processes that tokenise. The output does not depend on their number.", min=1)
]
Shard = Annotated[
    int,
    typer.Option(
        "--shard-characters",
        help="Text of one shard. Longer corpora become a folder OUTPUT.spacy of shards, which spaCy reads as well.",
        min=1,
    ),
]
SHARD = ShardOptions().characters
