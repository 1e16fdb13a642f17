"""Joined documents say what their sources said, in the same places: pytest tests/corpus_scripts/test_join.py."""

import json

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from typer.testing import CliRunner

from corpus_scripts.from_docbin import read_docs, to_record
from corpus_scripts.join import Length, app, join_corpus, join_file, plan
from corpus_scripts.joined_doc import join_cats
from corpus_scripts.record import Record, TextSpan, check_record
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import to_doc, write_docbin
from corpus_scripts.tokenizer import make_tokenizer

TEXTS = (
    "Orrin of Quarrytown, seen by Dr. Orme",
    "  No fever.\n\nLungs clear\n",
    "Ünal’s pain 😀 is gone ",
    "Quarrytown clinic",
)


def note(number, **facts):
    """A note with a mention in another, a discontinuous one and one without a name, and what meta says of them."""
    text = f"{TEXTS[number % 4]} {number}{' again' * (number % 7)}"
    end = len(text)
    spans = (
        TextSpan(0, end, "note", "T1"),
        TextSpan(end - 1, end, "number"),
        TextSpan(2, 4, "part", "T2"),
        TextSpan(6, 9, "part", "T2"),
    )
    meta = {"discontinuous": ["T2"], "relations": [{"id": "R1", "args": ["T1", "T2"]}], "line": number}
    labels = {"odd": float(number % 2), "third": 1.0} if number % 3 == 0 else {"odd": float(number % 2)}
    facts = {"spans": spans, "labels": labels, "meta": meta, **facts}
    return Record(f"note-{number:02d}", text, **facts)


@pytest.fixture
def source(tmp_path):
    write_docbin([note(number) for number in range(30)], tmp_path / "notes.spacy")
    return tmp_path / "notes.spacy"


def joined(path, name="long.spacy", *, documents=None, words=None, seed=0, **options):
    output = path.parent / name
    part = join_file(path, output, length=Length(documents, words), seed=seed, **options)
    assert not output.exists()
    part.commit()
    return docs_of(output), part.report


def docs_of(path):
    return list(read_docs(path, Vocab()))


def sources_of(doc):
    return doc.user_data["meta"]["joined"]


def ids(docs):
    return [[entry["id"] for entry in sources_of(doc)] for doc in docs]


def own_docs(tmp_path, docs, name="own.spacy"):
    (tmp_path / name).write_bytes(DocBin(store_user_data=True, docs=docs).to_bytes())
    return tmp_path / name


def words_of(doc):
    return sum(not token.text.isspace() for token in doc)


def test_join_gives_every_text_token_and_mention_back(source):
    before = {doc.user_data["id"]: doc for doc in docs_of(source)}
    docs, report = joined(source, words=40)
    assert sorted(name for group in ids(docs) for name in group) == sorted(before)
    assert 1 < len(docs) < 30
    for doc in docs:
        entries = sources_of(doc)
        assert doc.text == "\n\n".join(before[entry["id"]].text for entry in entries)
        tokens, spans, ents = [], [], []
        for number, entry in enumerate(entries, start=1):
            old = before[entry["id"]]
            assert doc.text[entry["start"] : entry["end"]] == old.text
            tokens += [*(["\n\n"] if tokens else []), *(token.text_with_ws for token in old)]
            for found, moved in ((old.spans["gold"], spans), (old.ents, ents)):
                for span in found:
                    name = f"{number}:{span.id_}" if span.id_ else ""
                    at = entry["start"] + span.start_char
                    moved.append((at, at + len(span.text), span.label_, name, span.text))
            assert entry["meta"] == old.user_data["meta"]
        assert [token.text_with_ws for token in doc] == tokens
        assert [shape(span) for span in doc.spans["gold"]] == spans
        assert [shape(ent) for ent in doc.ents] == ents
        expected = [f"{number}:T2" for number in range(1, len(entries) + 1)]
        assert list(doc.user_data["meta"]["discontinuous"]) == expected
        assert doc.user_data["id"] == f"{entries[0]['id']}+{len(entries) - 1}"
        check_record(to_record(doc))
    assert (report.spans, report.ents) == ({"note": 30, "number": 30, "part": 60}, {"note": 30})
    assert report.options == {"documents": None, "words": 40, "joined": 30}


def shape(span):
    return span.start_char, span.end_char, span.label_, span.id_, span.text


