"""Sharded conversion: the same bytes however many processes, flat in memory, resumed after any interruption."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.vocab import Vocab

from corpus_scripts.formats.jsonl import read_jsonl, write_jsonl
from corpus_scripts.record import Record, TextSpan
from corpus_scripts.sharding import ShardOptions, convert_to
from corpus_scripts.sharding import convert as convert_module
from corpus_scripts.sharding import progress as progress_module
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import convert_records

SMALL = ShardOptions(characters=300)


def records(count=20):
    for number in range(count):
        text = f"Ada Quill, bed {number}, has chest-pain since {number} days. " * 3
        yield Record(
            f"n{number}",
            text,
            (TextSpan(0, 3, "name", f"T{number}"), TextSpan(20, 25, "sign")),
            meta={"n": number},
        )


def tree(path):
    """Every file below a folder, or the one file, with its bytes."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def facts(docs):
    return [
        (doc.text, [t.text for t in doc], [(e.start, e.end, e.label_) for e in doc.ents],
         [(s.start, s.end, s.label_, s.id_) for s in doc.spans["gold"]], doc.user_data.get("meta"), doc.user_data["id"])
        for doc in docs
    ]  # fmt: skip


def read(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return facts(doc for file in files for doc in DocBin().from_disk(file).get_docs(Vocab()))


def convert(path, count=20, **options):
    converted = convert_to(
        records(count), path, name="x", shards=ShardOptions(**{"characters": 300, **options})
    )
    converted.commit()
    return converted.report


def test_shards_hold_what_one_file_holds(tmp_path):
    whole = convert_records(records(), name="x")
    one = convert(tmp_path / "one.spacy", characters=10**9)
    many = convert(tmp_path / "many.spacy")
    assert (tmp_path / "one.spacy").read_bytes() == whole.data
    assert one == whole.report
    assert many.shards == len(list((tmp_path / "many.spacy").iterdir())) > 3
    assert read(tmp_path / "many.spacy") == read(tmp_path / "one.spacy")
    differing = {"shards", "sha256"}
    left, right = ({k: v for k, v in r.to_dict().items() if k not in differing} for r in (many, one))
    assert left == right
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "many.report.json", "many.spacy", "one.report.json", "one.spacy",
    ]  # fmt: skip


def test_workers_do_not_change_a_byte(tmp_path):
    convert(tmp_path / "a.spacy")
    convert(tmp_path / "b.spacy", workers=2)
    assert tree(tmp_path / "a.spacy") == tree(tmp_path / "b.spacy")
    assert (
        json.loads((tmp_path / "a.report.json").read_text())["sha256"]
        == json.loads((tmp_path / "b.report.json").read_text())["sha256"]
    )


def test_stock_corpus_reader_reads_a_folder_of_shards(tmp_path):
    convert(tmp_path / "a.spacy")
    examples = list(Corpus(tmp_path / "a.spacy")(spacy.blank("en")))
    assert [example.reference.user_data["id"] for example in examples] == [
        f"n{number}" for number in range(20)
    ]


class Stop(BaseException):
    """Stands for anything that ends a process."""


@pytest.mark.parametrize("after", [1, 2, 5])
def test_resumed_is_uninterrupted_and_does_not_repeat(tmp_path, monkeypatch, after):
    convert(tmp_path / "a.spacy")
    calls = []

    def counting(batch, *rest):
        calls.append(batch[0].id)
        if len(calls) == after + 1:
            raise Stop
        return pack(batch, *rest)

    pack = convert_module.pack
    monkeypatch.setattr(convert_module, "pack", counting)
    with pytest.raises(Stop):
        convert(tmp_path / "b.spacy")
    assert not (tmp_path / "b.spacy").exists()
    done = calls[:-1]
    monkeypatch.setattr(
        convert_module, "pack", lambda batch, *rest: calls.append(batch[0].id) or pack(batch, *rest)
    )
    calls.clear()
    convert(tmp_path / "b.spacy")
    assert not set(done) & set(calls)
    assert tree(tmp_path / "a.spacy") == tree(tmp_path / "b.spacy")
    assert (tmp_path / "a.report.json").read_bytes() == (tmp_path / "b.report.json").read_bytes()
    assert not list(tmp_path.glob(".*"))


def interrupted(path, monkeypatch, after=3):
    pack = convert_module.pack
    calls = []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) > after:
            raise Stop
        return pack(*arguments)

    monkeypatch.setattr(convert_module, "pack", stopping)
    with pytest.raises(Stop):
        convert(path)
    monkeypatch.setattr(convert_module, "pack", pack)
    return path.with_name(f".{path.name}.work")


