"""Files are read to the character: pytest tests/corpus_scripts/test_files.py."""

import gzip
import lzma
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.formats import files
from corpus_scripts.formats.files import (
    aside,
    bytes_read,
    plain_stem,
    read_lines,
    read_text,
    stream_lines,
    write_text,
)

TEXT = "\ufeffa\r\nb \r\n\n\u2028c\x85d\x0c e\rf\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "a.txt": bytes,
    "a.gz": gzip.compress,
    "a.xz": lzma.compress,
}


def test_files_text_is_left_as_it_is(tmp_path):
    for name, pack in PACKERS.items():
        (tmp_path / name).write_bytes(pack(TEXT.encode()))
        assert read_text(tmp_path / name) == TEXT


def test_files_only_lf_and_crlf_end_a_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    assert read_lines(tmp_path / "a.txt") == ["a", "b ", "", "\u2028c\x85d\x0c e\rf"]
    for empty in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "b.txt").write_bytes(empty)
        assert read_lines(tmp_path / "b.txt") == []
    (tmp_path / "b.txt").write_bytes(b"\n\n")
    assert read_lines(tmp_path / "b.txt") == ["", ""]


def lines_at_once(text):
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


@given(st.text(st.sampled_from("ab\n\r\ufeff\u2028é😀"), max_size=40), st.integers(1, 9))
@settings(deadline=None)
def test_files_lines_are_the_same_whatever_the_blocks(tmp_path_factory, text, block):
    path = tmp_path_factory.mktemp("files") / "a.txt"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BLOCK_BYTES", block)
        assert list(stream_lines(path)) == lines_at_once(text)
        assert read_text(path) == text


@given(st.binary(max_size=40), st.integers(1, 9))
@settings(deadline=None)
def test_files_offset_of_a_foreign_byte_is_that_of_the_file(tmp_path_factory, data, block):
    path = tmp_path_factory.mktemp("files") / "a.txt"
    path.write_bytes(data)
    expected = None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        expected = error.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BLOCK_BYTES", block)
        for read in (read_text, read_lines):
            if expected is None:
                read(path)
                continue
            with pytest.raises(ValueError, match=rf"BC611.*byte {expected}\)"):
                read(path)


@pytest.mark.parametrize("name", PACKERS)
def test_files_long_ones_stream_in_little_memory(tmp_path, name):
    line = b"Seen at noon and sent home.\n"
    (tmp_path / name).write_bytes(PACKERS[name](line * 400_000))
    before = bytes_read()
    tracemalloc.start()
    count = sum(1 for _ in stream_lines(tmp_path / name))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 400_000
    assert peak < 12 << 20  # .xz alone keeps 8 MiB to look back into
    assert bytes_read() - before == (tmp_path / name).stat().st_size


def test_files_a_line_of_ten_megabytes_is_one_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("é".encode() * 5_000_000 + b"\nx")
    first, second = stream_lines(tmp_path / "a.txt")
    assert (len(first), second) == (5_000_000, "x")


@pytest.mark.parametrize("name", ["a.gz", "a.xz"])
def test_files_damaged_compression_is_told(tmp_path, name):
    data = PACKERS[name](TEXT.encode() * 50)
    flipped = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]
    for damaged in (data[:-6], data[: len(data) // 2], b"plain", flipped):
        (tmp_path / name).write_bytes(damaged)
        for read in (read_text, read_lines):
            with pytest.raises(ValueError, match="BC624"):
                read(tmp_path / name)


def test_files_written_text_is_not_translated(tmp_path):
    write_text(tmp_path / "new" / "a.txt", TEXT)
    assert (tmp_path / "new" / "a.txt").read_bytes() == TEXT.encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_files_written_aside_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with aside(path) as file:
            file.write("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    with aside(path, binary=True) as file:
        file.write(b"new\r\n")
        assert path.read_text() == "old"
    assert path.read_bytes() == b"new\r\n"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "name, stem", [("train.tsv.gz", "train"), ("train.tsv", "train"), ("v1.2.jsonl.xz", "v1.2"), ("x", "x")]
)
def test_files_stem_is_without_endings(tmp_path, name, stem):
    assert plain_stem(tmp_path / name) == stem
