"""Nothing is lost of the real corpora, where they are: pytest tests/corpus_scripts/test_real_corpora.py."""

import gzip
from pathlib import Path

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.to_docbin import convert_records
from corpus_scripts.tokenizer import make_tokenizer

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
# entities of train, dev, test as published with the files
IOB = {"bc5cdr": (9385, 9593, 9809), "ncbi_disease": (5134, 787, 960)}

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(),
    reason="the real corpora are not here (looked for ../shared/corpora beside the project)",
)


def docs_of(part, tokenize):
    result = convert_records(part.records, name=part.name, tally=part.tally, tokenize=tokenize)
    return list(DocBin().from_bytes(result.data).get_docs(Vocab())), result.report


@pytest.mark.parametrize("name", sorted(IOB))
def test_real_iob_entities_are_those_seqeval_counts(name):
    corpus = find_corpus(name)
    tokenize = make_tokenizer()
    for part, published in zip(read_corpus(corpus, CORPORA / "bio", seed=0), IOB[name]):
        sentences = gzip.decompress(part.path.read_bytes()).decode().strip("\n").split("\n\n")
        rows = [[line.split("\t") for line in sentence.split("\n")] for sentence in sentences]
        expected = [
            (label, " ".join(word for word, _ in row[start : end + 1]))
            for row in rows
            for label, start, end in get_entities([tag for _, tag in row])
        ]
        docs, report = docs_of(part, tokenize)
        assert [(ent.label_, ent.text) for doc in docs for ent in doc.ents] == expected
        assert len(expected) == published
        assert not report.dropped
        assert report.only_in_spans == 0
        assert "\n".join(doc.text for doc in docs) == "\n".join(
            " ".join(word for word, _ in row) for row in rows
        )


def test_real_social_history_keeps_every_mention():
    corpus = find_corpus("social_history")
    tokenize = make_tokenizer()
    lines = 0
    kept = 0
    for part in read_corpus(corpus, CORPORA, seed=0):
        docs, report = docs_of(part, tokenize)
        assert not report.dropped
        for doc in docs:
            base = part.path / doc.user_data["id"]
            assert doc.text == base.with_name(base.name + ".txt").read_bytes().decode()
            wanted = {}
            for line in base.with_name(base.name + ".ann").read_text(encoding="utf-8").split("\n"):
                if line.startswith("T"):
                    name, place, mention = line.split("\t")
                    wanted[name] = (place.split()[0], mention.split())
            found = {span.id_: (span.label_, span.text.split()) for span in doc.spans["gold"]}
            assert found == wanted
            lines += len(wanted)
            kept += len(doc.spans["gold"])
    assert (lines, kept) == (2671 + 765, 2671 + 765)
