"""Figures computed from invented timings: kTok/s of real pieces, ratios by precision, shares of ceilings."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from spacy_bioclinical.cli.benchmark.contestants import Choice, attentions, check, make_contestants
from spacy_bioclinical.cli.benchmark.flops import attention_flops, linear_flops
from spacy_bioclinical.cli.benchmark.folders import EncoderFolder
from spacy_bioclinical.cli.benchmark.length import build_field, length_rows, make_pairs
from spacy_bioclinical.cli.benchmark.pipeline import NOTES, make_pipelines
from spacy_bioclinical.cli.benchmark.pipeline_results import draw_chart as draw_pipelines
from spacy_bioclinical.cli.benchmark.pipeline_results import pipeline_rows
from spacy_bioclinical.cli.benchmark.pipeline_results import tables as pipeline_tables
from spacy_bioclinical.cli.benchmark.record import Record
from spacy_bioclinical.cli.benchmark.results import ceilings, equal_mean, speed_rows, tables
from spacy_bioclinical.cli.benchmark.sets import draw_sets
from spacy_bioclinical.cli.benchmark.shapes import SHAPES
from spacy_bioclinical.cli.benchmark.speed_chart import draw_chart

CONFIG = {"max_position_embeddings": 8192, "global_attn_every_n_layers": 3, **SHAPES["tiny"]}
TINY = EncoderFolder("tiny", Path("somewhere"), CONFIG, True)
SHORT_CONFIG = {"max_position_embeddings": 512, "pad_token_id": 0, **SHAPES["tiny-bert"]}
SHORT = EncoderFolder("tiny-bert", Path("elsewhere"), SHORT_CONFIG, True)
SIGNATURE = {
    "machine": {"processor": "a processor", "threads": 2, "features": []},
    "versions": {"torch": "2", "transformers": "4"},
}
SETS = draw_sets([64], [4])
SECONDS = {
    "packed auto fp32": 1.0,
    "packed auto bf16": 0.25,
    "transformers sdpa fp32": 1.5,
    "transformers sdpa bf16": 0.5,
    "component fp32": 2.0,
    "component bf16": 1.0,
    "spacy-transformers 128/96 fp32": 5.0,
    "edsnlp 128/96 bf16": 4.0,
    "edsnlp whole bf16": 3.0,
}


@pytest.fixture
def measured():
    """A record as a run of three rounds would leave it, the last one slower for everyone."""
    choice = Choice(edsnlp=Path("python"))
    contestants = make_contestants(TINY, Path("data"), choice, SETS)
    record = Record(None, SIGNATURE, {documents.name: documents.facts(8) for documents in SETS})
    for one in contestants:
        for name in one.sets:
            for slower in (1.0, 1.0, 2.0):
                if one.level == "ceiling":
                    rates = {"linear_rate": 4e9 / slower, "attention_rate": 1e9 / slower}
                    record.add_run(one.key, name, {"seconds": 0.2, **rates})
                else:
                    factor = 0.5 if name.startswith("variable") else 0.4 if name.startswith("even") else 1.0
                    record.add_run(one.key, name, {"seconds": SECONDS[one.label] * factor * slower})
            record.add_peak(one.key, name, "document", 3 * 2**20)
    windows = {("tiny", documents.name): list(documents.lengths) for documents in SETS}
    return record, contestants, windows


def row_of(rows, label, name):
    return next(row for row in rows if row["label"] == label and row["set"] == name)


def test_speed_counts_real_pieces(measured):
    rows = speed_rows(*measured)
    fixed, variable = (row_of(rows, "packed auto fp32", f"{kind}-64") for kind in ("fixed", "variable"))
    assert fixed["ktok_per_second"] == {"median": 0.256, "low": 0.128, "high": 0.256}
    pieces = next(documents.pieces for documents in SETS if documents.name == "variable-64")
    assert pieces < 4 * 64
    assert variable["ktok_per_second"]["median"] == pytest.approx(pieces / 1000 / 0.5, rel=1e-3)
    assert fixed["peak_mb_of_one_document"] == 3
    assert fixed["peak_mb_of_the_set"] is None


def test_ratios_name_the_peer_and_say_whether_precisions_are_equal(measured):
    rows = speed_rows(*measured)

    def ratios(label):
        return {
            found["peer"]: (found["equal_precision"], found["median"])
            for found in row_of(rows, label, "fixed-64")["ratios"]
        }

    assert ratios("packed auto fp32") == {"transformers sdpa fp32": (True, 1.5)}
    assert ratios("packed auto bf16") == {
        "transformers sdpa fp32": (False, 6.0),
        "transformers sdpa bf16": (True, 2.0),
    }
    assert ratios("component fp32") == {"spacy-transformers 128/96 fp32": (True, 2.5)}
    assert ratios("component bf16") == {
        "spacy-transformers 128/96 fp32": (False, 5.0),
        "edsnlp 128/96 bf16": (True, 4.0),
        "edsnlp whole bf16": (True, 3.0),
    }
    assert ratios("transformers sdpa bf16") == {}
    # all slow down together: the ratio does not
    assert row_of(rows, "packed auto bf16", "fixed-64")["ratios"][0]["high"] == 6.0


def test_shares_follow_from_the_measured_rates(measured):
    rows = speed_rows(*measured)
    linear, attention = 256 * linear_flops(CONFIG), attention_flops(CONFIG, [64] * 4)
    row = row_of(rows, "packed auto fp32", "fixed-64")
    assert row["share_of_ceiling"]["median"] == pytest.approx((linear + attention) / 4e9, rel=1e-3)
    assert row["share_of_bound"]["median"] == pytest.approx(linear / 4e9 + attention / 1e9, rel=1e-3)
    bound = 0.256 / (linear / 4e9 + attention / 1e9)
    assert row["bound_ktok_per_second"]["median"] == pytest.approx(bound, rel=1e-3)
    assert row["share_of_ceiling"]["low"] == row["share_of_ceiling"]["high"], "slow rounds have low ceilings"
    assert row_of(rows, "component fp32", "fixed-64")["share_of_ceiling"] is None
    rates = ceilings(*measured)
    assert rates[0]["work"]["total"] == linear + attention
    assert len(rates) == 2 * len(SETS)
    assert rates[0]["linear_tflops"]["median"] == 0.004


def test_variable_documents_are_compared_with_equal_ones_of_their_mean(measured):
    shares = equal_mean(*measured[:2])
    assert [(row["key"], row["share"]["median"]) for row in shares] == [
        ("tiny packed auto fp32", 0.8),
        ("tiny packed auto bf16", 0.8),
    ]


def test_tables_and_chart_show_everyone(measured):
    rows = speed_rows(*measured)
    (header, lines), (versus, ratios) = tables(rows)
    assert len(lines) == len(rows) == 2 * len(SECONDS) + 2
    assert {len(header)} == {len(line) for line in lines}
    assert {len(versus)} == {len(line) for line in ratios}
    across = next(line for line in ratios if line[1:3] == ("tiny packed auto bf16", "transformers sdpa fp32"))
    assert across[3:] == ("–", "6.00")
    chart = draw_chart(rows, measured[0])
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(chart).iter()]
    for label in SECONDS:
        assert texts.count(label) == 2, "in the panels of fixed and variable documents"
    assert sum("2.00× transformers" in text for text in texts) >= 2
    assert not any("even" in text for text in texts)


def test_field_has_every_kernel_and_precision_and_leaves_out_what_cannot_be():
    choice = Choice(("auto", "banded"), ("bf16",), ("transformers",))
    labels = [one.label for one in make_contestants(TINY, Path("data"), choice, SETS)]
    assert labels == ["ceiling bf16", "packed auto bf16", "packed banded bf16", "transformers sdpa bf16"]
    unknown = EncoderFolder("x", Path("x"), {**SHORT.config, "model_type": "electra"}, False)
    assert "ceiling bf16" not in [one.label for one in make_contestants(unknown, Path("data"), choice, SETS)]
    long = draw_sets([1024], [2])
    choice = Choice(precisions=("fp32",), peers=(), edsnlp=Path("python"))
    labels = [one.label for one in make_contestants(SHORT, Path("data"), choice, long)]
    assert "edsnlp 128/96 fp32" in labels
    assert "edsnlp whole fp32" not in labels
    for one in make_contestants(TINY, Path("data"), Choice(), SETS):
        assert any(name.startswith("even") for name in one.sets) == (one.kind in ("packed", "products"))


def test_attention_of_transformers_is_its_best(monkeypatch):
    assert attentions(CONFIG, "bf16", "cpu") == ["sdpa"]
    assert attentions({"model_type": "longformer"}, "bf16", "cuda") == ["auto"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "flash_attn")
    assert attentions(CONFIG, "bf16", "cuda") == ["sdpa", "flash_attention_2"]
    assert attentions(CONFIG, "fp32", "cuda") == ["sdpa"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(kernels=("warp",)), "BC102.*warp"),
        (Choice(precisions=("int4",)), "BC102.*int4"),
        (Choice(peers=("flair",)), "BC530.*flair"),
        (Choice(edsnlp=Path("no/such/python")), r"BC532.*edsnlp\[ml\]"),
    ],
)
def test_what_does_not_exist_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        check(choice)
    check(Choice())


def test_pipelines_are_compared_with_each_peer():
    folders = {"tiny": TINY, "tiny-bert": SHORT}
    longest = dict.fromkeys(folders, 3900)
    choice = Choice(edsnlp=Path("python"))
    contestants = make_pipelines(folders, Path("data"), choice, ["tiny"], "tiny-bert", longest)
    seconds = {
        "ours tiny whole fp32": 3.0,
        "ours tiny whole bf16": 1.0,
        "spacy-transformers tiny whole fp32": 6.0,
        "edsnlp tiny whole bf16": 2.0,
        "spacy-transformers tiny-bert 128/96 fp32": 3.0,
        "edsnlp tiny-bert 128/96 bf16": 0.8,
    }
    assert {one.key for one in contestants} == set(seconds)
    assert [one.key for one in contestants if one.python] == [
        "edsnlp tiny whole bf16",
        "edsnlp tiny-bert 128/96 bf16",
    ]
    record = Record(
        None, SIGNATURE, {NOTES: {"documents": 2, "words": 6000, "pieces_per_word": {"tiny": 1.3}}}
    )
    for one in contestants:
        more = {"encoder_seconds": 0.9 * seconds[one.key]} if one.kind == "pipeline" else {}
        record.add_run(one.key, NOTES, {"seconds": seconds[one.key], "entities": 300, **more})
    rows = pipeline_rows(record, contestants, NOTES)
    by_key = {row["key"]: row for row in rows}
    ours = by_key["ours tiny whole bf16"]
    assert ours["words_per_second"]["median"] == 6000
    assert ours["outside_the_encoder"]["median"] == pytest.approx(0.1)
    assert ours["entities_per_100_words"] == 5.0
    ratios = {found["peer"]: (found["equal_precision"], found["median"]) for found in ours["ratios"]}
    assert ratios == {
        "spacy-transformers tiny whole fp32": (False, 6.0),
        "edsnlp tiny whole bf16": (True, 2.0),
        "spacy-transformers tiny-bert 128/96 fp32": (False, 3.0),
        "edsnlp tiny-bert 128/96 bf16": (True, 0.8),
    }
    (_, lines), (_, versus) = pipeline_tables(rows)
    assert len(lines) == 6
    assert len(versus) == 8
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(draw_pipelines(rows, record)).iter()]
    assert set(seconds) <= set(texts)
    assert any("ours 2.00×" in text for text in texts)


def test_pipelines_read_in_windows_what_does_not_fit():
    folders = {"tiny-bert": SHORT}
    choice = Choice(precisions=("fp32",), peers=("spacy-transformers",))
    keys = [
        one.key
        for one in make_pipelines(folders, Path("data"), choice, ["tiny-bert"], None, {"tiny-bert": 600})
    ]
    assert keys == ["ours tiny-bert windows fp32"]
    keys = [
        one.key
        for one in make_pipelines(folders, Path("data"), choice, ["tiny-bert"], None, {"tiny-bert": 510})
    ]
    assert keys == ["ours tiny-bert whole fp32", "spacy-transformers tiny-bert whole fp32"]


def test_cost_of_length_is_longer_by_shorter(tmp_path):
    pairs = make_pairs(32, 20000, 8192)
    assert [documents.lengths for pair in pairs.values() for documents in pair] == [
        (32, 32),
        (64,),
        (8192,),
        (20000,),
    ]
    folder = EncoderFolder("tiny", tmp_path, CONFIG, True)
    contestants = build_field(folder, tmp_path / "data", pairs, Choice(precisions=("fp32",)), 0)
    assert [one.kind for one in contestants] == ["packed", "transformers", "component"]
    record = Record(None, SIGNATURE, {})
    for one in contestants:
        for number, name in enumerate(one.sets):
            record.add_run(one.key, name, {"seconds": 2.0 + number})
    rows = length_rows(record, contestants, pairs)
    assert [(row["shorter"], row["longer"], row["ratio"]["median"]) for row in rows] == [
        ("two-32", "one-64", 1.5),
        ("two-32", "one-64", 1.5),
        ("full-8192", "windows-20000", 1.5),
    ]
    assert "component" not in make_pairs(32, 0, 64)
    for wrong in ((33, 0, 64), (32, 64, 64)):
        with pytest.raises(ValueError, match="BC530"):
            make_pairs(*wrong)