def test_joined_documents_survive_a_record_and_back(source):
    tally = Tally()
    for doc in joined(source, documents=4)[0]:
        again = to_doc(to_record(doc), make_tokenizer(), tally)
        assert again.text == doc.text
        assert [shape(span) for span in again.spans["gold"]] == [shape(span) for span in doc.spans["gold"]]
        assert again.cats == doc.cats
    assert not tally.dropped


def test_join_by_words_fills_each_document_up_to_the_limit(source):
    size = {doc.user_data["id"]: words_of(doc) for doc in docs_of(source)}
    docs, _ = joined(source, words=25)
    for doc, following in zip(docs, [*docs[1:], None]):
        assert words_of(doc) == sum(size[name] for name in ids([doc])[0]) <= 25
        if following is not None:
            assert words_of(doc) + size[ids([following])[0][0]] > 25


def test_longer_documents_stand_alone(source):
    docs, _ = joined(source, words=1)
    assert all(len(group) == 1 for group in ids(docs))
    assert len(docs) == 30
    # Between two short ones a long one joins neither.
    length = Length(words=5)
    for names in ("abcd", "dbca"):
        sizes = [9 if name == "b" else 1 for name in names]
        assert [names.index("b")] in plan(names, sizes, length, seed=0)


def test_join_by_documents_takes_that_many(source):
    docs, _ = joined(source, documents=7)
    assert [len(group) for group in ids(docs)] == [7, 7, 7, 7, 2]


def test_join_is_decided_by_ids_and_seed_not_by_the_order(source, tmp_path):
    docs, _ = joined(source, documents=5)
    write_docbin([note(number) for number in reversed(range(30))], tmp_path / "turned.spacy")
    assert ids(joined(tmp_path / "turned.spacy", "b.spacy", documents=5)[0]) == ids(docs)
    assert ids(joined(source, "c.spacy", documents=5, seed=1)[0]) != ids(docs)
    joined(source, "d.spacy", documents=5)
    assert (tmp_path / "d.spacy").read_bytes() == (tmp_path / "long.spacy").read_bytes()
    # Whatever is added, the others keep their order.
    write_docbin([note(number) for number in range(33)], tmp_path / "more.spacy")
    more = [
        name for group in ids(joined(tmp_path / "more.spacy", "e.spacy", documents=5)[0]) for name in group
    ]
    known = {name for group in ids(docs) for name in group}
    assert [name for name in more if name in known] == [name for group in ids(docs) for name in group]


def test_plan_is_the_same_everywhere():
    # A golden value: if it changes, long documents can no longer be compared with earlier ones.
    assert plan(list("abcdef"), [3] * 6, Length(words=7), seed=0) == [[5, 3], [2, 4], [0, 1]]


def test_joined_categories_are_known_or_missing():
    positive, negative, nothing = {"x": 1.0}, {"x": 0.0}, {}
    assert join_cats([negative, positive, nothing]) == {"x": 1.0}
    assert join_cats([negative, negative]) == {"x": 0.0}
    assert join_cats([negative, nothing]) == {}
    assert join_cats([{"x": 0.3}, {"x": 0.1}]) == {"x": 0.3}
    assert join_cats([nothing]) == {}
    assert list(join_cats([{"b": 1.0, "a": 1.0}, {"c": 1.0}])) == ["b", "a", "c"]


def test_join_counts_classes_that_no_longer_exclude_each_other(tmp_path):
    rows = [note(n, labels={"yes": float(n % 2), "no": float(1 - n % 2)}) for n in range(20)]
    write_docbin(rows, tmp_path / "one.spacy")
    docs, report = joined(tmp_path / "one.spacy", documents=4)
    several = sum(doc.cats == {"yes": 1.0, "no": 1.0} for doc in docs)
    assert several
    assert report.repaired == {"exclusive_classes_joined": several}
    rows[3] = note(3, labels={"yes": 1.0, "no": 1.0})
    write_docbin(rows, tmp_path / "many.spacy")
    assert not joined(tmp_path / "many.spacy", "b.spacy", documents=4)[1].repaired


def test_spans_nobody_looked_for_stay_missing(tmp_path):
    write_docbin([note(n, spans=None, meta={}) for n in range(6)], tmp_path / "cats.spacy")
    for doc in joined(tmp_path / "cats.spacy", documents=3)[0]:
        assert "gold" not in doc.spans
        assert not doc.has_annotation("ENT_IOB")
        assert to_record(doc).spans is None
    write_docbin([note(n, spans=(), meta={}) for n in range(6)], tmp_path / "none.spacy")
    for doc in joined(tmp_path / "none.spacy", "b.spacy", documents=3)[0]:
        assert to_record(doc).spans == ()
        assert all(token.ent_iob_ == "O" for token in doc)


