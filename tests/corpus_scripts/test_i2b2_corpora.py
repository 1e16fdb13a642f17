"""The i2b2 and MIMIC corpora of the table, from folders to parts: pytest tests/corpus_scripts/test_i2b2_corpora.py."""

import json

import pytest

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.corpora.published_i2b2 import PUBLISHED_I2B2
from corpus_scripts.reading import FORMATS, ReadOptions
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import convert_records
from corpus_scripts.tokenizer import make_tokenizer

TEXT = "\nSeen by Dr. Quist{0},M.D.\n"


def note_2014(number):
    start = TEXT.index("Quist")
    name = f"Quist{number}"
    tag = f'<NAME id="P0" start="{start}" end="{start + len(name)}" text="{name}" TYPE="DOCTOR" comment="" />'
    return f"<d>\n<TEXT><![CDATA[{TEXT.format(number)}]]></TEXT>\n<TAGS>\n{tag}\n</TAGS>\n</d>"


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf8")


def test_i2b2_2014_dev_is_drawn_by_patient_and_every_mention_reaches_the_doc(tmp_path):
    put(tmp_path, {f"train/set{n % 2 + 1}/{100 + n // 3}-0{n % 3 + 1}.xml": note_2014(n) for n in range(60)})
    put(tmp_path, {"testing-PHI-Gold-fixed/300-01.xml": note_2014(7)})
    parts = {part.name: part for part in read_corpus(find_corpus("i2b2_2014"), tmp_path, seed=0)}
    records = {name: list(part.records) for name, part in parts.items()}
    assert {name: len(found) for name, found in records.items()} == {"train": 54, "dev": 6, "test": 1}
    patients = {name: {record.meta["patient"] for record in found} for name, found in records.items()}
    assert not patients["train"] & patients["dev"]
    result = convert_records(records["train"], name="train", tally=Tally(), tokenize=make_tokenizer())
    assert not result.report.dropped
    assert result.report.only_in_spans == 0


@pytest.mark.parametrize("name", sorted(PUBLISHED_I2B2))
def test_i2b2_corpora_of_the_table_name_a_published_reader(name):
    corpus = find_corpus(name)
    assert corpus.published == corpus.format == name


def test_published_sentences_keep_their_tokens_in_the_doc(tmp_path):
    put(tmp_path, {"100-01.xml": note_2014(1)})
    [record] = PUBLISHED_I2B2["i2b2_2014"](tmp_path, Tally())
    assert record.text == "Seen by Dr. Quist1 ,M.D."
    assert [record.text[start:end] for start, end in record.tokens] == record.text.split(" ")
    assert record.meta == {"patient": "100", "tags": ["O", "O", "O", "B-DOCTOR", "O"]}
    assert [(record.text[span.start : span.end], span.label) for span in record.spans] == [
        ("Quist1", "DOCTOR")
    ]


def test_published_2006_takes_train_and_dev_from_one_file_by_line(tmp_path):
    corpus = find_corpus("i2b2_2006")
    lines = "".join(f'Line {n} of <PHI TYPE="DOCTOR">Quist{n}</PHI> .\n' for n in range(40))
    for names in corpus.parts.values():
        put(tmp_path, {names[0]: f'<ROOT>\n<RECORD ID="1">\n<TEXT>\n{lines}</TEXT>\n</RECORD>\n</ROOT>\n'})
    parts = {part.name: list(part.records) for part in read_corpus(corpus, tmp_path, mode="published")}
    assert list(parts) == ["train", "dev", "test"]
    assert len(parts["test"]) == 40
    ids = {name: [int(record.id.split(":")[1]) for record in records] for name, records in parts.items()}
    assert max(ids["train"]) < min(ids["dev"])
    assert len(parts["train"]) + len(parts["dev"]) == 38  # each lost its last sentence, as published
    [record] = FORMATS["i2b2_2006"](tmp_path / corpus.parts["test"][0], ReadOptions(), Tally())
    assert len(record.spans) == 40


def test_mednli_and_mimic_parts(tmp_path):
    row = {"sentence1": "a", "sentence2": "b", "gold_label": "neutral"}
    put(
        tmp_path,
        {f"mli_{part}_v1.jsonl": json.dumps({**row, "pairID": part}) for part in ("train", "dev", "test")},
    )
    assert [part.name for part in read_corpus(find_corpus("mednli"), tmp_path)] == ["train", "dev", "test"]
    put(
        tmp_path,
        {"NOTEEVENTS.csv": "ROW_ID,TEXT\n1,Stable\n", "note/discharge.csv": "note_id,text\n2-DS,Home\n"},
    )
    for name, wanted in (("mimic_iii_notes", ["1"]), ("mimic_iv_notes", ["2-DS"])):
        [part] = read_corpus(find_corpus(name), tmp_path)
        assert [record.id for record in part.records] == wanted
