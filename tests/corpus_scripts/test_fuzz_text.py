"""Any bytes in, records or a clear refusal out: pytest tests/corpus_scripts/test_fuzz_text.py.

FUZZ_EXAMPLES=3000 tries that many inputs for each format.
"""

import os
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.brat_writer import write_brat
from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.conll_exact import write_conll
from corpus_scripts.from_docbin import read_docs, to_record
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import to_doc, write_docbin
from corpus_scripts.tokenizer import make_tokenizer
from tests.corpus_scripts.fuzzing import CANARY, damaged, read_or_refuse, write

COMMON = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
IOB = (
    f"-DOCSTART-\tO\n\n{CANARY}\tB-name\nWest\tI-name\nsaw\tO\n\n😀 mm\tU-dose\nof\tO\n"
    f"-DOCSTART-\tO\n\n{CANARY}\tL-name\n"
)
SPACED = f"{CANARY} B-name\nWest I-name\n\nsaw  O\n{CANARY} I-name\n"
TEXT = f"Seen by {CANARY} West\r\nfor 😀 and\nmore {CANARY}.\n"
ANN = (
    f"T1\tname 8 24\t{CANARY} West\nT2\tsign 30 31\t😀\nT3\tname 8 19;41 52\t{CANARY} {CANARY}\n"
    f"E1\tname:T1 To:T2\nA1\tSure T1 {CANARY}\n#1\tNote T1\t{CANARY}\nN1\tReference T1 X:1\t{CANARY}\n"
    "R1\tOf Arg1:T1 Arg2:T2\n*\tEquiv T1 T2\n"
)
SPANS = (TextSpan(8, 24, "name", "T1"), TextSpan(30, 31, "sign"))


def conll(path, **options):
    return read_or_refuse(lambda: read_conll(path, ConllOptions(**options), Tally()))


def exact_bytes(folder):
    tokenize = make_tokenizer()
    records = [Record(f"n{n}", TEXT, SPANS, None, {"k": [CANARY, n]}) for n in range(2)]
    write_conll(
        (to_record(to_doc(record, tokenize, Tally()), tokens=True) for record in records), folder / "a.conll"
    )
    return (folder / "a.conll").read_bytes()


@pytest.mark.parametrize("valid", [IOB, SPACED], ids=["tabs", "spaces"])
@given(data=st.data())
@COMMON
def test_fuzz_conll(tmp_path, valid, data):
    path = write(tmp_path, "x.tsv", data.draw(damaged(valid.encode())))
    conll(path, scheme=data.draw(st.sampled_from(["auto", "iob1", "bio", "bmewo"])))
    conll(
        path,
        token_column=data.draw(st.integers(-2, 2)),
        documents=data.draw(st.sampled_from(["auto", "docstart", "file", "sentence", "2"])),
        repair=data.draw(st.sampled_from(["open", "drop", "error"])),
        given_tokens=True,
    )


@given(data=st.data())
@COMMON
def test_fuzz_conll_exact(tmp_path_factory, tmp_path, data):
    if not (tmp_path / "a.conll").exists():
        exact_bytes(tmp_path)
    path = write(tmp_path, "x.tsv", data.draw(damaged((tmp_path / "a.conll").read_bytes())))
    for record in conll(path):
        assert (record.tokens is not None) == ("lines" not in record.meta)


@given(damaged(TEXT.encode()), damaged(ANN.encode()), st.sampled_from(["text", "ann", "both"]))
@COMMON
def test_fuzz_brat(tmp_path, text, ann, which):
    write(tmp_path, "in/n.txt", text if which != "ann" else TEXT.encode())
    write(tmp_path, "in/n.ann", ann if which != "text" else ANN.encode())
    for record in read_or_refuse(lambda: read_brat(tmp_path / "in", Tally())):
        write_brat([record], tmp_path / "out")
        assert list(read_brat(tmp_path / "out", Tally())) == [record]


def docs(path):
    def read():
        for doc in read_docs(path, Vocab()):
            record = to_record(doc, name="n")
            check_record(record, where=str(path))  # as every writer does
            yield record

    return read_or_refuse(read)


