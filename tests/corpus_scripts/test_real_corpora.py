"""Nothing is lost of the real corpora, where they are: pytest tests/corpus_scripts/test_real_corpora.py."""

import gzip
from pathlib import Path

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.from_docbin import read_docs
from corpus_scripts.join import Length, join_file
from corpus_scripts.to_docbin import convert_records, write_docbin
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


@pytest.mark.skipif(
    not (CORPORA / "mtsamples").is_dir(), reason="MTSamples is not among the real corpora here"
)
def test_real_notes_are_joined_without_a_loss(tmp_path):
    records = {
        record.id: record
        for part in read_corpus(find_corpus("mtsamples"), CORPORA / "mtsamples", seed=0)
        if part.name == "dev"
        for record in part.records
    }
    write_docbin(records.values(), tmp_path / "dev.spacy")
    part = join_file(tmp_path / "dev.spacy", tmp_path / "long.spacy", length=Length(words=2600), seed=0)
    part.commit()
    seen = []
    for doc in read_docs(tmp_path / "long.spacy", Vocab()):
        sources = doc.user_data["meta"]["joined"]
        seen += [source["id"] for source in sources]
        assert doc.text == "\n\n".join(records[source["id"]].text for source in sources)
        for source in sources:
            assert doc.text[source["start"] : source["end"]] == records[source["id"]].text
        positive = {
            label for source in sources for label, value in records[source["id"]].labels.items() if value
        }
        assert {label for label, value in doc.cats.items() if value} == positive
        assert len(sources) == 1 or sum(not token.text.isspace() for token in doc) <= 2600
    assert sorted(seen) == sorted(records)
    assert part.report.documents < len(records) / 3
