"""Parquet and data sets on the disk become records, offline: pytest tests/corpus_scripts/test_datasets.py."""

import builtins
import datetime
import logging
import socket

import pytest

from corpus_scripts.formats.datasets_hub import dataset_labels, read_dataset
from corpus_scripts.formats.rows import RowOptions
from corpus_scripts.reading import ReadOptions, guess_format, read_paths, with_inventory
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.tally import Tally

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """What lies on the disk is read without asking anyone."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    datasets.disable_progress_bars()
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def text():
    return datasets.Value("string")


def classes(*names):
    return datasets.ClassLabel(names=list(names))


def listed(feature):
    return datasets.Sequence(feature)


def made(rows, **columns):
    return datasets.Dataset.from_list(rows, features=datasets.Features(columns) if columns else None)


TAGGED = {"id": text(), "tokens": listed(text()), "ner_tags": listed(classes("O", "B-Drug", "I-Drug"))}


def test_datasets_tagged_tokens_in_parquet(tmp_path):
    rows = [
        {"id": "0", "tokens": ["Veltrin", "acid", "helps", "Omdal"], "ner_tags": [1, 2, 0, 1]},
        {"id": "1", "tokens": ["Nothing", "here"], "ner_tags": [0, 0]},
        {"id": "2", "tokens": ["Not", "tagged"], "ner_tags": [-1, -1]},
    ]
    made(rows, **TAGGED).to_parquet(tmp_path / "x [1].parquet")
    found = list(read_dataset(tmp_path / "x [1].parquet"))
    assert found == [
        Record("0", "Veltrin acid helps Omdal", (TextSpan(0, 12, "Drug"), TextSpan(19, 24, "Drug"))),
        Record("1", "Nothing here", ()),
        Record("2", "Not tagged", None),
    ]
    assert list(read_paths([tmp_path / "x [1].parquet"], "parquet", ReadOptions(), Tally())) == found


@pytest.mark.parametrize("names, kept", [(("O", "B-X", "I-X", "L-X", "U-X"), [(0, 3), (4, 5)]),
                                         (("O", "B-X", "I-X", "E-X", "S-X"), [(0, 3), (4, 5)])])  # fmt: skip
def test_datasets_schemes_with_ends_and_singles(tmp_path, names, kept):
    rows = [{"words": ["a", "b", "c"], "tags": [1, 3, 4]}]
    made(rows, words=listed(text()), tags=listed(classes(*names))).to_parquet(tmp_path / "x.parquet")
    [record] = read_dataset(tmp_path / "x.parquet", options=RowOptions(words="words", tags="tags"))
    assert record.id == "x-train-00001"
    assert [(span.start, span.end) for span in record.spans or ()] == kept


def test_datasets_class_labels_name_the_categories_and_all_of_them(tmp_path):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": -1}]
    made(rows, text=text(), label=classes("X", "Y", "Z")).to_parquet(tmp_path / "one.parquet")
    assert [record.labels for record in read_dataset(tmp_path / "one.parquet")] == [
        {"X": 0.0, "Y": 1.0, "Z": 0.0}, None,
    ]  # fmt: skip
    assert dataset_labels(tmp_path / "one.parquet", "", RowOptions()) == {"X", "Y", "Z"}
    rows = [{"text": "a", "labels": [0, 2]}, {"text": "b", "labels": []}, {"text": "c", "labels": None}]
    made(rows, text=text(), labels=listed(classes("X", "Y", "Z"))).to_parquet(tmp_path / "many.parquet")
    assert [record.labels for record in read_dataset(tmp_path / "many.parquet")] == [
        {"X": 1.0, "Y": 0.0, "Z": 1.0}, {"X": 0.0, "Y": 0.0, "Z": 0.0}, None,
    ]  # fmt: skip


def test_datasets_labels_without_names(tmp_path):
    for name, value in (("s", ["X"]), ("i", 3), ("l", [3, 4])):
        rows = [{"text": "a", "label": value}, {"text": "b", "label": ["Y"] if name == "s" else value}]
        made(rows).to_parquet(tmp_path / f"{name}.parquet")
    found = {name: [record.labels for record in read_dataset(tmp_path / f"{name}.parquet")] for name in "sil"}
    assert found == {
        "s": [{"X": 1.0, "Y": 0.0}, {"X": 0.0, "Y": 1.0}], "i": [{"3": 1.0}] * 2,
        "l": [{"3": 1.0, "4": 1.0}] * 2,
    }  # fmt: skip


def test_datasets_spans_ids_meta_and_nulls(tmp_path):
    rows = [
        {"id": 5, "text": "Orrin", "spans": [{"start": 0, "end": 5, "label": "P"}], "ward": None,
         "seen": datetime.datetime(2031, 4, 1), "more": {"k": [1]}},
        {"id": 6, "text": "b", "spans": [], "ward": "w", "seen": None, "more": None},
        {"id": 7, "text": "c", "spans": None, "ward": "w", "seen": None, "more": None},
    ]  # fmt: skip
    made(rows).to_parquet(tmp_path / "x.parquet")
    assert list(read_dataset(tmp_path / "x.parquet")) == [
        Record(
            "5", "Orrin", (TextSpan(0, 5, "P"),), None, {"seen": "2031-04-01T00:00:00", "more": {"k": [1]}}
        ),
        Record("6", "b", (), None, {"ward": "w"}),
        Record("7", "c", None, None, {"ward": "w"}),
    ]
    spans = listed({"start": datasets.Value("int32"), "end": datasets.Value("int32"), "label": text()})
    rows = [{"text": "Orrin", "spans": {"start": [0], "end": [5], "label": ["P"]}}]
    made(rows, text=text(), spans=spans).to_parquet(tmp_path / "y.parquet")
    assert [record.spans for record in read_dataset(tmp_path / "y.parquet")] == [(TextSpan(0, 5, "P"),)]


def test_datasets_folders_and_their_splits(tmp_path):
    one, two = made([{"text": "a"}]), made([{"text": "b"}, {"text": "c"}])
    one.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict(train=one, test=two).save_to_disk(tmp_path / "splits")
    (tmp_path / "parquet").mkdir()
    one.to_parquet(tmp_path / "parquet" / "train.parquet")
    two.to_parquet(tmp_path / "parquet" / "test.parquet")
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "train.csv").write_text('text,label\n"a, b",X\nc,Y\n')
    assert [record.text for record in read_dataset(tmp_path / "saved")] == ["a"]
    for name in ("splits", "parquet"):
        assert [record.id for record in read_dataset(tmp_path / name, "test")] == [
            f"{name}-test-00001", f"{name}-test-00002",
        ]  # fmt: skip
        for split in ("", "dev"):
            with pytest.raises(ValueError, match=r"BC634.*the splits train, test"):
                list(read_dataset(tmp_path / name, split))
        assert guess_format(tmp_path / name) == "dataset"
    assert guess_format(tmp_path / "csv") == "brat"
    assert guess_format(tmp_path / "parquet" / "test.parquet") == "parquet"
    found = list(read_dataset(tmp_path / "csv"))
    assert [(record.text, record.labels) for record in found] == [
        ("a, b", {"X": 1.0, "Y": 0.0}), ("c", {"X": 0.0, "Y": 1.0}),
    ]  # fmt: skip
    options = ReadOptions(split="test")
    assert with_inventory([tmp_path / "splits"], "dataset", options).inventory == ()
    assert [record.text for record in read_paths([tmp_path / "splits"], "dataset", options, Tally())] == [
        "b", "c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "rows, code",
    [
        ([{"note": "Orrin"}], "BC633.*row 1"),
        ([{"text": "Orrin", "spans": [{"start": 0, "end": 9, "label": "P"}]}], "BC601"),
        ([{"text": "Orrin", "label": 1.5}], "BC633.*row 1"),
        ([{"text": "Orrin", "scan": b"\x00"}], "BC617"),
        ([{"tokens": ["Orrin"], "ner_tags": ["Orrin"]}], "BC605"),
        ([{"tokens": ["Orrin"], "ner_tags": [1]}], "BC633.*row 1"),
    ],
)
def test_datasets_malformed_rows_are_named_not_quoted(tmp_path, rows, code):
    made(rows).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=code) as caught:
        list(read_dataset(tmp_path / "x.parquet"))
    assert "Orrin" not in str(caught.value)


def test_datasets_class_beyond_the_names_is_refused(tmp_path):
    rows = [{"text": "Orrin", "label": 0}]
    saved = made(rows, text=text(), label=classes("X")).with_format("arrow")
    table = saved.data.table.set_column(1, "label", [[7]])
    datasets.Dataset(datasets.table.InMemoryTable(table), info=saved.info).save_to_disk(tmp_path / "x")
    with pytest.raises(ValueError, match=r"BC633.*row 1.*no name"):
        list(read_dataset(tmp_path / "x"))


def test_datasets_missing_damaged_and_foreign_files(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 Orrin PAR1")
    (tmp_path / "empty").mkdir()
    for name in (
        tmp_path / "none.parquet",
        tmp_path / "none",
        "a b c",
        tmp_path / "x.parquet",
        tmp_path / "empty",
    ):
        with pytest.raises(ValueError, match="BC634") as caught:
            list(read_dataset(name))
        assert "Orrin" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_datasets_hub_out_of_reach_is_told_in_one_message(monkeypatch):
    asked = {}

    def unreachable(name, config=None, **facts):
        asked.update(facts, name=name, config=config)
        logging.getLogger("huggingface_hub.retry").warning("again")
        raise ConnectionError("host, port, stack")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(ValueError, match=r"BC634.*nobody/notes.*out of reach") as caught:
        list(read_dataset("nobody/notes", "train", config="all"))
    assert asked == {"name": "nobody/notes", "config": "all", "streaming": True}
    assert "host" not in str(caught.value)


def test_datasets_from_the_hub_are_streamed_and_run_no_code(monkeypatch):
    def old(name, config=None, *, streaming, trust_remote_code=None):
        assert trust_remote_code is False
        return {"train": made([{"text": "a"}])}

    monkeypatch.setattr(datasets, "load_dataset", old)
    assert [record.id for record in read_dataset("nobody/notes")] == ["notes-train-00001"]


def test_datasets_package_missing_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"BC632.*pip install datasets"):
        list(read_dataset(tmp_path / "x.parquet"))
