"""The smaller commands: light to import, told about the device, exact in what they cut, read and report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import typer
from spacy.tokens import DocBin, Span, SpanGroup
from typer.testing import CliRunner

from spacy_bioclinical.cli import bioclinical
from spacy_bioclinical.cli.cut import cut_file
from spacy_bioclinical.cli.info import describe_environment, describe_folder
from spacy_bioclinical.cli.processes import device_environment, run_python, spacy_gpu_id
from spacy_bioclinical.cli.speed import parse_mean
from spacy_bioclinical.cli.summary import closing_lines, collect, markdown, show
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

COMMANDS = typer.main.get_command(bioclinical).commands


def test_commands_are_there_and_explain_themselves():
    wanted = {
        "compose",
        "train",
        "evaluate",
        "package",
        "wheel",
        "install-check",
        "speed",
        "benchmark",
        "cut",
        "debug-corpus",
        "info",
        "summary",
    }
    assert wanted <= set(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.help, name
        for parameter in command.params:
            if parameter.name != "ctx" and "--help" not in parameter.opts:
                assert parameter.help, f"{name} {parameter.name}"


def test_import_is_light():
    """spaCy imports this on each of its commands; whoever lists a project must not wait for transformers."""
    code = "import sys, spacy_bioclinical.cli as cli; print(*(m for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "spacy_bioclinical.cli.compose" in loaded
    heavy = {"transformers", "spacy_transformers", "tokenizers", "datasets", "seqeval", "sklearn", "pandas"}
    assert not heavy & loaded
    assert not {m for m in loaded if m.startswith(("spacy_bioclinical.models", "spacy_bioclinical.encoder"))}


def test_cpu_hides_every_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert device_environment(-1)["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert spacy_gpu_id(-1) == -1


@pytest.mark.parametrize(("visible", "gpu_id", "expected"), [("", 1, "1"), ("4,7", 1, "7"), (None, 0, "0")])
def test_gpu_is_counted_among_the_visible_ones(visible, gpu_id, expected, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert device_environment(gpu_id)["CUDA_VISIBLE_DEVICES"] == expected
    with pytest.raises(ValueError, match=r"BC511.*GPU 2.*sees 2 CUDA"):
        device_environment(2)


def test_failing_child_is_an_error_with_its_command(capfd):
    assert run_python(["-c", "print('one'); print('two')"]) == ["one", "two"]
    with pytest.raises(ValueError, match=r"BC512.*raise SystemExit.*exit code 3"):
        run_python(["-c", "print('told'); raise SystemExit(3)"], quiet=True)
    assert "told" in capfd.readouterr().out, "what a quiet child said is shown when it fails"


def test_speed_is_read_from_what_spacy_prints():
    """The format belongs to spaCy; its own printing function is asked."""
    import contextlib
    import io

    import numpy
    from spacy.cli.benchmark_speed import print_mean_with_ci

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        print_mean_with_ci(numpy.array([100.0, 110.0, 90.0, 100.0]))
    mean, low, high = parse_mean(
        ["Benchmarking 30 batches...", *shown.getvalue().splitlines()], Path("m"), Path("c")
    )
    assert mean == 100.0
    assert low <= 0 <= high
    with pytest.raises(ValueError, match="BC515"):
        parse_mean(["nothing"], Path("m"), Path("c"))


def test_cut_keeps_the_longest_beginning_that_fits(tmp_path, encoder_folder):
    nlp = spacy.blank("en")
    words = " ".join(f"word{number}" for number in range(60))
    docs = [nlp(f"Short   note.\n\n{words[:40]}"), nlp(f"Fever.  {words}\n\nEND"), nlp("")]
    for doc in docs:
        doc.cats = {"FEVER": 1.0, "PAIN": 0.0}
    docs[1].ents = [Span(docs[1], 0, 1, "SIGN"), Span(docs[1], len(docs[1]) - 1, len(docs[1]), "END")]
    spans = [
        Span(docs[1], 0, 2, "WHOLE"),
        Span(docs[1], 1, len(docs[1]), "LOST"),
        Span(docs[1], 1, 2, "PART"),
    ]
    docs[1].spans["gold"] = SpanGroup(docs[1], spans=spans, attrs={"scores": [0.1, 0.2, 0.3], "of": "x"})
    docs[1].user_data["meta"] = {"id": "note-1"}
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "a.spacy")
    assert cut_file(tmp_path / "a.spacy", tmp_path / "b.spacy", 64, encoder_folder) == (1, 3)
    cut = list(DocBin().from_disk(tmp_path / "b.spacy").get_docs(nlp.vocab))
    assert [doc.text for doc in cut][0::2] == [docs[0].text, ""]
    assert docs[1].text.startswith(cut[1].text)
    assert [(ent.text, ent.label_) for ent in cut[1].ents] == [("Fever", "SIGN")]
    assert all(doc.cats == {"FEVER": 1.0, "PAIN": 0.0} for doc in cut)
    assert cut[1].user_data["meta"] == {"id": "note-1"}
    group = cut[1].spans["gold"]
    assert [(span.start, span.end, span.label_) for span in group] == [(0, 2, "WHOLE"), (1, 2, "PART")]
    assert group.attrs == {"scores": [0.1, 0.3], "of": "x"}
    tokenizer = PieceTokenizer.from_folder(encoder_folder)
    room = 64 - len(tokenizer.prefix_ids) - len(tokenizer.suffix_ids)
    kept, with_next = cut[1].text, docs[1][: len(cut[1]) + 1].text
    (pieces, more) = tokenizer.encode([kept.rstrip(), with_next])
    assert len(pieces.ids) <= room < len(more.ids)


def test_info_tells_versions_encoders_and_pipelines(tmp_path, encoder_folder, make_pipeline):
    assert describe_environment()["spacy"] == spacy.__version__
    assert describe_folder(encoder_folder)["max_position_embeddings"] == 8192
    make_pipeline(encoder_folder).to_disk(tmp_path / "model")
    assert describe_folder(tmp_path / "model")["pipeline"] == ["transformer"]
    with pytest.raises(ValueError, match="BC513"):
        describe_folder(tmp_path)


def write_report(folder, task, **scores):
    report = {"documents": 5, "entities": None, "classes": {}, "signature": {"data": {"file": "test.spacy"}}}
    (folder / f"{task}.json").write_text(json.dumps(report | scores))


def test_summary_shows_scores_gain_and_wheels(tmp_path):
    metrics, packages, plugin = (tmp_path / name for name in ("metrics", "packages", "dist"))
    for folder in (metrics, packages, plugin):
        folder.mkdir()
    with pytest.raises(ValueError, match="BC513"):
        collect(metrics, packages)
    write_report(metrics, "deid", entities={"spacy": {"f": 0.97123}})
    write_report(metrics, "phenotype", classes={"textcat": {"weighted_f": 0.9}})
    write_report(metrics, "phenotype_512", classes={"textcat": {"weighted_f": 0.6}})
    (metrics / "deid.speed.json").write_text('{"words_per_second": 12345.6}')
    (metrics / "deid.train.json").write_text('{"minutes": 1.25}')
    (packages / "en_bioclinical_deid-0.1.0-py3-none-any.whl").write_bytes(b"")
    (plugin / "spacy_bioclinical-0.1.0-py3-none-any.whl").write_bytes(b"")
    rows = collect(metrics, packages)
    assert [(row["task"], row["value"]) for row in rows] == [
        ("deid", 0.9712),
        ("phenotype", 0.9),
        ("phenotype_512", 0.6),
    ]
    assert rows[0]["words/s"] == 12345.6
    assert rows[0]["wheel"].endswith("en_bioclinical_deid-0.1.0-py3-none-any.whl")
    lines = closing_lines(rows, metrics, plugin)
    assert "phenotype: +0.3000" in lines[0]
    assert "spacy_bioclinical-0.1.0" in lines[1]
    text = markdown([tuple(show(value) for value in row.values()) for row in rows], lines)
    assert "| deid | entity F1 | 0.9712 | test.spacy, 5 documents | 12,346 | 1.25 |" in text


def test_summary_has_a_row_for_pipelines_of_spans_alone(tmp_path):
    """As `evaluate` writes them: no entities, no classes, scores of each group among the details."""
    write_report(tmp_path, "history", details={"spans": {"gold": {"f": 0.61237}}})
    write_report(
        tmp_path,
        "several",
        entities={"spacy": {"f": 0.5}},
        details={"spans": {"a": {"f": 0.7}, "b": {"f": 0.8}}},
    )
    write_report(tmp_path, "tags", entities={"spacy": {"f": 0.25}}, details={"spans": {}})
    rows = collect(tmp_path, tmp_path)
    assert [(row["task"], row["score"], row["value"]) for row in rows] == [
        ("history", "span F1", 0.6124),
        ("several", "entity F1", 0.5),
        ("several", "span F1 of a", 0.7),
        ("several", "span F1 of b", 0.8),
        ("tags", "entity F1", 0.25),
    ]


def test_faulty_compose_ends_with_one_message_and_code_1(tmp_path):
    faulty = tmp_path / "faulty.cfg"
    faulty.write_text("[trainning]\nx = 1\n")
    done = CliRunner().invoke(bioclinical, ["compose", str(faulty), "--output", str(tmp_path / "out.cfg")])
    assert done.exit_code == 1
    assert "BC503" in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == [faulty], "nothing is written"