def test_given_tokens_are_kept(tmp_path):
    records = [Record(f"d{n}", "a-b c", (), tokens=((0, 1), (1, 2), (2, 3), (4, 5))) for n in range(2)]
    write_docbin(records, tmp_path / "given.spacy")
    [doc] = joined(tmp_path / "given.spacy", documents=2)[0]
    assert [token.text for token in doc] == ["a", "-", "b", "c", "\n\n", "a", "-", "b", "c"]
    assert doc.user_data["tokens"] == "given"
    assert [token.text for token in to_doc(to_record(doc), make_tokenizer(), Tally())] == [
        t.text for t in doc
    ]


def test_sentences_heads_and_all_else_that_a_doc_holds_are_kept(tmp_path):
    vocab = Vocab()
    docs = []
    for name in "abc":
        doc = Doc(
            vocab, words=["She", "came", ".", "Ada", "left"], spaces=[True, False, True, True, False],
            heads=[1, 1, 1, 4, 4], deps=["nsubj", "ROOT", "punct", "nsubj", "ROOT"], lemmas=list("vwxyz"),
            pos=["PRON", "VERB", "PUNCT", "PROPN", "VERB"], ents=["O", "O", "O", "B-name", "O"],
        )  # fmt: skip
        doc.spans["other"] = [Span(doc, 0, 2, label="whole", kb_id="K", span_id=f"S{name}")]
        doc.spans["other"].attrs["made"] = "by hand"
        doc.user_data["note"] = name
        doc.user_data["._.", "seen", 4, 8] = name
        docs.append(doc)
    [doc] = joined(own_docs(tmp_path, docs), documents=3)[0]
    order = [int(entry["id"].split()[1]) for entry in sources_of(doc)]  # ids are "document 0", …
    assert [entry["user_data"]["note"] for entry in sources_of(doc)] == ["abc"[number] for number in order]
    sentences = [sent.text.strip() for sent in doc.sents]
    assert sentences == ["She came.", "Ada left"] * 3
    for start, entry in zip((0, 6, 12), sources_of(doc)):
        part = doc[start : start + 5]
        assert [token.head.i - start for token in part] == [1, 1, 1, 4, 4]
        assert [token.dep_ for token in part] == ["nsubj", "ROOT", "punct", "nsubj", "ROOT"]
        assert [token.lemma_ for token in part] == list("vwxyz")
        assert [token.pos_ for token in part] == ["PRON", "VERB", "PUNCT", "PROPN", "VERB"]
        assert (
            doc.user_data["._.", "seen", entry["start"] + 4, entry["start"] + 8] == entry["user_data"]["note"]
        )
    assert [ent.text for ent in doc.ents] == ["Ada"] * 3
    found = [(span.start, span.end, span.label_, span.kb_id_, span.id_) for span in doc.spans["other"]]
    expected = [(6 * n, 6 * n + 2, "whole", "K", f"{n + 1}:S{'abc'[order[n]]}") for n in range(3)]
    assert found == expected
    assert doc.spans["other"].attrs == {"made": "by hand"}
    assert doc.user_data["tokens"] == "given"


def test_documents_without_text_take_no_part_of_another(tmp_path):
    vocab = Vocab()
    docs = [Doc(vocab), Doc(vocab, words=["Only", "Ada"], sent_starts=[True, False]), Doc(vocab)]
    [doc] = joined(own_docs(tmp_path, docs), documents=3)[0]
    assert sorted(doc.text[entry["start"] : entry["end"]] for entry in sources_of(doc)) == [
        "",
        "",
        "Only Ada ",
    ]
    assert doc.text.count("\n\n") == 2
    assert [token.text for token in doc if token.text.strip()] == ["Only", "Ada"]


