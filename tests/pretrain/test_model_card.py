"""Cards and curves: values as in the recipe, metadata that the hub reads, pictures with every point."""

import json
import math
import re
from xml.etree import ElementTree

import pytest
import typer
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from pretrain.card_tables import figure, flat, sections
from pretrain.curves import charts, draw_curves, main, read_log, smoothed, thinned
from pretrain.line_chart import Series, line_chart, tick_label, ticks
from pretrain.log import EVALUATION_COLUMNS, STEP_COLUMNS, CsvLog
from pretrain.model_card import CardFacts, data_facts, model_card, told

APP = typer.Typer()
APP.command()(main)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def record(recipe):
    return {
        "signature": "recipe:test|steps:12",
        "run": {"start": "abcdef" * 10, "data": "d" * 64},
        "recipe": recipe.to_dict(),
        "data": {
            "documents": 60,
            "pieces": 12345,
            "cleaning": {"placeholders": "keep", "min_characters": 20},
            "sources": [
                {"name": "notes", "weight": 2.0, "documents": 40, "pieces": 9000, "sha256": "ab" * 32},
                {
                    "name": "codes",
                    "weight": 0.5,
                    "documents": 20,
                    "pieces": 3345,
                    "duplicates": 7,
                    "paths": ["p"],
                },
            ],
        },
        "steps": 12,
        "pieces": 5000,
        "held_out_before": {"loss": 6.1234, "accuracy": 0.01},
        "held_out_after": {"loss": 4.5, "accuracy": 0.25, "top_5": 0.5},
    }


def rows(card, heading):
    """Cells of the first table below a heading."""
    below = card.split(heading, 1)[1]
    lines = re.search(r"(?:^\|.*\n?)+", below, re.MULTILINE).group().splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_card_has_every_value_of_the_recipe(record, recipe):
    card = model_card(record, CardFacts(), name="encoder")
    found = {key.strip("`"): json.loads(value.strip("`")) for key, value in rows(card, "## Recipe")}
    assert found == flat(recipe.to_dict())
    assert found["schedule.kind"] == "warmup_stable_decay"
    assert found["lr"] == recipe.lr


def test_card_metadata_is_what_the_hub_reads(record):
    facts = CardFacts(license="mit", base_model="owner/name", language=("en", "de"), tags=("de-id",))
    data = ModelCard(model_card(record, facts, name="encoder")).data
    assert (data.license, data.base_model, data.pipeline_tag) == ("mit", "owner/name", "fill-mask")
    assert data.language == ["en", "de"]
    assert {"fill-mask", "modernbert", "de-id"} <= set(data.tags)
    bare = ModelCard(model_card(record, CardFacts(), name="encoder"))
    assert bare.data.license is None
    assert "No licence has been given" in bare.text


def test_card_tells_figures_data_and_how_to_load(record):
    facts = CardFacts(title="Notes encoder", base_model="owner/name")
    card = model_card(record, facts, name="encoder", pictures={"curves/loss.svg": "Loss"})
    assert rows(card, "## Figures") == [
        ["loss", "6.123", "4.5"],
        ["accuracy", "0.01", "0.25"],
        ["top 5", "—", "0.5"],
    ]
    assert "`recipe:test|steps:12`" in card
    assert "![Loss](curves/loss.svg)" in card
    assert rows(card, "### Sources") == [
        ["notes", "2", "40", "9,000", f"`{'ab' * 8}`", "—"],
        ["codes", "0.5", "20", "3,345", "—", "7"],
    ]
    assert ["min characters", "20"] in rows(card, "### Cleaning")
    assert 'AutoModelForMaskedLM.from_pretrained("encoder")' in card
    assert '@misc = "spacy-bioclinical.EncoderFolder.v1"' in card
    assert "Not measured" in card
    assert "# Notes encoder" in card
    assert "Intended use and limits" in card
    assert told(record["data"])["sources"][1].keys() == {
        "name",
        "weight",
        "documents",
        "pieces",
        "duplicates",
    }


