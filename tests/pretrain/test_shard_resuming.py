"""An interrupted build of shards goes on, and ends in the bytes of one that was left alone."""

import errno
import itertools
import json
import os
import pickle
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pretrain.shard_building as building
import pretrain.shard_files as files
import pretrain.shard_resuming as resuming
from pretrain.cleaning import Cleaning
from pretrain.near_duplicates import NearDuplicates, fingerprint
from pretrain.shards import shards_for
from pretrain.sources import Source

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = {
    "max_length": 64,
    "shard_pieces": 500,
    "is_quiet": True,
    "cleaning": Cleaning("surrogate", min_pieces=12),
}


@pytest.fixture(scope="module")
def sources(notes, make_note, tmp_path_factory) -> list[Source]:
    """Two sources, one of two files, and canaries; copies within and across, rows to skip, empty ones."""
    folder = tmp_path_factory.mktemp("sources")
    long = [note for note in notes if len(note.split()) > 60]
    rows = {
        "a.jsonl": [*notes[:14], "", notes[2], f"{long[0]} Signed.", "[**Name 1**] has a cough. " * 9],
        "b.jsonl": [*notes[14:24], make_note(3, 400), "skip me"],
        "c.jsonl": [notes[5], notes[5], "Code 4711."],
        "d.jsonl": [*notes[20:34], *(f"{note} Seen." for note in long[:6])],
    }
    for name, texts in rows.items():
        lines = [json.dumps({"text": text, "part": "test" if text == "skip me" else "x"}) for text in texts]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf8")
    a, b, c, d = (folder / name for name in rows)
    return [
        Source("wards", (a, b), skip={"part": ("test",)}),
        Source("canaries", (c,), planted=True),
        Source("letters", (d,)),
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def wholes(sources, tokenizer, tmp_path_factory):
    """Files of builds left alone, by mode of duplicates; in one batch, with no state saved."""
    made = {}
    for mode in ("keep", "group", "drop"):
        folder = tmp_path_factory.mktemp(mode)
        made[mode] = contents(shards_for(sources, tokenizer, folder, near_duplicates=mode, **SETTINGS).folder)
        assert len(made[mode]) > 5
    return made


@pytest.fixture
def often(monkeypatch):
    """Many batches, and a state after each."""
    monkeypatch.setattr(building, "_BATCH_CHARACTERS", 2000)
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "SHARE", float("inf"))


@pytest.fixture
def build(sources, tokenizer, tmp_path, often):
    def build(mode="drop", folder="work", texts=None, **settings):
        settings = {"near_duplicates": mode, **SETTINGS, **settings}
        return contents(shards_for(texts or sources, tokenizer, tmp_path / folder, **settings).folder)

    return build


@pytest.fixture
def interrupt(build, monkeypatch):
    """Build until so many batches are done, then fail. Returns whether it did."""

    def interrupt(after, mode="drop", folder="work", error=KeyboardInterrupt, **settings):
        save, n_saved = resuming.Keeper.save_if_due, []

        def counted(keeper, work):
            save(keeper, work)
            n_saved.append(work)
            if len(n_saved) == after:
                raise error

        with monkeypatch.context() as patch:
            patch.setattr(resuming.Keeper, "save_if_due", counted)
            try:
                build(mode, folder, **settings)
            except error:
                return True
        return False

    return interrupt


def part_of(folder: Path) -> Path:
    (part,) = folder.glob(".shards-*.part")
    return part


@pytest.mark.parametrize("mode, step", [("group", 3), ("drop", 1), ("keep", 5)])
def test_interrupted_after_any_batch_it_ends_in_the_same_bytes(
    build, interrupt, wholes, tmp_path, monkeypatch, mode, step
):
    prepare, prepared = building.prepare, []

    def counted(batch, *arguments, **settings):
        prepared.append(len(batch))
        return prepare(batch, *arguments, **settings)

    monkeypatch.setattr(building, "prepare", counted)
    after = 1
    while interrupt(after, mode, f"after-{after}"):
        folder = f"after-{after}"
        assert (part_of(tmp_path / folder) / resuming.STATE).is_file()
        assert build(mode, folder) == wholes[mode]
        assert [path.name[0] for path in (tmp_path / folder).iterdir()] == ["s"]
        after += step
    assert after > 10
    del prepared[:]
    assert build(mode, "alone") == wholes[mode]
    n_all = sum(prepared)
    del prepared[:]
    n_times = 0
    while interrupt(1, mode, "again and again"):  # each call does one batch
        n_times += 1
    assert build(mode, "again and again") == wholes[mode]
    assert after - step <= n_times < after
    assert sum(prepared) == n_all


def test_other_numbers_of_workers_go_on(build, interrupt, wholes):
    assert interrupt(6, workers=2)
    assert interrupt(3, workers=1)
    assert build(workers=2) == wholes["drop"]