def test_joined_documents_can_be_joined_again(source, tmp_path):
    joined(source, "pairs.spacy", documents=2)
    [doc] = joined(tmp_path / "pairs.spacy", "all.spacy", documents=99)[0]
    texts = {old.user_data["id"]: old.text for old in docs_of(source)}
    for outer in sources_of(doc):
        for inner in outer["meta"]["joined"]:
            start = outer["start"] + inner["start"]
            assert doc.text[start : start + len(texts[inner["id"]])] == texts[inner["id"]]
    labelled = {(span.label_, span.id_) for span in doc.spans["gold"] if span.id}
    assert len(labelled) == 60
    assert ("part", "15:2:T2") in labelled


def test_join_of_shards_into_shards_is_that_of_one_file(source, tmp_path):
    docs, _ = joined(source, words=30)
    whole = [(doc.text, doc.cats, [shape(span) for span in doc.spans["gold"]]) for doc in docs]
    joined(source, "shards.spacy", documents=1, characters=100)
    assert (tmp_path / "shards.spacy").is_dir()
    many, report = joined(source, "many.spacy", words=30, characters=100)
    assert report.shards == len(list((tmp_path / "many.spacy").iterdir())) > 1
    assert [(doc.text, doc.cats, [shape(span) for span in doc.spans["gold"]]) for doc in many] == whole
    again, _ = joined(tmp_path / "many.spacy", "again.spacy", documents=99)
    assert sum(len(entry["meta"]["joined"]) for entry in sources_of(again[0])) == 30


def corpus(folder):
    for name, numbers in (("train", range(20)), ("dev", range(20, 26)), ("test", range(26, 33))):
        write_docbin([note(number) for number in numbers], folder / f"{name}.spacy")
    return folder


def test_parts_of_a_corpus_are_joined_each_by_itself(tmp_path):
    source = corpus(tmp_path / "short")
    output = tmp_path / "long"
    arguments = [str(source), "--output", str(output), "--seed", "3", "--words", "30"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()[:4]] == ["file", "train", "dev", "test"]
    for name in ("train", "dev", "test"):
        before = {doc.user_data["id"] for doc in docs_of(source / f"{name}.spacy")}
        after = ids(docs_of(output / f"{name}.spacy"))
        assert {name for group in after for name in group} == before
        report = json.loads((output / f"{name}.report.json").read_text())
        assert (report["seed"], report["documents"]) == (3, len(after))
        assert report["options"]["words"] == 30
        assert report["sources"][0]["name"] == f"{name}.spacy"
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_a_damaged_part_leaves_nothing(tmp_path):
    source = corpus(tmp_path / "short")
    (source / "test.spacy").write_bytes(b"no DocBin")
    with pytest.raises(ValueError, match="BC620"):
        join_corpus(source, tmp_path / "long", length=Length(documents=2), seed=0)
    assert not (tmp_path / "long").exists() or not list((tmp_path / "long").iterdir())


@pytest.mark.parametrize(
    ("options", "said"), [([], "Neither"), (["--words", "5", "--documents", "5"], "Both")]
)
def test_command_wants_exactly_one_length(source, options, said):
    result = CliRunner().invoke(app, [str(source), "--output", "x.spacy", "--seed", "0", *options])
    assert result.exit_code == 1
    assert "BC672" in result.output
    assert said in result.output


def test_outputs_over_the_source_or_without_place_are_refused(source, tmp_path):
    parts = corpus(tmp_path / "parts")
    mixed = corpus(tmp_path / "mixed")
    (mixed / "00001.spacy").write_bytes(source.read_bytes())
    for start, end in (
        (source, source), (source, tmp_path / "folder"), (parts, parts), (parts, parts / "long"),
        (parts, tmp_path / "x.spacy"), (mixed, tmp_path / "y"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="BC674"):
            join_corpus(start, end, length=Length(words=9), seed=0)


def test_sources_that_cannot_be_joined_are_refused(tmp_path):
    with pytest.raises(ValueError, match="BC675"):
        joined(own_docs(tmp_path, []), documents=2)
    twice = [to_doc(note(1), make_tokenizer(), Tally()) for _ in range(2)]
    with pytest.raises(ValueError, match=r"BC603.*'note-01'"):
        joined(own_docs(tmp_path, twice), documents=2)
    write_docbin([note(1), note(2, spans=None), note(3)], tmp_path / "half.spacy")
    with pytest.raises(ValueError, match=r'BC673.*doc.spans\["gold"\].*note-02'):
        joined(tmp_path / "half.spacy", documents=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="BC620"):
        joined(tmp_path / "empty", documents=2)
    assert not list(tmp_path.glob("long*"))
    assert not list(tmp_path.glob(".*"))
