"""Any bytes in the files of the paper's tasks are read or refused: pytest tests/corpus_scripts/test_fuzz_paper.py.

FUZZ_EXAMPLES=3000 tries more of them.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from corpus_scripts.corpora.published import PUBLISHED
from corpus_scripts.formats.phenotype_mimic import LABELS
from corpus_scripts.reading import FORMATS, ReadOptions
from corpus_scripts.tally import Tally
from tests.corpus_scripts.fuzzing import CANARY, damaged, read_or_refuse, write

_DEID_TEXT = (
    f"\nSTART_OF_RECORD=1||||2||||\nby {CANARY} Vale at {CANARY}.\nOn 3-17\n||||END_OF_RECORD\n"
    f"START_OF_RECORD=1||||3||||\n{CANARY} home\n||||END_OF_RECORD\n"
)
_DEID_MARKED = (
    "\nSTART_OF_RECORD=1||||2||||\nby [**First Name**] [**Last Name**] at [**Hospital**].\nOn [**3-17**]\n"
    f"||||END_OF_RECORD\nSTART_OF_RECORD=1||||3||||\n{CANARY} home\n||||END_OF_RECORD\n"
)
_COS_TEXT = f"New {CANARY} left\nOld {CANARY}\n"
_COS_ANN = (
    f"T1\tSnippet 0 20\tNew {CANARY} left\nT2\tSnippet 21 36\tOld {CANARY}\nT3\tCos 0 3\tNew\nT4\tAttr 4 15\t{CANARY}\n"
    "T5\tLoc 16 20\tleft\nR1\tof Arg1:T3 Arg2:T4\nA1\tSure R1 high\n"
)
_CHEMPROT = (
    f'index\tsentence\tlabel\n1.T1\t@CHEMICAL$ {CANARY}\tCPR:3\n1.T2\t"a ""{CANARY}"" b"\tfalse\n'
    f"1.T2\t{CANARY}\tCPR:4\n"
)
_ROWS = ("1,0," + "0," * 13 + "1", "2,1," + "0," * 13 + "0")
_ANNOTATIONS = "\n".join((",".join(("ROW_ID", "NONE", *LABELS)), *_ROWS)) + "\n"
_NOTES = f'"ROW_ID","CATEGORY","TEXT"\n1,"x","{CANARY}\n\n""{CANARY}"", and\nmore"\n2,"y",{CANARY}\n3,"z","other"\n'
_SOCIAL_TEXT = f"smokes {CANARY}, daily"
_SOCIAL_ANN = (
    f"T1\tTobacco 0 6\tsmokes\nT2\tType 7 18\t{CANARY}\nE1\tTobacco:T1\nT3\tStatus 0 6;20 25\tsmokes daily\n"
)

# task → exact format ("" where it is brat's), and its files
TASKS = {
    "deid": ("physionet_deid", {"id.text": _DEID_TEXT, "id.res": _DEID_MARKED}),
    "cos": ("cos", {"a.ann": _COS_ANN, "a.txt": _COS_TEXT}),
    "chemprot": ("chemprot_blue", {"train.tsv": _CHEMPROT}),
    "phenotype": ("phenotype_mimic", {"ACTdb102003.csv": _ANNOTATIONS, "NOTEEVENTS.csv": _NOTES}),
    "social_history": ("", {"a.ann": _SOCIAL_ANN, "a.txt": _SOCIAL_TEXT}),
}
CASES = [
    (task, name, mode)
    for task, (exact, files) in TASKS.items()
    for name in files
    for mode in ("exact", "published")
    if exact or mode == "published"
]
EACH = pytest.mark.parametrize("task, name, mode", CASES)


def read(folder, task, name, mode, data):
    """Read the task with these bytes in place of one of its files."""
    exact, files = TASKS[task]
    for other, content in files.items():
        if other != name and not (folder / other).exists():
            write(folder, other, content.encode())
    path = write(folder, name, data)
    source = path if task == "chemprot" else folder
    if mode == "exact":
        return read_or_refuse(lambda: FORMATS[exact](source, ReadOptions(), Tally()))
    return read_or_refuse(lambda: PUBLISHED[task](source, Tally()))


def fuzz(tmp_path_factory, task, name, mode):
    folder = tmp_path_factory.mktemp("fuzz")

    @given(damaged(TASKS[task][1][name].encode()))
    @settings(
        max_examples=int(os.environ.get("FUZZ_EXAMPLES", "80")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def run(data):
        read(folder, task, name, mode, data)

    run()


@EACH
def test_fuzz_paper_damaged_files_are_read_or_refused(tmp_path_factory, task, name, mode):
    fuzz(tmp_path_factory, task, name, mode)


@EACH
def test_fuzz_paper_valid_files_are_read(tmp_path, task, name, mode):
    data = TASKS[task][1][name].encode()
    count = len(read(tmp_path, task, name, mode, data))
    assert count == {"deid": 2, "cos": 2, "chemprot": 3, "phenotype": 2, "social_history": 1}[task]
    for other in (data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data):
        read(tmp_path, task, name, mode, other)


@EACH
def test_fuzz_paper_special_files(tmp_path, task, name, mode):
    data = TASKS[task][1][name].encode()
    half = len(data) // 2
    for other in (
        b"",
        b"\n",
        b"\xef\xbb\xbf",
        b"\x00",
        data[:half],
        data[:half] + b"\x00" + data[half:],
        data.replace(b"\n", b"\r"),
        data.replace(b"\n", b"\r\n", 2),
        data.replace(b"\t", b" "),
        data.replace(b",", b";"),
        data.replace(b" 3", b" 99999"),
        data.replace(b"T3", b"T1"),
        data + data,
    ):
        read(tmp_path, task, name, mode, other)
    not_utf8 = read(tmp_path, task, name, mode, data[:half] + b"\xff" + data[half:])
    assert not not_utf8 or (task, name, mode) == ("cos", "a.txt", "published")  # which reads no .txt


LONG = 10_000_000


@pytest.mark.parametrize(
    "task, name, unit",
    [
        ("deid", "id.text", b"START_OF_RECORD="),
        ("deid", "id.res", b"[**"),
        ("deid", "id.res", b"[**" + b"x" * 60 + b"**] "),
        ("cos", "a.ann", b"\t"),
        ("chemprot", "train.tsv", b'""'),
        ("phenotype", "NOTEEVENTS.csv", b'"x'),
        ("social_history", "a.txt", b"abcdefghijklmnopqrst "),
    ],
)
@pytest.mark.parametrize("mode", ["exact", "published"])
def test_fuzz_paper_one_line_of_ten_megabytes(tmp_path, task, name, unit, mode):
    if mode == "exact" and task == "social_history":
        return  # brat's own
    data = TASKS[task][1][name].encode()
    place = data.index(CANARY.encode()) if CANARY.encode() in data else len(data) // 2
    read(tmp_path, task, name, mode, data[:place] + unit * (LONG // len(unit)) + data[place:])
