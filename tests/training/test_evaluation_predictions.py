"""`evaluate` with prediction files, the published way of counting, overflow, and `compare`, end to end."""

import json

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from typer.testing import CliRunner

from spacy_bioclinical.cli.evaluate import bioclinical, print_report
from spacy_bioclinical.training.evaluation import evaluate_pipeline, evaluate_with_records
from spacy_bioclinical.training.predictions import read_header, read_predictions
from spacy_bioclinical.training.published import leave_out_unseen
from spacy_bioclinical.training.recording import encoder_tokenizer
from spacy_bioclinical.training.significance import compare_records

SECRET = "Quillfeather"
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}


@pytest.fixture(scope="module")
def trained(make_pipeline, short_encoder_folder, tmp_path_factory):
    """A pipeline over an encoder of 64 pieces with random weights, on disk, and a corpus with long documents."""
    folder = tmp_path_factory.mktemp("predictions")
    spans = {"model": {"@architectures": "spacy-bioclinical.SpanScorer.v1", "tok2vec": LISTENER}}
    nlp = make_pipeline(
        short_encoder_folder,
        initialize=False,
        overlap=16,
        heads=[("bioclinical_ner", {}), ("bioclinical_spans", spans), ("textcat_multilabel", {})],
    )
    docs = []
    for i in range(6):
        filler = "Seen again on the ward today. " * (12 * (i % 3))
        doc = nlp.make_doc(f"Plan: {SECRET} is home. {filler}Then {SECRET} left.")
        starts = [6, len(doc.text) - 6 - len(SECRET)]
        doc.ents = [doc.char_span(start, start + len(SECRET), label="NAME") for start in starts]
        doc.spans["gold"] = [*doc.ents, *(Span(doc, ent.start, ent.end, "WHO") for ent in doc.ents)]
        doc.cats = {"A": float(i % 2), "B": float(i < 2)}
        doc.user_data["id"] = f"note-{i}"
        docs.append(doc)
    path = folder / "test.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    nlp.to_disk(folder / "model")
    return nlp, folder / "model", path


def test_command_writes_predictions_that_compare_reads(trained, tmp_path):
    _, model, path = trained
    output, predictions = tmp_path / "m" / "x.json", tmp_path / "m" / "x.predictions.jsonl.gz"
    command = [
        "evaluate",
        str(model),
        str(path),
        "--here",
        "-o",
        str(output),
        "--predictions",
        str(predictions),
    ]
    result = CliRunner().invoke(
        bioclinical, [*command, "--train", str(path), "--token-scores", "--resamples", "50"]
    )
    assert result.exit_code == 0, result.output
    report, records = json.loads(output.read_text()), read_predictions(predictions)
    assert [record.id for record in records] == [f"note-{i}" for i in range(6)]
    assert [len(record.entities.gold) for record in records] == [2] * 6
    assert [len(record.spans["gold"].gold) for record in records] == [4] * 6
    assert all(mention.seen for record in records for mention in record.entities.gold)
    assert all(record.token_scores is not None for record in records)
    assert max(record.pieces for record in records) > 64
    assert all(record.seen_pieces == record.pieces for record in records)
    header = read_header(predictions)
    assert header["signature"] == report["signature"]
    assert header["components"]["bioclinical_spans"]["gold_key"] == "gold"
    details = report["details"]
    assert details["headline"]["entities.f"]["value"] == pytest.approx(report["entities"]["exact"]["f"])
    assert report["entities"]["lenient"] == pytest.approx(report["entities"]["seqeval"])
    for average in ("weighted", "micro", "macro"):
        expected = report["classes"]["textcat_multilabel"][f"{average}_f"]
        assert details["classes"]["textcat_multilabel"][f"{average}_f"] == pytest.approx(expected)
    assert details["spans"]["gold"]["gold"] == 24
    written = output.read_text() + result.output + json.dumps([header]) + repr(records)
    assert SECRET not in written

    compared = tmp_path / "c.json"
    command = ["compare", str(predictions), str(predictions), "-o", str(compared), "--resamples", "100"]
    result = CliRunner().invoke(bioclinical, command)
    assert result.exit_code == 0, result.output
    assert "0 of " in result.output
    assert json.loads(compared.read_text())["figures"]["entities.f"]["difference"] == 0


