"""Any bytes at all, in the files of the credentialed corpora: pytest tests/corpus_scripts/test_fuzz_credentialed.py."""

import gzip
import os

import pytest
from hypothesis import HealthCheck, given, settings

from corpus_scripts.corpora.published_i2b2 import read_2006, read_2010, read_2012, read_2014
from corpus_scripts.formats.i2b2_2006 import read_i2b2_2006
from corpus_scripts.formats.i2b2_2010 import read_i2b2_2010
from corpus_scripts.formats.i2b2_2012 import read_i2b2_2012
from corpus_scripts.formats.i2b2_2014 import read_i2b2_2014
from corpus_scripts.formats.mednli import read_mednli
from corpus_scripts.formats.mimic_notes import read_mimic_notes
from corpus_scripts.tally import Tally
from tests.corpus_scripts.fuzzing import CANARY, damaged, read_or_refuse, write

PHI = (
    '<?xml version="1.0"?>\n<ROOT>\n<RECORD ID="7">\n<TEXT>\nSeen <PHI TYPE="DATE">1/2</PHI>/95 by '
    f'<PHI TYPE="DOCTOR">Dr &amp; {CANARY} é</PHI>\n</TEXT>\n</RECORD>\n<RECORD ID="8">\n<TEXT>\n'
    f'{CANARY} <PHI TYPE="AGE">93</PHI>\na\nb\nc\nd\n</TEXT>\n</RECORD>\n</ROOT>\n'
).encode()
NOTE = f"Chief Complaint :\n Knee {CANARY} pain .\nNo é chest\npain\n".encode()
CONCEPTS = (
    f'c="knee {CANARY.lower()} pain" 2:1 2:3||t="problem"\nc="chest pain" 3:2 4:0||t="problem"\n'.encode()
)
ASSERTIONS = b'c="chest pain" 3:2 4:0||t="problem"||a="absent"\n'
XML = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<root>\n<TEXT><![CDATA[\nSeen é by {0},M.D.\nat Norvale\n]]></TEXT>\n'
    "<TAGS>\n"
    '<{1} id="P0" start="11" end="22" text="{0}" {2}="{3}" comment="" />\n'
    '<{1} id="P1" start="31" end="38" text="Norvale" {2}="{4}" comment="a &amp; b" />\n</TAGS>\n</root>'
)
XML_2014 = XML.format(CANARY, "NAME", "TYPE", "DOCTOR", "HOSPITAL").encode()
XML_2012 = XML.format(CANARY, "EVENT", "type", "PROBLEM", "TEST").encode()
PAIR = f'{{"sentence1": "{CANARY} of 0.3 é .", "sentence2": "{CANARY}", "gold_label": "neutral", "pairID": "p{{}}"}}\n'
MEDNLI = (PAIR.replace("{}", "1") + PAIR.replace("{}", "2")).replace("{{", "{").replace("}}", "}").encode()
NOTES = (
    "ROW_ID,SUBJECT_ID,CATEGORY,ISERROR,TEXT\n"
    f'1,22,Nursing,,"{CANARY} é,\r\n said ""ow""\n"\n2,22,Nursing,1,{CANARY}\n3,23,Echo,,"{CANARY}"\n'
).encode()


RELEASE = {"txt/n1.txt": NOTE, "concept/n1.con": CONCEPTS, "ast/n1.ast": ASSERTIONS}


def concepts(read, part):
    """A reader of the folder of 2010, of which one file is given."""

    def run(path, tally):
        folder = path.parent / part.replace("/", "_")
        if not folder.exists():
            for name, data in RELEASE.items():
                write(folder, name, data)
        write(folder, part, path.read_bytes())
        return read(folder, tally)

    return run