SCRIPT = """
import os, pickle, signal, sys, time
import pretrain.shard_building as building, pretrain.shard_files as files, pretrain.shard_resuming as resuming
import pretrain.shards as shards

def killed_at(module, name, number, *, is_after):
    function, calls = getattr(module, name), []
    def call(*arguments, **settings):
        calls.append(name)
        if len(calls) == number and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = function(*arguments, **settings)
        if len(calls) == number and is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(module, name, call)

class Replacing:  # os, of which one module alone sees another `replace`
    __getattr__ = staticmethod(lambda name: getattr(os, name))

if __name__ == "__main__":
    sources, tokenizer, work, settings = pickle.load(open(sys.argv[1], "rb"))
    building._BATCH_CHARACTERS, resuming.EVERY, resuming.SHARE = 2000, 0.0, float("inf")
    resuming.os, shards.os = Replacing(), Replacing()
    resuming.os.replace = shards.os.replace = os.replace
    moments = [(resuming.os, "replace", 1, False), (resuming.os, "replace", 5, False)]
    moments += [(resuming.os, "replace", 7, True), (files, "measure", 2, False), (files, "write_arrow", 3, False)]
    moments += [(building, "write_arrow", 1, True), (building.json, "dumps", 14, True)]
    moments += [(shards.os, "replace", 1, False), (shards.os, "replace", 1, True)]
    for number in range(len(moments) + 1):
        child = os.fork()  # before any thread
        if not child:
            settings["workers"] = 1
            folder = work / str(number)
            if number < len(moments):
                module, name, count, is_after = moments[number]
                killed_at(module, name, count, is_after=is_after)
            else:
                settings["workers"] = 2
                submit, calls = building.ProcessPoolExecutor.submit, []
                def counted(pool, *arguments):
                    calls.append(1)
                    if len(calls) == 9:
                        (work / "pids").write_text(" ".join(map(str, pool._processes)))
                        os.kill(os.getpid(), signal.SIGKILL)
                    return submit(pool, *arguments)
                building.ProcessPoolExecutor.submit = counted
            shards.shards_for(sources, tokenizer, folder, **settings)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_at_awkward_moments_it_ends_in_the_same_bytes(sources, tokenizer, wholes, build, tmp_path):
    """In the midst of writing a state, a shard or meta.json, around the last move; with workers, which then end."""
    settings = {"near_duplicates": "drop", **SETTINGS}
    (tmp_path / "arguments").write_bytes(pickle.dumps((sources, tokenizer, tmp_path, settings)))
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "arguments")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, cwd=ROOT)
    codes = done.stdout.split()
    assert codes == ["-9"] * 10, done.stderr[-2000:]
    pids = (tmp_path / "pids").read_text().split()
    for number in range(len(codes)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert build(folder=str(number)) == wholes["drop"], number
        assert len(list((tmp_path / str(number)).iterdir())) == 1
    end = time.monotonic() + 60
    while any(map(is_running, pids)):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def damage(state: Path, how: str) -> None:
    content = bytearray(state.read_bytes())
    if how == "empty":
        content = bytearray()
    elif how == "cut":
        del content[len(content) // 2 :]
    elif how == "shard":
        shard = sorted(state.parent.glob("shard-*"))[0]
        shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    elif how == "shard missing":
        sorted(state.parent.glob("shard-*"))[0].unlink()
    else:
        content[content.index(b"identity") + 3] ^= 16
    state.write_bytes(content)


@pytest.mark.parametrize("how", ["empty", "cut", "shard", "shard missing", "bit"])
def test_damaged_state_is_thrown_away_with_a_warning(build, interrupt, wholes, tmp_path, how):
    assert interrupt(9)
    damage(part_of(tmp_path / "work") / resuming.STATE, how)
    with pytest.warns(UserWarning, match=r"BC790.*anew") as told:
        assert build() == wholes["drop"]
    assert "cough" not in str(told[0].message)


def test_no_bit_of_a_state_changes_what_is_read(notes, tmp_path):
    """It is refused, or what is read is the same (a zip's dates and the like)."""

    def new():
        return resuming.Work(files.ShardWriter(tmp_path, np.dtype(np.uint16), 500), NearDuplicates())

    def read(work):
        taken: Any = keeper._read(work.writer, work.duplicates)
        parts = (taken.writer.to_arrays(), taken.duplicates.to_arrays())
        bytes_of = [{name: values.tobytes() for name, values in part.items()} for part in parts]
        return bytes_of, taken.hashes, taken.source_of, taken.reports, taken.source, taken.documents

    work = new()
    work.source, work.documents, work.reports = 1, 7, [Counter(cut=3), Counter()]
    for number, note in enumerate(notes[:9]):
        work.duplicates.add(fingerprint(note))
        work.hashes.append(number)
        work.source_of.append(0)
        work.writer.add(np.arange(9), number)
    keeper = resuming.Keeper(tmp_path, {"data_hash": "0"})
    keeper._write(work)
    content = (tmp_path / resuming.STATE).read_bytes()
    whole, n_refused = read(new()), 0
    positions = range(0, len(content), 11)
    for place in positions:
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / resuming.STATE).write_bytes(changed)
        try:
            found = read(new())
        except Exception:
            n_refused += 1
        else:
            assert found == whole
    assert n_refused > len(positions) / 2


