"""Any bytes are read soundly or refused by the readers of markup: pytest tests/corpus_scripts/test_fuzz_markup.py.

FUZZ_EXAMPLES sets how many inputs are tried for each reader.
"""

import gzip
import lzma
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_scripts.formats.bioc_json import read_bioc_json
from corpus_scripts.formats.bioc_xml import read_bioc_xml
from corpus_scripts.formats.pubtator import read_pubtator
from corpus_scripts.tally import Tally
from tests.corpus_scripts.bioc_documents import WRITERS, annotation, document, passage
from tests.corpus_scripts.fuzzing import CANARY, damaged, read_or_refuse, write

TEXT = f"Dr {CANARY} saw 😀 gloom."
DOCUMENTS = [
    document(
        passage(0, TEXT, annotation("T1", CANARY, (3, 11)), infons={"type": "title"}),
        passage(30, f"Née {CANARY}.", annotation("T2", f"Née {CANARY}", (30, 3), (34, 11))),
        relations=[{"id": "R1", "infons": {}, "nodes": [{"refid": "T1", "role": "who"}]}],
    ),
    document({"offset": 0, "sentences": [passage(0, TEXT, annotation("T1", CANARY, (3, 11)))]}, name="8"),
]
PUBTATOR = (
    f"7|t|{TEXT}\n7|a|And {CANARY} or acid.\n7\t3\t14\t{CANARY}\tName\tD1|D2\t\n7\t47\t51\tacid\tDrug\tD3\n"
    f"7\tCID\tD1\tD3\n\n8|t|{TEXT}\n8\t3\t14\t{CANARY}\tName,Other\tD1\t{CANARY}|x\n"
).encode()
READERS = {
    "pubtator": (read_pubtator, PUBTATOR),
    "xml": (lambda path, tally: read_bioc_xml(path, None, tally), WRITERS["xml"](DOCUMENTS)),
    "json": (lambda path, tally: read_bioc_json(path, None, tally), WRITERS["collection"](DOCUMENTS)),
    "json indented": (lambda path, tally: read_bioc_json(path, None, tally), WRITERS["indented"](DOCUMENTS)),
    "json lines": (lambda path, tally: read_bioc_json(path, None, tally), WRITERS["lines"](DOCUMENTS)),
}
FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(name, folder, data, ending=""):
    path = write(folder, f"notes{ending}", data)
    return read_or_refuse(lambda: READERS[name][0](path, Tally()))


@pytest.mark.parametrize("name", READERS)
def test_fuzz_markup_valid_examples_are_read(tmp_path, name):
    records = read(name, tmp_path, READERS[name][1])
    assert [record.id for record in records] == ["7", "8"]
    assert sum(len(record.spans) for record in records) >= 3


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@FUZZ
def test_fuzz_markup_damaged_files_are_sound_or_refused(tmp_path, name, data):
    read(name, tmp_path, data.draw(damaged(READERS[name][1])))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("ending, pack", [(".gz", gzip.compress), (".xz", lzma.compress)])
@given(data=st.data())
@settings(FUZZ, max_examples=FUZZ.max_examples // 5)
def test_fuzz_markup_damaged_archives_are_sound_or_refused(tmp_path, name, ending, pack, data):
    packed = pack(READERS[name][1])
    read(name, tmp_path, data.draw(damaged(packed)), ending)


@pytest.mark.parametrize("name", READERS)
def test_fuzz_markup_every_truncation_is_sound_or_refused(tmp_path, name):
    valid = READERS[name][1]
    whole = read(name, tmp_path, valid)
    for end in range(len(valid)):
        for record in read(name, tmp_path, valid[:end]):
            # A line may break off in the middle of a PubTator text; a JSON or XML document is whole or refused.
            assert name == "pubtator" or record in whole


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"\n\r\n \n",
        lambda data: b"\x00" * 100,
        lambda data: b"\xef\xbb\xbf",
        lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data.replace(b"\n", b"\r\n", 2),
        lambda data: data.replace(b"saw", b"s\x00w"),
        lambda data: data.replace(b"14", b"999").replace(b'"length": 11', b'"length": 999'),
        lambda data: data.replace(b"\t", b" "),
        lambda data: data.replace("é".encode(), b"\xe9"),
        lambda data: data + data,
    ],
)
def test_fuzz_markup_odd_files_are_sound_or_refused(tmp_path, name, change):
    read(name, tmp_path, change(READERS[name][1]))


@pytest.mark.parametrize("name", READERS)
def test_fuzz_markup_byte_order_mark_changes_nothing(tmp_path, name):
    valid = READERS[name][1]
    assert read(name, tmp_path, b"\xef\xbb\xbf" + valid) == read(name, tmp_path, valid)


LONG = b"word " * 2_000_000


@pytest.mark.parametrize(
    "name, data",
    [
        ("pubtator", b"7|t|" + LONG + b"\n7|a|x\n7\t0\t4\tword\tName\tx\n"),
        ("pubtator", b"7|t|" + "é😀 ".encode() * 1_000_000 + b"\n7\t8\t9\tword\tName\tx\n"),
        ("pubtator", LONG),
        ("pubtator", b"7|t|x\n7" + b"\t1" * 5_000_000),
        ("pubtator", b"7|" * 5_000_000),
        ("xml", WRITERS["xml"]([document(passage(0, LONG.decode()))])),
        ("xml", b"<collection>" + LONG),
        ("xml", b"<collection><document id='" + LONG),
        ("xml", b"<" + b"a" * 10_000_000),
        ("xml", b"<collection>" + b"<infon/>" * 1_000_000),
        ("json", WRITERS["collection"]([document(passage(0, LONG.decode()))])),
        ("json", b'{"documents": [' + LONG),
        ("json", b'{"a":' * 2_000_000),
        ("json", b"[" * 10_000_000),
        ("json", b"9" * 10_000_000),
        ("json", b"\n" * 10_000_000 + b"{"),
        ("json lines", b"{}\n" * 1_000_000),
    ],
)
def test_fuzz_markup_ten_megabytes_end_in_time(tmp_path, name, data):
    read(name, tmp_path, data)


def test_fuzz_markup_many_mentions_of_one_name_end_in_time(tmp_path):
    entries = [annotation("T1", "word", (5 * n, 4)) for n in range(20_000)]
    [record] = read(
        "json", tmp_path, WRITERS["collection"]([document(passage(0, "word " * 20_000, *entries))])
    )
    assert len({span.id for span in record.spans}) == 20_000
