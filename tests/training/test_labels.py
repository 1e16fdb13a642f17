"""Labels of a streamed corpus: all of them, also those beyond the examples spaCy initializes from."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.util import load_config_from_str, load_model_from_config

from spacy_bioclinical.training.labels import build_corpus_labels_v1

NLP = spacy.blank("en")
CONFIG = """
[paths]
train = null
[nlp]
lang = "en"
pipeline = ["seen"]
[components]
[components.seen]
factory = "textcat_multilabel"
[components.seen.model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = false
length = 256
ngram_size = 1
no_output_layer = false
[corpora]
[corpora.train]
@readers = "spacy-bioclinical.ShardedCorpus.v1"
path = ${paths.train}
shuffle = false
seed = 0
[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}
[training]
max_epochs = -1
[initialize]
[initialize.components]
[initialize.components.seen]
[initialize.components.seen.labels]
@readers = "spacy-bioclinical.CorpusLabels.v1"
path = ${paths.train}
kind = "cats"
"""


def filled(shards, **without):
    config = load_config_from_str(CONFIG, overrides={"paths.train": shards}, interpolate=True)
    config["initialize"] = {**config["initialize"], **without}
    return load_model_from_config(config, auto_fill=True).config


@pytest.fixture
def shards(tmp_path):
    """500 documents in two shards, each with labels of its own."""
    folder = tmp_path / "train.spacy"
    folder.mkdir()
    for shard in range(2):
        docs = DocBin(store_user_data=True)
        for number in range(250):
            doc = Doc(NLP.vocab, words=["Quill", "came", "late."])
            doc.set_ents([Span(doc, 0, 1, label="LATE" if shard and number == 249 else "NAME")])
            doc.cats = {"A": 1.0, "B": 0.0} if shard else {"C": 1.0, "D": 0.0}
            doc.spans["gold"] = [Span(doc, 0, 2, label="WIDE")]
            docs.add(doc)
        docs.to_disk(folder / f"{shard + 1:05}.spacy")
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "expected"), [("ents", ["LATE", "NAME"]), ("cats", ["A", "B", "C", "D"]), ("spans", ["WIDE"])]
)
def test_labels_of_all_shards(shards, kind, expected):
    assert build_corpus_labels_v1(path=shards, kind=kind) == expected


def test_unknown_kind_and_corpus_without_labels_are_refused(shards, tmp_path):
    with pytest.raises(ValueError, match=r"BC102.*ents, cats, spans"):
        build_corpus_labels_v1(path=shards, kind="tags")
    DocBin(docs=[Doc(NLP.vocab, words=["Nothing"])]).to_disk(tmp_path / "x.spacy")
    with pytest.raises(ValueError, match="BC455"):
        build_corpus_labels_v1(path=str(tmp_path / "x.spacy"), kind="cats")


def test_streamed_training_knows_labels_spacy_would_not_see(shards):
    assert set(init_nlp(filled(shards)).get_pipe("seen").labels) == {"A", "B", "C", "D"}
    assert len(init_nlp(filled(shards, components={})).get_pipe("seen").labels) == 2
