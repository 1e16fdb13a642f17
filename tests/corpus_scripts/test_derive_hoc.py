"""The Hallmarks archive becomes one JSONL; real texts come back where they are."""

import io
import json
import lzma
import tarfile
from pathlib import Path

import pytest

from corpus_scripts.derive_hoc import make_hoc

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "hoc" / "hoc.jsonl.xz"


def archive(path: Path, files: dict[str, str | bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(f"Hallmarks-of-Cancer-0/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def test_sentences_are_joined_and_paths_end_at_the_hallmark(tmp_path):
    files = {
        "README.md": "no abstract",
        "text/12.txt": "Cells died .\nOthers grew and spread .\nNothing else .\n",
        "labels/12.txt": "<Resisting cell death--Apoptosis< B and C--x ANDA--Y--z AND  B and C--q< ",
        "text/7.txt": "A naïve line .\n",
        "labels/7.txt": "< ",
        "text/9.txt": "Nobody labelled this .\n",
    }
    source = archive(tmp_path / "a.tar.gz", files)
    assert make_hoc(source, tmp_path / "out" / "hoc.jsonl") == 1
    text = "Cells died . Others grew and spread . Nothing else ."
    assert read(tmp_path / "out" / "hoc.jsonl") == [
        {"id": "12", "text": text, "labels": ["A", "B and C", "Resisting cell death"]},
        {"id": "7", "text": "A naïve line .", "labels": []},
    ]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"text/1.txt": "One .\nTwo .\n", "labels/1.txt": "< "},
            "labels/1.txt is of 1 sentences, text/1.txt has 2",
        ),
        ({"other/1.txt": "One ."}, "no folder text"),
        ({"text/1.txt": b"\xff\xfe", "labels/1.txt": "< "}, "UnicodeDecodeError"),
        ({"text/1.txt": "x" * (1 << 21), "labels/1.txt": "< "}, "ReadError"),
    ],
)
def test_other_archives_are_refused_and_write_nothing(tmp_path, files, told):
    with pytest.raises(ValueError, match="BC654") as error:
        make_hoc(archive(tmp_path / "a.tar.gz", files), tmp_path / "hoc.jsonl")
    assert told in str(error.value)
    assert not (tmp_path / "hoc.jsonl").exists()


def test_a_broken_archive_is_refused(tmp_path):
    whole = archive(tmp_path / "a.tar.gz", {"text/1.txt": "One .\n" * 2000, "labels/1.txt": "< " * 2000})
    (tmp_path / "b.tar.gz").write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(ValueError, match="BC654"):
        make_hoc(tmp_path / "b.tar.gz", tmp_path / "hoc.jsonl")


@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/corpora/hoc")
def test_the_real_abstracts_come_back_from_an_archive_of_their_sentences(tmp_path):
    with lzma.open(REAL, "rt", encoding="utf8") as lines:
        rows = [json.loads(line) for line in lines]
    files = {}
    for row in rows:
        files[f"text/{row['id']}.txt"] = "\n".join(row["sentences"]) + "\n"
        files[f"labels/{row['id']}.txt"] = "".join(
            "<" + ("-- AND ".join(labels) or " ") for labels in row["sentence_labels"]
        )
    assert make_hoc(archive(tmp_path / "hoc.tar.gz", files), tmp_path / "hoc.jsonl") == 0
    assert read(tmp_path / "hoc.jsonl") == [
        {key: row[key] for key in ("id", "text", "labels")} for row in rows
    ]
