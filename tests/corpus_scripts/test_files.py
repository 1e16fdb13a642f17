"""Files are read to the character: pytest tests/corpus_scripts/test_files.py."""

import gzip
import lzma
from collections.abc import Callable

import pytest

from corpus_scripts.formats.files import plain_stem, read_lines, read_text, write_text

TEXT = "\ufeffa\r\nb \r\n\n\u2028c\x85d\x0c e\rf\n"


def test_files_text_is_left_as_it_is(tmp_path):
    packers: dict[str, Callable[[bytes], bytes]] = {
        "a.txt": bytes,
        "a.gz": gzip.compress,
        "a.xz": lzma.compress,
    }
    for name, pack in packers.items():
        (tmp_path / name).write_bytes(pack(TEXT.encode()))
        assert read_text(tmp_path / name) == TEXT


def test_files_only_lf_and_crlf_end_a_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    assert read_lines(tmp_path / "a.txt") == ["a", "b ", "", "\u2028c\x85d\x0c e\rf"]
    (tmp_path / "b.txt").write_bytes(b"")
    assert read_lines(tmp_path / "b.txt") == []


def test_files_written_text_is_not_translated(tmp_path):
    write_text(tmp_path / "new" / "a.txt", TEXT)
    assert (tmp_path / "new" / "a.txt").read_bytes() == TEXT.encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "name, stem", [("train.tsv.gz", "train"), ("train.tsv", "train"), ("v1.2.jsonl.xz", "v1.2"), ("x", "x")]
)
def test_files_stem_is_without_endings(tmp_path, name, stem):
    assert plain_stem(tmp_path / name) == stem