READERS = {
    "2006": (read_i2b2_2006, "n.xml", PHI),
    "2006_published": (read_2006, "n.xml", PHI),
    "2006_train": (lambda path, tally: read_2006(path, tally, part="train"), "n.xml", PHI),
    "2010_text": (concepts(read_i2b2_2010, "txt/n1.txt"), "n.raw", NOTE),
    "2010_concepts": (concepts(read_i2b2_2010, "concept/n1.con"), "n.raw", CONCEPTS),
    "2010_assertions": (concepts(read_i2b2_2010, "ast/n1.ast"), "n.raw", ASSERTIONS),
    "2010_published_text": (concepts(read_2010, "txt/n1.txt"), "n.raw", NOTE),
    "2010_published_concepts": (concepts(read_2010, "concept/n1.con"), "n.raw", CONCEPTS),
    "2012": (lambda path, tally: read_i2b2_2012(path, tally, timex=True), "n.xml", XML_2012),
    "2012_published": (read_2012, "n.xml", XML_2012),
    "2014": (read_i2b2_2014, "180-03.xml", XML_2014),
    "2014_kept": (lambda path, tally: read_i2b2_2014(path, tally, mismatch="keep"), "180-03.xml", XML_2014),
    "2014_published": (read_2014, "180-03.xml", XML_2014),
    "mednli": (read_mednli, "n.jsonl", MEDNLI),
    "mimic": (read_mimic_notes, "n.csv", NOTES),
}
FUZZING = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", READERS)
def test_credentialed_valid_example_is_read_whole(tmp_path, name):
    read, file, valid = READERS[name]
    records = read_or_refuse(lambda: read(write(tmp_path, file, valid), Tally()))
    assert records
    assert any(CANARY in record.text for record in records)


@pytest.mark.parametrize("name", READERS)
def test_credentialed_damaged_file_is_read_or_refused(tmp_path, name):
    read, file, valid = READERS[name]

    @FUZZING
    @given(damaged(valid))
    def check(data):
        path = write(tmp_path, file, data)
        read_or_refuse(lambda: read(path, Tally()), secrets=(CANARY, CANARY.lower()))

    check()


def long_line(valid: bytes) -> bytes:
    return valid.replace(CANARY.encode(), CANARY.encode() + b" x" * 20_000 + b"x" * 10_000_000, 1)


# Published readers stand on the exact ones, so that one huge line is enough for each format.
EXACT = [name for name in READERS if "published" not in name and name not in ("2006_train", "2014_kept")]


@pytest.mark.parametrize("name", EXACT)
def test_credentialed_huge_line_is_read_or_refused_in_time(tmp_path, name):
    read, file, valid = READERS[name]
    path = write(tmp_path, file, long_line(valid))
    read_or_refuse(lambda: read(path, Tally()), secrets=(CANARY, CANARY.lower()))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda valid: b"",
        lambda valid: b"\xef\xbb\xbf" + valid,
        lambda valid: valid.replace(b"\n", b"\r"),
        lambda valid: valid.replace(b"\n", b"\r\n", 2),
        lambda valid: valid.replace(b" ", b"\x00", 2),
        lambda valid: valid[: len(valid) // 2],
        lambda valid: valid.replace("é".encode(), b"\xe9"),
        lambda valid: valid.replace(b"3", b"99999999999999999999"),
    ],
    ids=["empty", "bom", "cr", "mixed", "nul", "truncated", "latin1", "huge_numbers"],
)  # fmt: skip
def test_credentialed_files_with_one_fault(tmp_path, name, change):
    read, file, valid = READERS[name]
    path = write(tmp_path, file, change(valid))
    read_or_refuse(lambda: read(path, Tally()), secrets=(CANARY, CANARY.lower()))


@pytest.mark.parametrize("data", [b"<a>" + b'<TEXT></TEXT><TAGS><A a="' + b'" a' * 500_000, b"<" * 2_000_000])
def test_credentialed_hostile_markup_ends_soon(tmp_path, data):
    for name in ("2006", "2014"):
        read, file, _ = READERS[name]
        assert read_or_refuse(lambda read=read, file=file: read(write(tmp_path, file, data), Tally())) == []


def test_credentialed_compressed_files_are_checked_too(tmp_path):
    whole = gzip.compress(NOTES)
    assert len(read_or_refuse(lambda: read_mimic_notes(write(tmp_path, "n.csv.gz", whole), Tally()))) == 2

    @FUZZING
    @given(damaged(whole))
    def check(data):
        path = write(tmp_path, "n.csv.gz", data)
        read_or_refuse(lambda: read_mimic_notes(path, Tally()))

    check()
