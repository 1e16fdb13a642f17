import gzip
import json
import lzma

import pytest

from pretrain.text import find_files, read_documents


def read(path, **settings):
    return [document for file in find_files([path]) for document in read_documents(file, **settings)]


def test_text_file_keeps_every_character(tmp_path):
    text = "Line\r\n\n\ttab \u00e9 \U0001f600 [SEP]\x00 end"
    (tmp_path / "a.txt").write_bytes(text.encode("utf8"))
    assert read(tmp_path / "a.txt") == [("a.txt", text)]


def test_folder_is_searched_in_order_and_other_files_are_passed_over(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", "a.ann", "README"):
        (tmp_path / name).write_text(name, encoding="utf8")
    assert [document.id for document in read(tmp_path)] == ["a.txt", "b.txt", "c.txt"]


def test_jsonl_numbers_lines_and_skips_blank_ones(tmp_path):
    lines = [json.dumps({"text": "one", "cats": {}}), "", json.dumps({"text": "tw\ud800o"})]
    (tmp_path / "notes.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf8")
    assert read(tmp_path / "notes.jsonl") == [("notes.jsonl:1", "one"), ("notes.jsonl:3", "tw\ud800o")]


@pytest.mark.parametrize("header", ["ROW_ID,TEXT", "id,notes", "text,notes"])
def test_csv_finds_its_column_and_keeps_line_breaks(tmp_path, header):
    long = "x" * 200_000
    (tmp_path / "n.csv").write_text(f'{header}\n1,"two\nlines, ""quoted"""\n2,{long}\n', encoding="utf8")
    assert read(tmp_path / "n.csv") == [("n.csv:2", 'two\nlines, "quoted"'), ("n.csv:4", long)]


def test_named_key_and_column_are_used(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"note": "n", "text": "t"}\n', encoding="utf8")
    (tmp_path / "b.csv").write_text("Note,text\nn,t\n", encoding="utf8")
    assert [document.text for document in read(tmp_path, text_key="note")] == ["n", "n"]


@pytest.mark.parametrize("suffix, opener", [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_files_read_like_plain_ones(tmp_path, suffix, opener):
    with opener(tmp_path / f"a.jsonl{suffix}", "wt", encoding="utf8") as file:
        file.write('{"text": "squeezed"}\n')
    assert read(tmp_path) == [(f"a.jsonl{suffix}:1", "squeezed")]


SECRET = "Zyxwv"
BROKEN = [
    ("a.txt", f"good\n{SECRET} \xff".encode("latin1"), "BC702", "line 2"),
    ("a.jsonl", f'{{"text": "x"}}\n{{"text": {SECRET}'.encode(), "BC703", "line 2"),
    ("a.jsonl", f'{{"note": "{SECRET}"}}\n'.encode(), "BC703", "line 1"),
    ("a.jsonl", f'["{SECRET}"]\n'.encode(), "BC703", "line 1"),
    ("a.jsonl", b'{"text": null}\n', "BC703", "line 1"),
    ("a.csv", f"id,body\n1,{SECRET}\n".encode(), "BC704", "2 columns"),
    ("a.csv", f'id,text\n1,"{SECRET}'.encode(), "BC703", "line 2"),
    ("a.csv", f"id,text\n1,x\n{SECRET}\n".encode(), "BC703", "line 3"),
    ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 999, mtime=0)[:-20], "BC705", "a.jsonl.gz"),
    ("a.txt.gz", SECRET.encode(), "BC705", "a.txt.gz"),
    ("a.txt.xz", SECRET.encode(), "BC705", "a.txt.xz"),
    ("a.pdf", SECRET.encode(), "BC701", "a.pdf"),
]


@pytest.mark.parametrize("name, content, code, place", BROKEN)
def test_malformed_input_names_file_and_line_but_no_text(tmp_path, name, content, code, place):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)
    assert place in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_read_is_an_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="BC701"):
        read(tmp_path / name)