def test_shards_are_told_by_counts_alone():
    meta = {
        "report": {"notes": {"documents": 9, "placeholders kept: name": 3, "placeholders kept: date": 4}},
        "sources": [{"source": "notes", "name": "jane.txt", "sha256": "ab"}],
        "cleaning": {"placeholders": "keep"},
        "near_duplicates": {"mode": "drop", "threshold": 0.8},
    }
    facts = data_facts(meta, {"notes": 2})
    source = facts["sources"][0]
    assert (source["weight"], source["files"], source["documents"], source["placeholders kept"]) == (
        2.0,
        1,
        9,
        7,
    )
    assert len(source["sha256"]) == 64
    assert facts["near_duplicates"] == {"mode": "drop", "threshold": 0.8}
    assert "jane" not in json.dumps(facts)


def test_card_shows_detailed_figures_and_memorisation(record):
    mean = {"value": 2.5, "standard_error": 0.1, "low": 2.25, "high": 2.75}
    group = {"n_documents": 9, "loss": mean, "perplexity": 12.18}
    details = {"n_pieces": 1000, "whole": group, "by_source": {"notes": group, "codes": group}}
    report = {
        "verdict": "look",
        "verdicts": [{"verdict": "look", "what": "canaries x 8", "why": "exposure 5.0 of 13.3 bits"}],
        "canaries": [{"repeats": 8, "mean": 5.0, "standard_error": None}],
        "phi": None,
        "seed": 0,
    }
    card = model_card(record, CardFacts(details=details, memorisation=report), name="encoder")
    assert rows(card, "### by source") == [
        ["notes", "9", "2.5 (2.25 to 2.75)", "12.18"],
        ["codes", "9", "2.5 (2.25 to 2.75)", "12.18"],
    ]
    assert ["loss", "2.5 (2.25 to 2.75)"] in rows(card, "### whole")
    memory = card.split("## Memorisation")[1]
    assert rows(memory, "\n\n") == [["verdict", "look"], ["seed", "0"]]
    assert rows(memory, "### canaries") == [["1", "8", "5", "—"]]
    assert "exposure 5.0 of 13.3 bits" in memory


def test_what_could_be_text_stays_out():
    assert figure("a line\nand another") == "—"
    assert figure("word " * 100) == "—"
    assert figure("<b>") == "&lt;b>"
    assert sections({}) == []


def parsed(svg):
    root = ElementTree.fromstring(svg)
    lines = list(root.iter(f"{SVG}polyline"))
    return root, {line.get("class"): len(line.get("points").split()) for line in lines}


@pytest.fixture
def work(tmp_path):
    steps = CsvLog(tmp_path / "steps.csv", STEP_COLUMNS)
    for step in range(1, 101):
        values = {
            **dict.fromkeys(STEP_COLUMNS, 1),
            "step": step,
            "pieces": 1000 * step,
            "loss": 6 * math.exp(-step / 30) + 0.1 * (step % 3),
            "learning_rate": 1e-3,
            "pieces_per_second": 900 + step % 7,
        }
        steps.write(*(values[name] for name in STEP_COLUMNS))
    evaluations = CsvLog(tmp_path / "evaluations.csv", [*EVALUATION_COLUMNS, "loss:notes", "loss:codes <x>"])
    for step in (0, 50, 100):
        values = {**dict.fromkeys(EVALUATION_COLUMNS, 0.5), "step": step, "pieces": 1000 * step}
        evaluations.write(*(values[name] for name in EVALUATION_COLUMNS), 4.0, 5.0)
    steps.close()
    evaluations.close()
    return tmp_path