@pytest.mark.parametrize("settings", [{"shard_pieces": 900}, {}])  # makes other files of the same name
def test_state_of_other_settings_is_not_taken_up(build, interrupt, wholes, monkeypatch, settings):
    assert interrupt(9, **settings)
    if not settings:
        monkeypatch.setattr(resuming, "STATE_FORMAT", 2)
    with pytest.warns(UserWarning, match=r"BC790.*other settings"):
        assert build() == wholes["drop"]


def test_state_holds_no_text(interrupt, notes, tmp_path):
    assert interrupt(12, "group")
    content = (part_of(tmp_path / "work") / resuming.STATE).read_bytes().lower()
    for word in {word for note in notes for word in note.lower().split() if len(word) > 4}:
        assert word.encode() not in content


def test_errors_keep_the_state_and_a_success_deletes_what_is_outdated(build, notes, tmp_path):
    file = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": note}) for note in notes]
    file.write_text("\n".join([*lines[:40], "nonsense", *lines[40:]]), encoding="utf8")
    with pytest.raises(ValueError, match=r"BC703.*line 41"):
        build(texts=[file])
    assert resuming.has_state(part_of(tmp_path / "work"))
    with pytest.raises(ValueError, match=r"BC703.*line 41"):
        build(texts=[file])
    file.write_text("\n".join(lines), encoding="utf8")
    build(texts=[file])
    assert [path.name[0] for path in (tmp_path / "work").iterdir()] == ["s"]


def test_disk_that_is_full_for_a_state_stops_nothing(build, wholes, monkeypatch):
    def full(stream, **_):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(resuming.np, "savez", full)
    with pytest.warns(UserWarning, match=r"BC791.*No space left"):
        assert build() == wholes["drop"]


def test_disk_that_is_full_for_a_shard_stops_the_build_which_then_goes_on(
    build, wholes, monkeypatch, tmp_path
):
    def full(file, **_):
        if file.name == "shard-00002.arrow":
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, **_)

    write = files.write_arrow
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_arrow", full)
        with pytest.raises(OSError, match="No space left"):
            build()
    assert resuming.has_state(part_of(tmp_path / "work"))
    assert build() == wholes["drop"]


def test_saving_takes_a_fiftieth_of_the_time_at_most(tmp_path, monkeypatch):
    now, saved = [0.0], []
    monkeypatch.setattr(resuming.time, "monotonic", lambda: now[0])

    def write(*_):
        now[0] += 10.0
        saved.append(now[0])

    monkeypatch.setattr(resuming.Keeper, "_write", write)
    keeper = resuming.Keeper(tmp_path, {})
    work = resuming.Work(files.ShardWriter(tmp_path, np.dtype(np.uint16), 9), None)
    while now[0] < 10_000:
        now[0] += 1.0
        keeper.save_if_due(work)
    assert saved[0] == 40.0
    assert all(after - before == 510.0 for before, after in itertools.pairwise(saved))


@pytest.mark.parametrize("is_linking", [False, True])
def test_duplicates_go_on_as_if_never_put_away(make_note, is_linking):
    base = [make_note(seed, 80) for seed in range(12)]
    texts = [f"{base[n % 12]} {'Signed. ' * (n // 12 % 3)}{n // 36}" for n in range(300)]
    texts += [f"short {n % 4}" for n in range(9)]
    prints = [fingerprint(text) for text in texts]

    def add(finder, document, number):
        if number % 17 == 0:
            return finder.pass_over()
        return finder.add(document)

    whole = NearDuplicates(0.9, is_linking=is_linking)
    expected = [add(whole, document, number) for number, document in enumerate(prints)]
    for every in (1, 50):
        finder, found = NearDuplicates(0.9, is_linking=is_linking), []
        for number, document in enumerate(prints):
            if number % every == 0:
                finder = finder.going_on(finder.to_arrays())
            found.append(add(finder, document, number))
        assert found == expected
        assert finder.groups().tolist() == whole.groups().tolist()
        assert (finder.exact, finder.near, len(finder)) == (whole.exact, whole.near, len(whole))
    assert min(whole.near, whole.exact) > 0