@pytest.mark.parametrize("damage", ["shard", "manifest", "garbage", "missing", "cut"])
def test_damaged_work_is_done_again(tmp_path, monkeypatch, damage):
    convert(tmp_path / "a.spacy")
    work = interrupted(tmp_path / "b.spacy", monkeypatch)
    manifest = work / "manifest.jsonl"
    if damage == "shard":
        (work / "shards" / "00002.spacy").write_bytes(b"half")
    elif damage == "missing":
        (work / "shards" / "00001.spacy").unlink()
    elif damage == "cut":
        manifest.write_bytes(manifest.read_bytes()[:-40])
    else:
        manifest.write_bytes(b"\xff\xfe" if damage == "garbage" else b"")
    convert(tmp_path / "b.spacy")
    assert tree(tmp_path / "a.spacy") == tree(tmp_path / "b.spacy")


def test_other_data_or_options_do_not_take_over_old_shards(tmp_path, monkeypatch):
    interrupted(tmp_path / "b.spacy", monkeypatch)
    changed = [Record(record.id, record.text, ()) for record in records()]
    convert_to(changed, tmp_path / "b.spacy", name="x", shards=SMALL).commit()
    assert all(not ents for _, _, ents, *_ in read(tmp_path / "b.spacy"))


def test_failure_leaves_the_old_output_and_no_litter(tmp_path):
    convert(tmp_path / "a.spacy")
    before = tree(tmp_path)
    twice = [Record("n1", "one", ()), Record("n1", "two", ())]
    for bad, code in ((twice, "BC603"), ([], "BC612"), ([Record("e", "", ())], "BC612")):
        with pytest.raises(ValueError, match=code):
            convert_to(bad, tmp_path / "a.spacy", name="x", shards=SMALL)
    lossy = [Record("n", "  one", (TextSpan(0, 1, "a"), TextSpan(2, 3, "a")))]
    with pytest.raises(ValueError, match="BC615"):
        convert_to(lossy, tmp_path / "a.spacy", name="x", shards=SMALL, tally=Tally())
    assert {k: v for k, v in tree(tmp_path).items() if ".work" not in k} == before


def test_file_and_folder_replace_each_other(tmp_path):
    path = tmp_path / "a.spacy"
    for characters in (10**9, 300, 500, 10**9):
        convert(path, characters=characters)
        assert path.is_file() == (characters == 10**9)
        assert len(read(path)) == 20
    assert not list(tmp_path.glob(".*"))


def test_error_in_a_worker_is_the_readers_message(tmp_path):
    bad = [*records(), Record("late", "short", (TextSpan(0, 99, "a"),))]
    with pytest.raises(ValueError, match=r"^\[BC601\]"):
        convert_to(bad, tmp_path / "a.spacy", name="x", shards=ShardOptions(characters=300, workers=2))


SCRIPT = """
import sys
from corpus_scripts.record import Record
from corpus_scripts.sharding import ShardOptions, convert_to
from pathlib import Path
if __name__ == "__main__":
    records = (Record(f"n{number}", "Ada has chest pain. " * 500, ()) for number in range(60))
    shards = ShardOptions(characters=20_000, workers=int(sys.argv[2]))
    convert_to(records, Path(sys.argv[1]), name="x", shards=shards).commit()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_process_is_resumed_and_leaves_no_worker(tmp_path, workers):
    root = Path(__file__).parents[2]
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "a.spacy"), str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    work = tmp_path / ".a.spacy.work"
    while not list(work.glob("shards/*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a.spacy").exists()
    deadline = time.monotonic() + 20
    while workers > 1 and _alive(process.pid):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.1)
    subprocess.run(command, env=environment, check=True)
    assert len(list((tmp_path / "a.spacy").iterdir())) == 30
    assert not work.exists()


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_folder_with_other_files_is_not_replaced(tmp_path):
    path = tmp_path / "a.spacy"
    convert(path)
    (path / "mine.txt").write_text("kept")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="BC629"):
        convert(path)
    assert tree(tmp_path) == before


class Bar:
    """What the progress bar was told."""

    def __init__(self, total=None, unit="", **_):
        self.total, self.unit, self.n = total, unit, 0
        bars.append(self)

    def update(self, number):
        self.n += number

    def set_postfix_str(self, text, refresh):
        self.text = text

    def close(self):
        pass


bars: list[Bar] = []


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_in_bytes_of_the_file_or_in_documents(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(progress_module, "tqdm", Bar)
    bars.clear()
    path = tmp_path / "a.jsonl"
    write_jsonl(records(), path)
    options = ShardOptions(characters=300, workers=workers)
    convert_to(read_jsonl(path, inventory=[]), tmp_path / "a.spacy", name="x", shards=options, inputs=[path])
    convert_to(records(), tmp_path / "b.spacy", name="x", shards=options, inputs=[path])
    of_bytes, of_documents = bars
    assert (of_bytes.unit, of_bytes.n, of_bytes.total) == ("B", path.stat().st_size, path.stat().st_size)
    assert of_bytes.text == "20 documents"
    assert (of_documents.unit, of_documents.n) == ("doc", 20)
