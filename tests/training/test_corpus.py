"""The sharded reader: what spaCy's reader yields, in orders that a seed decides; exact weights, bounded memory."""

import gc
import inspect
from collections import Counter
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.training.loop import create_train_batches
from spacy.util import registry

from spacy_bioclinical.training.corpus import build_sharded_corpus_v1
from spacy_bioclinical.training.shards import iter_docs, shards_of

NLP = spacy.blank("en")


def invented(name, n_tokens=4, **kwargs):
    words = [name, "was", "seen.", *["Again."] * (n_tokens - 3)]
    doc = Doc(NLP.vocab, words=words, sent_starts=[True, False, False, *[True] * (n_tokens - 3)], **kwargs)
    doc.set_ents([Span(doc, 0, 1, label="NAME")])
    doc.cats = {"SEEN": 1.0}
    doc.user_data["id"] = name
    return doc


def write(path, names, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    docs = [invented(name, **kwargs) if isinstance(name, str) else name for name in names]
    DocBin(store_user_data=True, docs=docs).to_disk(path)
    return str(path)


def write_shards(folder, n_docs, shard_size, prefix="d"):
    for number, first in enumerate(range(0, n_docs, shard_size), 1):
        names = [f"{prefix}{index}" for index in range(first, min(n_docs, first + shard_size))]
        write(folder / f"{number:05}.spacy", names)
    return str(folder)


def epoch(reader):
    return [eg.reference.user_data["id"] for eg in reader(NLP)]


def as_data(eg):
    return eg.to_dict(), eg.predicted.to_bytes(), eg.reference.to_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"limit": 3},
        {"max_length": 6},
        {"gold_preproc": True},
        {"max_length": 3, "gold_preproc": True},
        {"augmenter": registry.get("augmenters", "spacy.lower_case.v1")(level=1.0)},
    ],
    ids=list,
)
def test_unshuffled_reader_yields_what_spacys_reader_yields(tmp_path, settings):
    unknown = invented("Odd")
    unknown.has_unknown_spaces = True
    bare = Doc(NLP.vocab, words=["No", "sentences", *["here"] * 9])
    path = write(tmp_path / "x.spacy", ["Quill", invented("Orme", 9), Doc(NLP.vocab), unknown, bare, "Vane"])
    ours = build_sharded_corpus_v1(path=path, **settings)
    expected = [as_data(eg) for eg in Corpus(path, **settings)(NLP)]
    assert expected
    assert [as_data(eg) for eg in ours(NLP)] == expected
    assert [as_data(eg) for eg in ours(NLP)] == expected, "the second epoch is the first again"


def test_unshuffled_folder_comes_in_the_order_of_its_shards(tmp_path):
    folder = write_shards(tmp_path / "train.spacy", 25, 4)
    write(tmp_path / "train.spacy" / ".00009.spacy.part.spacy", ["half written"])
    expected = [eg.reference.user_data["id"] for eg in Corpus(folder)(NLP)]
    assert epoch(build_sharded_corpus_v1(path=folder)) == expected == [f"d{index}" for index in range(25)]
    assert [doc.user_data["id"] for doc in iter_docs(folder, NLP.vocab)] == expected
    first, second = write_shards(tmp_path / "a", 3, 2, "a"), write_shards(tmp_path / "b", 2, 2, "b")
    assert epoch(build_sharded_corpus_v1(path=[first, second])) == ["a0", "a1", "a2", "b0", "b1"]


@pytest.mark.parametrize("buffer", [1, 7, 1000])
def test_each_epoch_is_another_permutation_that_the_seed_decides(tmp_path, buffer):
    folder = write_shards(tmp_path / "train.spacy", 40, 9)
    first = build_sharded_corpus_v1(path=folder, shuffle=True, seed=3, buffer=buffer)
    again = build_sharded_corpus_v1(path=folder, shuffle=True, seed=3, buffer=buffer)
    orders = [epoch(first) for _ in range(4)]
    assert [epoch(again) for _ in range(4)] == orders
    other = epoch(build_sharded_corpus_v1(path=folder, shuffle=True, seed=4, buffer=buffer))
    for order in [*orders, other]:
        assert sorted(order) == sorted(f"d{index}" for index in range(40))
    assert len({tuple(order) for order in [*orders, other]}) == 5


def test_one_file_is_permuted_without_a_buffer(tmp_path):
    path = write(tmp_path / "x.spacy", [f"d{index}" for index in range(200)])
    order = epoch(build_sharded_corpus_v1(path=path, shuffle=True, buffer=1))
    first_half = sum(int(name[1:]) < 100 for name in order[:100])
    assert 30 < first_half < 70


@pytest.mark.parametrize("shuffle", [False, True])
def test_weights_say_how_often_each_document_is_seen(tmp_path, shuffle):
    paths = {
        write_shards(tmp_path / "a", 20, 6, "a"): 2.0,
        write_shards(tmp_path / "b", 21, 5, "b"): 0.5,
        write_shards(tmp_path / "c", 10, 10, "c"): 1.25,
    }
    reader: Any = build_sharded_corpus_v1(path=paths, shuffle=shuffle, buffer=4)
    halves, seen = [], Counter[str]()
    for number in range(30):
        counts = Counter(doc.user_data["id"] for doc in reader.docs(NLP.vocab, number))
        seen.update(counts)
        by_source = {prefix: [n for name, n in counts.items() if name[0] == prefix] for prefix in "abc"}
        assert by_source["a"] == [2] * 20
        assert set(by_source["b"]) == {1}
        assert len(by_source["b"]) in (10, 11)
        assert set(by_source["c"]) == {1, 2}
        assert sum(by_source["c"]) in (12, 13)
        halves.append(frozenset(name for name in counts if name[0] == "b"))
    assert len(set(halves)) > 25, "another half each epoch"
    times = [seen[f"b{index}"] for index in range(21)]
    assert min(times) > 4
    assert max(times) < 26
    assert abs(sum(times) / 21 / 30 - 0.5) < 0.02


