"""From the command line to a run: sources with weights, cleaning, the card; recipes that are refused."""

import json

import typer
from typer.testing import CliRunner

from pretrain.train import main


def test_command_line_reaches_sources_cleaning_and_card(notes_folder, tokenizer_folder, tmp_path):
    line = [
        "--recipe",
        "tiny",
        "--encoder",
        str(tokenizer_folder),
        "--from-scratch",
        "--output",
        str(tmp_path / "e"),
    ]
    options = [
        "--max-steps",
        "2",
        "--quiet",
        "--placeholders",
        "surrogate",
        "--license",
        "other",
        "--workers",
        "2",
    ]
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, [*line, "--text", f"ward={notes_folder}:2", *options])
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "e" / "pretraining.json").read_text(encoding="utf8"))
    [source] = record["data"]["sources"]
    assert (source["name"], source["weight"]) == ("ward", 2.0)
    card = (tmp_path / "e" / "README.md").read_text(encoding="utf8")
    assert "license: other" in card.replace('"', "")
    assert str(notes_folder) not in card
