"""ASQ-PHI's blocks of queries and values become spans: pytest tests/corpus_scripts/test_derive.py."""

import json

import pytest
from typer.testing import CliRunner

from corpus_scripts.derive import make_asq_phi
from corpus_scripts.fetch import app
from corpus_scripts.formats.jsonl import read_jsonl
from tests.corpus_scripts.file_server import FileServer


def block(text, *values):
    tags = "".join(json.dumps({"identifier_type": label, "value": value}) + "\n" for label, value in values)
    return f"===QUERY===\n{text}\n===PHI_TAGS===\n{tags}\n"


QUERIES = (
    block(
        "Options for Orla, seen by Dr. Orla Quist on 1/2?",
        ("NAME", "Orla"),
        ("NAME", "Orla Quist"),
        ("DATE", "1/2"),
    )
    + block("No names here?")
    + block("Is Finn\nor Finn ok?", ("NAME", "Finn"), ("NAME", "Finn"), ("NAME", "Finn"))
)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_derive_asq_phi_values_at_their_first_free_place(tmp_path, line_end):
    source = tmp_path / "q.txt"
    source.write_bytes(QUERIES.replace("\n", line_end).encode())
    assert make_asq_phi(source, tmp_path / "spans.jsonl") == 1
    records = list(read_jsonl(tmp_path / "spans.jsonl"))
    found = [(r.id, [(s.label, r.text[s.start : s.end]) for s in r.spans]) for r in records]
    assert found == [
        ("asq0000", [("NAME", "Orla"), ("NAME", "Orla Quist"), ("DATE", "1/2")]),
        ("asq0001", []),
        ("asq0002", [("NAME", "Finn"), ("NAME", "Finn")]),
    ]
    assert records[2].text == "Is Finn\nor Finn ok?"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("Quist\n" + QUERIES, "before the first"),
        (QUERIES + "===QUERY===\nQuist\n", "query at line 20"),
        (block("Quist", ("NAME", "")), "line 4 is"),
        (block("Quist").rstrip("\n") + "\n{Quist\n", "line 4 is"),
        (block("Quist").rstrip("\n") + "\n[1]\n", "line 4 is"),
    ],
)
def test_derive_asq_phi_other_files_are_refused(tmp_path, content, where):
    (tmp_path / "q.txt").write_text(content)
    with pytest.raises(ValueError, match=rf"BC654.*{where}") as caught:
        make_asq_phi(tmp_path / "q.txt", tmp_path / "spans.jsonl")
    assert "Quist" not in str(caught.value)
    assert not (tmp_path / "spans.jsonl").exists()


def test_fetch_makes_what_the_converter_reads(tmp_path):
    with FileServer({"/q.txt": QUERIES.encode()}) as server:
        (tmp_path / "project.yml").write_text(
            "assets:\n"
            f"  - {{dest: assets/asq_phi/synthetic_clinical_queries.txt, url: '{server.url}/q.txt', description: x}}\n"
            "  - {dest: assets/asq_phi/asq_phi_spans.jsonl, description: y}\n"
        )
        options = ["--project", str(tmp_path / "project.yml"), "--output", str(tmp_path)]
        done = CliRunner().invoke(app, ["asq_phi", *options])
    assert done.exit_code == 0
    assert (
        "asq_phi_spans.jsonl made of synthetic_clinical_queries.txt, 1 value(s) not found in it"
        in done.output
    )
    assert len(list(read_jsonl(tmp_path / "asq_phi" / "asq_phi_spans.jsonl"))) == 3