def test_sources_are_mixed_evenly_over_the_epoch(tmp_path):
    paths = {write_shards(tmp_path / "a", 150, 40, "a"): 1.0, write_shards(tmp_path / "b", 50, 40, "b"): 2.0}
    order = epoch(build_sharded_corpus_v1(path=paths, shuffle=True, buffer=8))
    assert len(order) == 250
    for start in range(0, 250, 50):
        assert 8 <= sum(name[0] == "b" for name in order[start : start + 50]) <= 32


def test_limit_counts_documents_after_mixing(tmp_path):
    paths = [write_shards(tmp_path / "a", 30, 7, "a"), write_shards(tmp_path / "b", 30, 7, "b")]
    order = epoch(build_sharded_corpus_v1(path=paths, shuffle=True, limit=20))
    assert len(order) == 20
    assert {name[0] for name in order} == {"a", "b"}


@pytest.mark.parametrize("shuffle", [False, True])
def test_live_docs_are_bounded_by_the_buffer(tmp_path, shuffle):
    paths = [write_shards(tmp_path / "a", 120, 30, "a"), write_shards(tmp_path / "b", 120, 30, "b")]
    reader = build_sharded_corpus_v1(path=paths, shuffle=shuffle, buffer=10)
    gc.collect()
    before = sum(isinstance(thing, Doc) for thing in gc.get_objects())
    assert before < 1000
    live = []
    for number, eg in enumerate(reader(NLP)):
        del eg
        if number in (5, 100, 180, 238):
            live.append(sum(isinstance(thing, Doc) for thing in gc.get_objects()) - before)
    assert number == 239
    assert len(live) == 4
    bound = 10 if shuffle else 0
    assert bound - 3 <= max(live) <= bound + 6  # and the pair in hand, and what generators hold


def test_wrong_paths_and_damaged_shards_are_named(tmp_path):
    folder = tmp_path / "train.spacy"
    write_shards(folder, 12, 4)
    with pytest.raises(ValueError, match=r"BC450.*nowhere"):
        epoch(build_sharded_corpus_v1(path=str(tmp_path / "nowhere.spacy")))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"BC450.*not a .spacy file"):
        shards_of(tmp_path / "notes.txt")
    nothing: tuple = (None, [], {})
    for path in nothing:
        with pytest.raises(ValueError, match="BC450"):
            build_sharded_corpus_v1(path=path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"BC451.*empty"):
        epoch(build_sharded_corpus_v1(path=str(tmp_path / "empty")))
    whole = (folder / "00002.spacy").read_bytes()
    for damage in (whole[:-20], b"", b"not a shard", whole[:40] + b"\0\0\0" + whole[43:]):
        (folder / "00002.spacy").write_bytes(damage)
        with pytest.raises(ValueError, match=r"BC452.*00002\.spacy"):
            epoch(build_sharded_corpus_v1(path=str(folder)))
    (folder / "00002.spacy").write_bytes(whole)
    for settings in ({"buffer": 0}, {"limit": -1}, {"max_length": -1}):
        with pytest.raises(ValueError, match="BC453"):
            build_sharded_corpus_v1(path=str(folder), **settings)  # type: ignore[arg-type]
    for weight in (0, -1.0, float("nan"), float("inf"), True):
        with pytest.raises(ValueError, match="BC453"):
            build_sharded_corpus_v1(path={str(folder): weight})
    with pytest.raises(ValueError, match="BC453"):
        build_sharded_corpus_v1(path=[str(folder), str(folder)])


@pytest.mark.parametrize("shuffle", [False, True])
def test_source_without_documents_is_an_error_not_a_smaller_mix(tmp_path, shuffle):
    nothing, some = write(tmp_path / "nothing.spacy", []), write(tmp_path / "some.spacy", ["Quill"])
    for path in (nothing, [some, nothing]):
        with pytest.raises(ValueError, match=r"BC454.*nothing"):
            epoch(build_sharded_corpus_v1(path=path, shuffle=shuffle))


def one_by_one(examples: Any) -> Any:
    return ([eg] for eg in examples)


def test_spacys_training_loop_gets_a_new_order_each_epoch(tmp_path):
    folder = write_shards(tmp_path / "train.spacy", 30, 8)
    reader = build_sharded_corpus_v1(path=folder, shuffle=True)
    batches: Any = create_train_batches(NLP, reader, one_by_one, -1)
    orders: dict = {}
    for number, batch in batches:
        if number == 3:
            break
        orders.setdefault(number, []).append(batch[0].reference.user_data["id"])
    assert [len(order) for order in orders.values()] == [30] * 3
    assert len({tuple(order) for order in orders.values()}) == 3
    assert len({frozenset(order) for order in orders.values()}) == 1


def test_registered_arguments_are_named_and_annotated():
    for parameter in inspect.signature(build_sharded_corpus_v1).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert not isinstance(parameter.annotation, str)


@pytest.mark.parametrize("form", ["text", "list", "dict"])
def test_config_takes_every_form_of_path(tmp_path, form):
    path = write(tmp_path / "x.spacy", ["Quill", "Orme"])
    registry.readers("test-only.ShardedCorpus.v1", func=build_sharded_corpus_v1)
    given = {"text": path, "list": [path], "dict": {path: 1.0}}[form]
    config = {"train": {"@readers": "test-only.ShardedCorpus.v1", "path": given, "shuffle": True}}
    assert sorted(epoch(registry.resolve(config)["train"])) == ["Orme", "Quill"]