@given(st.data())
@COMMON
def test_fuzz_docbin(tmp_path, data):
    whole = tmp_path / "whole.spacy"
    if not whole.exists():
        write_docbin([Record(f"n{n}", TEXT, SPANS, {"A": 0.5}, {"k": CANARY}) for n in range(3)], whole)
    packed = whole.read_bytes()
    if data.draw(st.booleans()):
        broken = data.draw(damaged(packed))
    else:  # damage that the checksum of the compression does not see
        broken = zlib.compress(data.draw(damaged(zlib.decompress(packed))))
    docs(write(tmp_path, "x.spacy", broken))


ODD = {
    "empty": b"",
    "only a mark": b"\xef\xbb\xbf",
    "mark": b"\xef\xbb\xbf" + SPACED.encode(),
    "nul": b"a\x00b\tB-x\n\x00\tO\n",
    "cr only": b"a\tB-x\rb\tO\r",
    "mixed line ends": b"a\tB-x\r\nb\tI-x\nc\tO\r\r\n\r\n",
    "latin-1": "é\tO\n".encode("latin-1"),
    "one column": f"{CANARY}\n".encode(),
    "long token": b"a" * 10_000_000 + b"\tB-x\n",
    "long line": b"a " * 5_000_000 + b"O\n",
    "many lines": b"a\tI-x\n" * 100_000,
    "deep meta": b"-DOCSTART-\tFormat=spacy-bioclinical.v1|Id=n|Meta=" + b"[" * 100_000 + b"\tO\n",
    "no id": b"-DOCSTART-\tFormat=spacy-bioclinical.v1\tO\n\na\t_\tO\n",
    "bad escape": b"-DOCSTART-\tFormat=spacy-bioclinical.v1|Id=n\\q\tO\n\na\t_\tO\n",
    "text as space": b"-DOCSTART-\tFormat=spacy-bioclinical.v1|Id=n\tO\n\na\tSpacesAfter=x\tO\n",
}


@pytest.mark.parametrize("name", ODD)
def test_fuzz_odd_token_files(tmp_path, name):
    found = conll(write(tmp_path, "x.tsv", ODD[name]))
    assert bool(found) == (
        name in ("mark", "nul", "mixed line ends", "long token", "long line", "many lines")
    )
    docs(write(tmp_path, "x.spacy", ODD[name]))


@pytest.mark.parametrize("name", ODD)
def test_fuzz_odd_brat_files(tmp_path, name):
    write(tmp_path, "n.txt", ODD[name])
    write(tmp_path, "n.ann", b"")
    read_or_refuse(lambda: read_brat(tmp_path, Tally()))
    write(tmp_path, "n.ann", ODD[name])
    read_or_refuse(lambda: read_brat(tmp_path, Tally()))


@pytest.mark.parametrize(
    "offsets", ["0 9999", "99999999999999999999 99999999999999999999999", "5 5", "8 3", "0 1;0 1"]
)
def test_fuzz_brat_offsets_outside(tmp_path, offsets):
    write(tmp_path, "n.txt", TEXT.encode())
    write(tmp_path, "n.ann", f"T1\tname {offsets}\t{CANARY}\n".encode())
    assert not read_or_refuse(lambda: read_brat(tmp_path, Tally()))


def test_fuzz_docbin_mention_outside_its_document(tmp_path):
    """spaCy itself reads memory that is none of the Doc's here."""
    nlp = make_tokenizer()
    docbin = DocBin(store_user_data=True)
    docbin.add(to_doc(Record("n", "one two three", (TextSpan(8, 13, "x"),)), nlp, Tally()))
    docbin.tokens[0] = docbin.tokens[0][:1]
    docbin.spaces[0] = docbin.spaces[0][:1]
    docbin.to_disk(tmp_path / "x.spacy")
    with pytest.raises(ValueError, match=r"BC620.*IndexError"):
        list(read_docs(tmp_path / "x.spacy", Vocab()))