def test_curves_have_every_point(work):
    titles = draw_curves(work, work / "curves")
    names = ["loss.svg", "learning_rate.svg", "top_k.svg", "speed.svg", "loss_by_source.svg"]
    assert list(titles) == names == sorted((p.name for p in (work / "curves").iterdir()), key=names.index)
    pictures = {name: parsed((work / "curves" / name).read_text(encoding="utf8")) for name in names}
    assert pictures["loss.svg"][1] == {"c0 raw": 100, "c0 line": 100, "c1 line": 3}
    assert pictures["learning_rate.svg"][1] == {"c0 line": 100}
    assert pictures["top_k.svg"][1] == {f"c{number} line": 3 for number in range(4)}
    assert pictures["loss_by_source.svg"][1] == {"c0 line": 3, "c1 line": 3}
    texts = [text.text for text in pictures["loss_by_source.svg"][0].iter(f"{SVG}text")]
    assert {"notes", "codes <x>", "pieces seen", "0", "100k"} <= set(texts)
    for root, _ in pictures.values():
        width, height = (float(root.get(name)) for name in ("width", "height"))
        for line in root.iter(f"{SVG}polyline"):
            places = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
            assert all(0 <= x <= width and 0 <= y <= height for x, y in places)
            assert places == sorted(places, key=lambda place: place[0])
        assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_curves_command_draws_and_tells_what_is_wrong(work, tmp_path):
    result = CliRunner().invoke(APP, [str(work), "--output", str(work / "out")])
    assert result.exit_code == 0
    assert (work / "out" / "loss.svg").is_file()
    result = CliRunner().invoke(APP, [str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "BC774" in result.output
    (work / "steps.csv").write_text("step,loss\n1,2\n2\n3,4\n")
    with pytest.raises(ValueError, match=r"BC774.*line 3 has 1 columns"):
        read_log(work / "steps.csv")
    (work / "steps.csv").write_text("step,loss\n1,2\n2,nan\n3")  # a kill cut the last line short
    assert read_log(work / "steps.csv")["step"] == [1.0, 2.0]


def test_long_logs_are_thinned_and_short_ones_drawn():
    n = 5001
    columns = {"step": list(range(n)), "pieces": list(range(n)), "loss": [1.0] * n}
    _, points = parsed(charts(columns, {})["loss.svg"][1])
    assert points == {"c0 raw": 1001, "c0 line": 1001}
    assert charts({"step": [], "loss": []}, {}) == {}
    assert list(charts({"step": [1.0], "loss": [2.0]}, {})) == ["loss.svg"]
    assert thinned([1, 2, 3, 4, 5], [2, 4, math.nan, 8, 1], most=3) == ([1.5, 3.5, 5], [3.0, 8.0, 1.0])


def test_smoothing_keeps_constants_and_symmetry():
    assert smoothed([3.0] * 500) == pytest.approx([3.0] * 500)
    ramp = smoothed([float(i) for i in range(1001)])
    assert ramp[500] == pytest.approx(500, abs=1e-6)  # no lag in the middle
    noisy = [(-1.0) ** i for i in range(1000)]
    assert max(map(abs, smoothed(noisy)[100:900])) < 0.05
    assert all(math.isfinite(value) for value in smoothed([math.nan, 1.0, math.nan, 2.0])[1:3])


@pytest.mark.parametrize(
    "low, high", [(0, 1), (1.37, 1.42), (0, 3e-4), (0, 160_453_000_000), (-3, 5), (2, 2), (0, 0)]
)
def test_ticks_are_round_and_cover(low, high):
    found = ticks(low, high)
    assert found[0] <= low + 1e-9
    assert found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 8
    labels = [tick_label(value, found) for value in found]
    assert len(set(labels)) == len(labels)
    assert all(len(label) <= 9 for label in labels)


def test_chart_passes_over_what_is_not_finite():
    svg = line_chart("a & b", "x", "y", [Series("s", [1, 2, 3], [1.0, math.nan, 2.0])])
    assert parsed(svg)[1] == {"c0 line": 2}
