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
TAGS = ("fill-mask", "masked-lm", "clinical", "biomedical", "spacy")
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
    memorisation (Mapping | None): report of `pretrain.memorisation.probe`. accepted (str): why weights are released
        although its verdict is "stop".
    """

    title: str = ""
    license: str = ""
    base_model: str = ""
    language: Sequence[str] = ("en",)
    tags: Sequence[str] = ()
    details: Mapping[str, Any] | None = None
    memorisation: Mapping[str, Any] | None = None
    accepted: str = ""


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
        held_out_before, held_out_after; and "phases", the same of the runs before it, first to last.
    name (str): of the encoder folder. pictures (Mapping): path in the folder to title.
    RETURNS (str): Markdown with YAML metadata in front.
    """
    recipe, phases = record["recipe"], [*record.get("phases", ()), record]
    parts = [
        _metadata(facts, record.get("family", "ModernBERT")),
        f"# {cell(facts.title or name)}",
        f"A {record.get('family', 'ModernBERT')} encoder pretrained by masked language modelling: "
        f"{cell(recipe.get('summary', ''))}.",
        _origin(phases, facts),
        f"Quote it with any score: `{record['signature']}`",
        "## Figures on held-out text",
    ]
    for title, phase in _titled("", phases):
        parts += [f"### {title[2:]}"] if title else []
        parts.append(_before_after(phase.get("held_out_before"), phase.get("held_out_after")))
    parts += [
        *([] if facts.details is None else ["### In detail", *sections(facts.details, level=4)]),
        *(f"![{cell(title)}]({path})" for path, title in (pictures or {}).items()),
    ]
    for title, phase in _titled("Training data", _by_text(phases)):
        parts += [f"## {title}", *_data(phase["data"])]
    parts += ["## Memorisation", *_memorisation(facts.memorisation, facts.accepted)]
    for title, phase in _titled("Recipe", phases):
        rows = [[f"`{key}`", f"`{json.dumps(value)}`"] for key, value in flat(phase["recipe"]).items()]
        parts += [
            f"## {title}",
            "Every value of the run; pieces are subwords.",
            table(["setting", "value"], rows),
        ]
    parts += _use(name, recipe)
    return "\n\n".join(part for part in parts if part) + "\n"


def _titled(title: str, phases: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each phase with a heading that names it; one alone needs no name."""
    if len(phases) == 1:
        return [(title, phases[0])]
    return [(f"{title}, `{cell(phase['recipe']['name'])}`", phase) for phase in phases]


def _by_text(phases: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first phase that read each text."""
    return list({phase["run"].get("data"): phase for phase in reversed(phases)}.values())[::-1]


def _metadata(facts: CardFacts, family: str) -> str:
    """YAML front matter; JSON strings are YAML strings."""
    lines = ["---", "language:", *(f"- {json.dumps(code)}" for code in facts.language)]
    if facts.license:
        lines.append(f"license: {json.dumps(facts.license)}")
    if facts.base_model:
        lines.append(f"base_model: {json.dumps(facts.base_model)}")
    own = [family.lower(), *(["long-context"] if family == "ModernBERT" else [])]
    tags = dict.fromkeys([*TAGS, *own, *facts.tags])
    lines += ["library_name: transformers", "pipeline_tag: fill-mask", "tags:"]
    return "\n".join([*lines, *(f"- {json.dumps(tag)}" for tag in tags), "---"])


def _origin(phases: Sequence[Mapping[str, Any]], facts: CardFacts) -> str:
    start = phases[0].get("run", {}).get("start", "random")
    if start == "random":
        said = ["It started from random weights."]
    elif start.startswith("branch:"):
        said = ["It continues a checkpoint of another run, moments included."]
    else:
        of = f"`{facts.base_model}`" if facts.base_model else "an encoder folder"
        said = [f"It continues the weights of {cell(of)} (SHA-256 `{start[:16]}…`)."]
    for phase in phases:
        trained = f"Trained for {phase['steps']:,} steps, {phase['pieces']:,} pieces"
        said.append(f"{trained if phase is phases[0] else 'Then ' + trained[0].lower() + trained[1:]}.")
        said.append(f"Recipe `{phase['recipe']['name']}`: {cell(phase['recipe'].get('source', ''))}.")
    said.append(
        f"Licence: {cell(facts.license)}."
        if facts.license
        else "No licence has been given to these weights yet."
    )
    return " ".join(said)


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


def _memorisation(report: Mapping[str, Any] | None, accepted: str) -> list[str]:
    if not report:
        return [
            "Not measured, not released. Before these weights leave the place where their text may be read, plant "
            "canaries and probe (`python -m pretrain.memorisation --help`), then release them "
            "(`python -m pretrain.release --help`)."
        ]
    reason = (
        f"Released although the verdict is {report.get('verdict')}, because: {cell(accepted)}."
        if accepted
        else ""
    )
    words = ""
    if report.get("canaries"):
        words = (
            "Canaries are invented secrets planted in the training text, some many times. Exposure tells, in bits, "
            "how much likelier a secret is than others of its kind: 1.44 on average if it was never seen, the limit if "
            "no other is likelier. Weights are not released if secrets of few copies come near the limit."
        )
    return [words, reason, *sections(report)]


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
