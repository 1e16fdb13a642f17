"""The model card (README.md) of an exported encoder: recipe, data, figures, limits, how to load it. Never text.

Everything in it is taken from the run's record, so that a card cannot say something else than what was run. The
first lines are the metadata that the hub reads (https://huggingface.co/docs/hub/model-cards).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pretrain.card_tables import cell, figure, flat, sections, table

CARD = "README.md"
TAGS = ("fill-mask", "masked-lm", "modernbert", "long-context", "clinical", "biomedical", "spacy")
# Of each source these words may be told, besides counts; its paths, and ids of documents left out, may not.
SOURCE_WORDS = ("name", "weight", "sha256")
DATA_GROUPS = ("sources", "cleaning", "duplicates", "near_duplicates", "files")


@dataclass(frozen=True)
class CardFacts:
    """What a card says that the run itself does not know.

    title (str): heading; the folder's name by default. license (str): identifier of the hub ("mit", "other"); none is
        written if it is empty, for weights trained on notes are their owner's to license.
    base_model (str): hub name of the weights it continues. language (Sequence[str]): codes such as "en".
    details (Mapping | None): `DetailedEvaluation.to_dict()` of the exported weights.
    memorisation (Mapping | None): report of `pretrain.memorisation.probe`.
    """

    title: str = ""
    license: str = ""
    base_model: str = ""
    language: Sequence[str] = ("en",)
    tags: Sequence[str] = ()
    details: Mapping[str, Any] | None = None
    memorisation: Mapping[str, Any] | None = None


def data_facts(meta: Mapping[str, Any], weights: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return what a card tells of shards, to be merged into the `data` that `export` takes.

    meta (Mapping): of `Shards`: "report" (counts by source), "sources" (files with "source" and "sha256"), "cleaning",
        "near_duplicates". weights (Mapping | None): by source; 1 where none is given.
    """
    sources = []
    for name, counts in meta["report"].items():
        files = sorted(file["sha256"] for file in meta["sources"] if file["source"] == name)
        summed = Counter[str]()
        for key, count in counts.items():
            summed[key.partition(":")[0]] += count  # placeholders: all kinds together
        digest = hashlib.sha256("".join(files).encode("ascii")).hexdigest()
        weight = float((weights or {}).get(name, 1.0))
        sources.append({"name": name, "weight": weight, "files": len(files), **summed, "sha256": digest})
    groups = {key: meta[key] for key in ("cleaning", "near_duplicates") if key in meta}
    return {"sources": sources, **groups}


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of the text without what could name a document: of each source `SOURCE_WORDS` and counts."""
    sources = data.get("sources")
    if not isinstance(sources, Sequence):
        return dict(data)
    kept = [
        {
            key: value
            for key, value in source.items()
            if key in SOURCE_WORDS or isinstance(value, (int, float))
        }
        for source in sources
        if isinstance(source, Mapping)
    ]
    return {**data, "sources": kept}


def model_card(
    record: Mapping[str, Any], facts: CardFacts, *, name: str, pictures: Mapping[str, str] | None = None
) -> str:
    """Write a card.

    record (Mapping): what `export` writes into pretraining.json: signature, recipe, data, steps, pieces, run,
        held_out_before, held_out_after.
    name (str): of the encoder folder. pictures (Mapping): path in the folder to title.
    RETURNS (str): Markdown with YAML metadata in front.
    """
    recipe, data = record["recipe"], record["data"]
    parts = [
        _metadata(facts),
        f"# {cell(facts.title or name)}",
        f"A ModernBERT encoder pretrained by masked language modelling: {cell(recipe.get('summary', ''))}.",
        _origin(record, facts),
        f"Quote it with any score: `{record['signature']}`",
        "## Figures on held-out text",
        _before_after(record.get("held_out_before"), record.get("held_out_after")),
        *([] if facts.details is None else sections(facts.details)),
        *(f"![{cell(title)}]({path})" for path, title in (pictures or {}).items()),
        "## Training data",
        *_data(data),
        "## Memorisation",
        *_memorisation(facts.memorisation),
        "## Recipe",
        "Every value of the run; pieces are subwords.",
        table(
            ["setting", "value"],
            [[f"`{key}`", f"`{json.dumps(value)}`"] for key, value in flat(recipe).items()],
        ),
        *_use(name, recipe),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(facts: CardFacts) -> str:
    """YAML front matter; JSON strings are YAML strings."""
    lines = ["---", "language:", *(f"- {json.dumps(code)}" for code in facts.language)]
    if facts.license:
        lines.append(f"license: {json.dumps(facts.license)}")
    if facts.base_model:
        lines.append(f"base_model: {json.dumps(facts.base_model)}")
    tags = dict.fromkeys([*TAGS, *facts.tags])
    lines += ["library_name: transformers", "pipeline_tag: fill-mask", "tags:"]
    return "\n".join([*lines, *(f"- {json.dumps(tag)}" for tag in tags), "---"])


def _origin(record: Mapping[str, Any], facts: CardFacts) -> str:
    start = record.get("run", {}).get("start", "random")
    if start == "random":
        begun = "It started from random weights."
    else:
        of = f"`{facts.base_model}`" if facts.base_model else "an encoder folder"
        begun = f"It continues the weights of {cell(of)} (SHA-256 `{start[:16]}…`)."
    trained = f"Trained for {record['steps']:,} steps, {record['pieces']:,} pieces."
    source = f"Recipe `{record['recipe']['name']}`: {cell(record['recipe'].get('source', ''))}."
    licence = (
        f"Licence: {cell(facts.license)}."
        if facts.license
        else "No licence has been given to these weights yet."
    )
    return " ".join((begun, trained, source, licence))


def _before_after(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    if not before and not after:
        return "No text was held out, so nothing is known about how well these weights predict."
    before, after = flat(before or {}), flat(after or {})
    names = dict.fromkeys([*after, *before])
    rows = [
        [name.replace("_", " "), *(figure(side[name]) if name in side else "—" for side in (before, after))]
        for name in names
    ]
    words = "Masks are the same before and after; loss in nats of predicted pieces."
    return f"{words}\n\n{table(['figure', 'before training', 'after'], rows)}"


def _data(data: Mapping[str, Any]) -> list[str]:
    counts = {
        key: value for key, value in data.items() if key not in DATA_GROUPS and not isinstance(value, Mapping)
    }
    parts = [
        table(["count", "value"], [[key.replace("_", " "), figure(value)] for key, value in counts.items()])
    ]
    sources = told(data).get("sources", [])
    if sources:
        columns = list(dict.fromkeys(key for source in sources for key in source))
        rows = [[_source_cell(key, source.get(key)) for key in columns] for source in sources]
        parts += ["### Sources", table(["source" if key == "name" else key for key in columns], rows)]
    for group, title in (
        ("cleaning", "Cleaning"),
        ("near_duplicates", "Near-duplicates"),
        ("duplicates", "Near-duplicates"),
    ):
        values = data.get(group)
        if isinstance(values, Mapping) and values:
            rows = [[key.replace("_", " "), figure(value)] for key, value in flat(values).items()]
            parts += [f"### {title}", table(["setting or count", "value"], rows)]
        elif isinstance(values, int):
            parts.append(f"{title} removed: {values:,}.")
    return parts


def _source_cell(key: str, value: Any) -> str:
    if key == "sha256" and isinstance(value, str):
        return f"`{value[:16]}`"
    return figure(value)


def _memorisation(report: Mapping[str, Any] | None) -> list[str]:
    if not report:
        return [
            "Not measured. Before these weights leave the place where their text may be read, plant canaries and "
            "probe: `python -m pretrain.memorisation --help`."
        ]
    return sections(report)


def _use(name: str, recipe: Mapping[str, Any]) -> list[str]:
    lengths = f"Documents of more than {recipe['max_length']:,} pieces were cut in training"
    return [
        "## Use",
        "With transformers:",
        "```python\nfrom transformers import AutoModelForMaskedLM, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")\n'
        f'model = AutoModelForMaskedLM.from_pretrained("{name}")\n```',
        "In a spaCy pipeline, with the package spacy-bioclinical:",
        '```ini\n[initialize.components.transformer.encoder_loader]\n@misc = "spacy-bioclinical.EncoderFolder.v1"\n'
        f'name = "{name}"\n```',
        "## Intended use and limits",
        "- For fine-tuning on tasks over clinical or biomedical text (entities, document classes, "
        "de-identification), and for predicting masked pieces in research. Not a medical device: nothing here was "
        "validated for decisions about patients.",
        "- It knows what its training text knew, with that text's errors, gaps and biases; other hospitals, languages "
        "and times are other data. Evaluate on your own before use.",
        f"- {lengths}; whether context beyond that helps has to be measured.",
        "- Weights can give away training text. If it was not public, treat the weights as the text itself, whatever "
        "the memorisation report above says.",
    ]
