"""Tables, Parquet, .json files and tables of codes."""

import csv
import json
import lzma

import pyarrow
import pyarrow.parquet
import pytest

from pretrain.readers import tables
from pretrain.text import RawDocument, find_files, read_documents


def read(path, kind="auto", **settings):
    files = find_files([path], kind)
    return [document for file in files for document in read_documents(file, kind=kind, **settings)]


def test_a_document_is_a_pair_that_carries_its_fields():
    document = RawDocument("a:1", "text", {"split": "test"})
    assert document == ("a:1", "text")
    assert (document.id, document.text, document.meta) == ("a:1", "text", {"split": "test"})
    assert RawDocument("a:1", "text").meta == {}


def test_fields_beside_the_text_are_kept(tmp_path):
    (tmp_path / "a.csv").write_text('ROW_ID,CATEGORY,TEXT\n7,ECG,"sinus\nrhythm"\n', encoding="utf8")
    (document,) = read(tmp_path)
    assert document == ("a.csv:2", "sinus\nrhythm")
    assert document.meta == {"ROW_ID": "7", "CATEGORY": "ECG"}


def test_several_columns_are_joined_with_a_blank_line(tmp_path):
    (tmp_path / "a.csv").write_text("id,dialogue,note\n1,hello,cough\n2,,fever\n", encoding="utf8")
    (tmp_path / "b.jsonl").write_text('{"note": "n", "dialogue": "d"}\n', encoding="utf8")
    texts = [document.text for document in read(tmp_path, text_key="dialogue+note")]
    assert texts == ["hello\n\ncough", "fever", "d\n\nn"]


def test_parquet_is_read_over_row_groups_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PARQUET_ROWS", 3)
    texts = [f"note {n}\n\u00e9" for n in range(20)] + [None]
    table = pyarrow.table({"id": list(range(21)), "Text": texts, "tags": [["a"]] * 21})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    documents = read(tmp_path)
    assert [document.text for document in documents] == [text or "" for text in texts]
    assert [document.id for document in documents[:2]] == ["a.parquet:1", "a.parquet:2"]
    assert documents[5].meta == {"id": 5}


def test_broken_parquet_and_missing_columns_are_errors(tmp_path):
    file = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"body": ["x"], "text": [3]}), file)
    with pytest.raises(ValueError, match=r"BC737.*no strings"):
        read(file)
    with pytest.raises(ValueError, match=r"BC704.*2 columns"):
        read(file, text_key="note")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"a.parquet, row 1.*ArrowInvalid"):
        read(file)


RECORDS = [{"note": "one"}, {"note": "two"}]


@pytest.mark.parametrize(
    "content",
    [
        "".join(json.dumps(record) + "\n" for record in RECORDS),
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=1),
    ],
)
def test_json_files_hold_lines_or_a_list(tmp_path, content):
    (tmp_path / "a.json").write_text(content, encoding="utf8")
    assert [document.text for document in read(tmp_path, kind="json", text_key="note")] == ["one", "two"]


def test_json_file_of_one_object_and_none_in_folders_unasked(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"text": "one"}, indent=2), encoding="utf8")
    assert read(tmp_path / "a.json") == [("a.json:1", "one")]
    with pytest.raises(ValueError, match="BC701"):
        read(tmp_path)
    (tmp_path / "a.json").write_text('{\n"text": one}', encoding="utf8")
    with pytest.raises(ValueError, match=r"BC703|line 2"):
        read(tmp_path / "a.json")


def test_codes_become_sentences(tmp_path):
    with lzma.open(tmp_path / "icd9cm_dx.tsv.xz", "wt", encoding="utf8") as file:
        file.write('code\tdescription\n250.00\tDiabetes mellitus, "type II"\n')
    with (tmp_path / "d_codes.csv").open("w", newline="") as plain:
        csv.writer(plain).writerows(
            [("icd_code", "icd_version", "long_title"), ("A000", 10, "Cholera"), ("0010", 9, "Cholera, old")]
        )
    (tmp_path / "hcpcs.csv").write_text("code,description\nA0021,Ambulance\n", encoding="utf8")
    record = {"code": "A00.0", "desc": "Cholera", "synonyms": ["Classical cholera", "Cholera"]}
    (tmp_path / "icd10_tab.jsonl").write_text(json.dumps(record) + "\n", encoding="utf8")
    assert [document.text for document in read(tmp_path)] == [
        "ICD 10 code for A000: Cholera",
        "ICD 9 code for 0010: Cholera, old",
        "HCPCS code for A0021: Ambulance",
        "ICD 10 code for A00.0: Cholera\nICD 10 code for A00.0: Classical cholera",
        'ICD 9 code for 250.00: Diabetes mellitus, "type II"',
    ]


def test_codes_of_unknown_version_need_one(tmp_path):
    (tmp_path / "codes.csv").write_text("code,description\n1,Cough\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"BC738.*version"):
        read(tmp_path)
    assert read(tmp_path, version="10-CM", kind="codes") == [("codes.csv:2", "ICD 10-CM code for 1: Cough")]
    (tmp_path / "codes.csv").write_text("number,words\n1,Cough\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"BC738.*header"):
        read(tmp_path, kind="codes")


def test_unknown_kind_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"BC742.*parquet"):
        find_files([tmp_path], "word")