def test_command_names_files_that_cannot_be_compared(trained, tmp_path):
    output = tmp_path / "x.jsonl"
    output.write_text("{}\n")
    result = CliRunner().invoke(bioclinical, ["compare", str(output), str(output)])
    assert result.exit_code == 1
    assert "BC412" in result.output


def test_all_mentions_count_whatever_the_context(trained):
    """Windows read all; gold beyond the encoder's context is judged, and missed if it is not found."""
    nlp, _, path = trained
    found = evaluate_with_records(nlp, path, n_resamples=0)
    late = [m for record in found.records for m in record.entities.gold if m.piece >= 62]
    assert len(late) == 4
    assert found.report["entities"]["gold"] == 12
    assert found.report["details"]["entities"]["gold"] == 12


def test_documents_beyond_the_context_are_refused_not_left_out(trained, make_pipeline, short_encoder_folder):
    _, _, path = trained
    strict = make_pipeline(short_encoder_folder, overlap=16, on_overflow="error")
    strict.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": SECRET}])
    with pytest.raises(ValueError, match="BC307"):
        evaluate_pipeline(strict, path)


def test_published_counting_leaves_out_mentions_that_begin_too_late(trained):
    nlp, _, path = trained
    whole = evaluate_with_records(nlp, path, n_resamples=0)
    found = evaluate_with_records(nlp, path, n_resamples=0, only_seen_pieces=62)
    assert found.report["signature"]["only_seen_pieces"] == 62
    assert found.report["entities"]["gold"] == found.report["details"]["entities"]["gold"] == 8
    for key in ("gold", "predicted"):
        for one, other in zip(whole.records, found.records):
            kept = [m for m in getattr(one.entities, key) if m.piece < 62]
            assert list(getattr(other.entities, key)) == kept
            spans = [m for m in getattr(one.spans["gold"], key) if m.piece < 62]
            assert list(getattr(other.spans["gold"], key)) == spans
    assert found.report["spacy"]["ents_f"] == pytest.approx(found.report["entities"]["spacy"]["f"])
    with pytest.raises(ValueError, match="BC415"):
        compare_records(whole.records, found.records)
    nothing = evaluate_with_records(nlp, path, n_resamples=0, only_seen_pieces=0)
    assert nothing.report["entities"] is None


def test_published_counting_keeps_what_is_not_annotated(trained):
    nlp = trained[0]
    doc = Doc(nlp.vocab, words=["Orme", "met", "Quill", "and", "Ada"])
    doc.set_ents([Span(doc, 0, 1, "A"), Span(doc, 4, 5, "A")], missing=[doc[2:3]], default="outside")
    (pieces,) = encoder_tokenizer(nlp).encode([doc.text])
    n_before = int((pieces.ends <= doc[4].idx).sum())
    leave_out_unseen(Example(nlp.make_doc(doc.text), doc), encoder_tokenizer(nlp), n_before)
    assert [ent.start for ent in doc.ents] == [0]
    assert [token.ent_iob_ for token in doc] == ["B", "O", "", "O", "O"]
    again = [ent.start for ent in doc.ents]
    leave_out_unseen(Example(nlp.make_doc(doc.text), doc), None, 1)
    assert [ent.start for ent in doc.ents] == again


def test_report_prints_intervals_and_parts(trained, capsys):
    nlp, _, path = trained
    report = evaluate_pipeline(nlp, path, train=path, n_resamples=30)
    print_report(report)
    printed = capsys.readouterr().out
    for expected in ("95 % interval", "entities (partial)", "spans gold (exact)", "AUROC", "by part"):
        assert expected in printed
    assert SECRET not in printed


def test_pipeline_of_spans_alone_is_scored(trained):
    nlp, _, path = trained
    with nlp.select_pipes(disable=["bioclinical_ner", "textcat_multilabel"]):
        report = evaluate_pipeline(nlp, path, n_resamples=0)
    assert (report["entities"], report["classes"]) == (None, {})
    assert "spans.gold.f" in report["details"]["headline"]
