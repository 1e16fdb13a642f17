"""The corpus doctor: every planted flaw is found and counted, and a clean corpus has none."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_bioclinical.cli.debug_corpus.edges import TokenEdges
from spacy_bioclinical.cli.debug_corpus.findings import FAIL, GOOD, judge
from spacy_bioclinical.cli.debug_corpus.fingerprints import Fingerprints
from spacy_bioclinical.cli.debug_corpus.mentions import Mention, mentions_of, oddities
from spacy_bioclinical.cli.debug_corpus.survey import Options, survey_files
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.cli.planted import DRUGS, NLP, clean, copy_of, invented, letters, with_ents


@pytest.fixture
def examine(tmp_path):
    """Write Docs as files, survey and judge them."""

    def run(least=1, **files_and_options):
        options = {
            key: files_and_options.pop(key) for key in ("group", "encoder") if key in files_and_options
        }
        paths = []
        for name, docs in files_and_options.items():
            paths.append(tmp_path / f"{name}.spacy")
            DocBin(store_user_data=True, docs=docs).to_disk(paths[-1])
        survey = survey_files(paths, Options(**options))
        return survey, judge(survey, least)

    return run


def topics(findings):
    return {finding.topic for finding in findings if finding.severity != GOOD}


def cell(survey, here, there):
    for found in survey.report["duplicates"]:
        if [Path(name).stem for name in found["files"]] == [here, there]:
            return found
    raise AssertionError(f"no cell {here}, {there}")


def test_clean_corpus_has_no_findings(examine):
    survey, findings = examine(least=10, train=clean(1, "a"), dev=clean(2, "b", 20), test=clean(3, "c", 20))
    assert topics(findings) == set()
    assert len(findings) >= 6, "what is good is said too"
    assert survey.report["together"]["documents"] == 100
    assert survey.report["together"]["labels"]["ents"] == {"DRUG": {"count": 100, "share": 1.0}}
    assert survey.report["together"]["mention_lengths"] == {"1": 100}


def test_leakage_is_found_at_its_closest_level(examine):
    train, test = clean(1, "a"), clean(2, "b", 30)
    train[7] = copy_of(train[7], "a7", words=["17" if i == 9 else t.text for i, t in enumerate(train[7])])
    numbers = ["9" if i == 9 else t.text for i, t in enumerate(train[7])]
    upper = [token.text.upper() for token in train[6]]
    train[8] = invented("a8", random.Random(9), n_words=90)
    near = ["other" if i == 20 else token.text for i, token in enumerate(train[8])]  # similarity 87 / 97
    far = ["other" if i in (3, 12, 21, 30) else token.text for i, token in enumerate(train[9])]
    test[:5] = [
        copy_of(train[5], "exact"),
        copy_of(train[6], "upper", words=upper),
        copy_of(train[7], "numbers", words=numbers),
        copy_of(train[8], "near", words=near),
        copy_of(train[9], "far", words=far),
    ]
    survey, findings = examine(train=train, test=test)
    found = cell(survey, "train", "test")
    assert found["levels"] == {"exact": 1, "same words": 1, "but for numbers": 1, "near": 1}
    assert [pair[:3] for pair in found["pairs"]] == [
        ["a5", "exact", "exact"],
        ["a6", "upper", "same words"],
        ["a7", "numbers", "but for numbers"],
        ["a8", "near", "near"],
    ]
    assert found["documents"] == found["documents_of_first"] == 4
    assert found["share"] == pytest.approx(4 / 30, abs=1e-5)
    assert any(finding.severity == FAIL and finding.topic == "leakage" for finding in findings)
    assert cell(survey, "train", "train")["documents"] == cell(survey, "test", "test")["documents"] == 0


def test_copies_within_a_file_are_found(examine):
    train = clean(1, "a")
    train += [copy_of(train[0], "again"), copy_of(train[0], "and again")]
    survey, findings = examine(train=train, test=[*clean(2, "b"), copy_of(train[0], "leak")])
    assert cell(survey, "train", "train")["levels"]["exact"] == 2
    leak = cell(survey, "train", "test")
    assert (leak["documents"], leak["documents_of_first"]) == (1, 3)
    assert {"duplicates", "leakage"} <= topics(findings)


def jaccard(one, other):
    grams = [
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one.split(), other.split())
    ]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_minhash_agrees_with_the_true_similarity():
    rng = random.Random(5)
    prints, texts = Fingerprints(), []
    base = [letters(rng) for _ in range(200)]
    for changes in range(0, 24):
        words = list(base)
        for place in rng.sample(range(200), changes):
            words[place] = letters(rng)
        texts.append(" ".join(words))
        prints.add(changes, f"d{changes}", texts[-1])
    pairs = {(pair.first, pair.second): pair.similarity for pair in prints.pairs(0.7)}
    truth = {(i, j): jaccard(texts[i], texts[j]) for i in range(24) for j in range(i + 1, 24)}
    for pair, similarity in truth.items():
        if pair in pairs:
            assert pairs[pair] == pytest.approx(similarity, abs=0.15)
        assert similarity < 0.85 or pair in pairs
        assert similarity > 0.55 or pair not in pairs
    assert len(pairs) > 10


def test_large_group_of_copies_takes_no_square_time():
    prints = Fingerprints()
    text = " ".join(f"w{letters(random.Random(i))}" for i in range(60))
    for index in range(1500):
        prints.add(index % 2, str(index), f"{text} {letters(random.Random(-index - 1))}")
    pairs = prints.pairs(0.8)
    assert len({pair.second for pair in pairs} | {pair.first for pair in pairs}) == 1500
    assert len(pairs) < 3 * 1500


def test_group_in_two_files_is_found(examine):
    train, test = clean(1, "p1-", 12), clean(2, "p2-", 12)
    test[3].user_data["id"] = "p1-99"
    survey, findings = examine(train=train, test=test, group=r"^(p\d+)-")
    assert survey.report["groups"]["in_several_files"] == 1
    assert list(survey.report["groups"]["documents_of_those"].values()) == [12, 1]
    assert "groups" in topics(findings)
    survey, findings = examine(train=train, test=clean(2, "p2-", 12), group=r"^(p\d+)-")
    assert survey.report["groups"]["in_several_files"] == 0
    assert "groups" not in topics(findings)


def test_labels_are_compared_with_train(examine):
    rng = random.Random(4)
    train = [*clean(1, "a"), invented("rare", rng, label="RARE")]
    test = [*clean(2, "b", 10), invented("new", rng, label="NEW")]
    survey, findings = examine(least=5, train=train, test=test)
    said = {finding.topic: finding for finding in findings}
    assert said["labels"].severity == FAIL
    assert "NEW" in said["labels"].text
    assert "RARE" in said["few examples"].text
    assert "DRUG" not in said["few examples"].text
    assert "RARE" in said["labels not scored"].text
    assert survey.report["together"]["imbalance"]["ents"] == 70.0
    train = [invented(f"c{i}", rng, cats={"YES": float(i == 0), "NO": float(i > 0)}) for i in range(101)]
    survey, findings = examine(train=train)
    assert "imbalance" in topics(findings)
    assert survey.report["together"]["categories"]["YES"] == {"positive": 1, "negative": 100}


def test_missing_and_empty_annotation_differ(examine):
    rng = random.Random(8)
    blank, missing, nothing, partly = (
        NLP.make_doc("  \n "),
        invented("m", rng),
        invented("n", rng),
        invented("p", rng),
    )
    missing = Doc(NLP.vocab, words=[token.text for token in missing], spaces=[True] * len(missing))
    nothing.set_ents([])
    partly.set_ents(list(partly.ents), missing=[partly[0:2]])
    unknown = Doc(NLP.vocab, words=[letters(rng) for _ in range(30)])
    unknown.set_ents([])
    unknown.has_unknown_spaces = True
    train = [*clean(1, "a"), blank, missing, nothing, partly, unknown, Doc(NLP.vocab)]
    survey, findings = examine(train=train)
    counts = survey.report["together"]["counts"]
    assert counts["empty"] == 2
    assert counts["without an id"] == 2
    assert (counts["entities missing"], counts["entities partly"]) == (1, 1)
    assert counts["entities annotated"] == 62
    assert counts["without any annotation"] == 1
    assert topics(findings) == {"empty", "not annotated", "entities partly", "unknown spaces", "unlabelled"}
    _, findings = examine(train=clean(1, "a"), test=[missing])
    assert any(finding.severity == FAIL and finding.topic == "not annotated" for finding in findings)


def test_odd_mentions_are_counted(examine):
    text = "Took ardanol forte\nand bextrin again. Then colvane."
    spans = [(5, 12, "DRUG"), (5, 18, "DRUG"), (13, 18, "FORM"), (5, 30, "DRUG"), (23, 30, "DRUG")]
    doc = with_ents(text, "odd", [(23, 30, "DRUG")], spans)
    for token in doc:
        token.is_sent_start = token.idx in (0, text.index("Then"))
    doc.spans["gold"].append(Span(doc, doc.char_span(31, 36).start, len(doc) - 1, label="DRUG"))
    doc.spans["gold"].append(Span(doc, 3, 5, label="FORM"))  # begins with the line end
    doc.user_data["meta"] = {"discontinuous": ["T1", "T2"]}
    found = oddities(doc, mentions_of(doc), doc.text)
    assert found["discontinuous"] == 2
    assert found["not in ents"] == len(mentions_of(doc)) - 1
    assert found["across sentences"] == 1
    assert found["across lines"] == 1
    assert found["white-space edges"] == 1
    assert found["overlapping"] == 5
    assert found["nested"] == 5
    _, findings = examine(train=[*clean(1, "a"), doc])
    wanted = {
        "overlapping",
        "not in ents",
        "discontinuous",
        "across lines",
        "across sentences",
        "white-space edges",
    }
    assert wanted <= topics(findings)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from("XY")), max_size=6))
def test_overlaps_agree_with_comparing_all_pairs(drawn):
    doc = Doc(NLP.vocab, words=["w"] * 15)
    doc.spans["gold"] = [Span(doc, start, start + length, label=label) for start, length, label in drawn]
    mentions = mentions_of(doc)
    overlapping = sum(any(a.end > b.start for a in mentions[:i]) for i, b in enumerate(mentions))
    assert oddities(doc, mentions, doc.text)["overlapping"] == overlapping
    assert oddities(doc, mentions, doc.text)["nested"] <= overlapping


def test_mentions_inside_the_tokenizers_tokens_are_counted(examine):
    text = "Gave ardanolforte daily with bextrin ."
    whole = [token.text for token in NLP.make_doc(text)]
    words = [part for word in whole for part in (["ardanol", "forte"] if word == "ardanolforte" else [word])]
    cut = Doc(NLP.vocab, words=words, spaces=[word != "ardanol" for word in words])
    cut.set_ents([Span(cut, 1, 2, label="DRUG"), Span(cut, 5, 6, label="DRUG")])
    cut.user_data["id"] = "cut"
    assert cut.text.strip() == text
    survey, findings = examine(train=[*clean(1, "a", 20), cut])
    edges = survey.report["together"]["edges"]
    assert set(edges) == {"ClinicalTokenizer", "spaCy's en tokenizer"}
    assert all(counts == {"cut tokens": 1, "missed mentions": 1} for counts in edges.values())
    assert "token edges" in topics(findings)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab.-,/'3 \n(", min_size=1, max_size=24), st.data())
def test_edges_by_chunk_agree_with_the_tokens_of_the_whole_text(text, data):
    tokens = [(token.idx, token.idx + len(token)) for token in NLP.make_doc(text)]
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first + 1, len(text)))
    if text[first].isspace() or text[last - 1].isspace():
        return  # a token of white space may hold such an edge, but no sound mention has one
    cut = {start for start, end in tokens for edge in (first, last) if start < edge < end}
    counts = TokenEdges(NLP.tokenizer).count([Mention(0, 1, "X", first, last)], text)
    assert counts["cut tokens"] == len(cut)
    assert counts["missed mentions"] == bool(cut)


def test_contradictions_are_counted(examine):
    def note(name, text, ents):
        return with_ents(
            text, name, [(text.index(word), text.index(word) + len(word), label) for word, label in ents]
        )

    train = [
        note("1", "She takes ardanol forte today.", [("ardanol forte", "DRUG")]),
        note("2", "He takes Ardanol forte daily.", [("Ardanol forte", "DRUG")]),
        note("3", "They take ardanol Forte weekly.", [("ardanol Forte", "DRUG")]),
        note("4", "No ardanol forte given; bextrin stopped.", [("bextrin", "DRUG")]),
        note("5", "Because of bextrin no ardanol was given.", [("bextrin", "CAUSE")]),
        note("6", "Because of bextrin no  ardanol was given.", []),
    ]
    unannotated = NLP.make_doc("Somebody took ardanol forte, but nobody looked.")
    train[0].cats, train[1].cats = {"A": 1.0, "B": 0.0}, {"A": 1.0, "B": 0.0}
    twin = copy_of(train[0], "7")
    twin.cats = {"A": 0.0, "B": 1.0}
    survey, findings = examine(train=[*train, twin, unannotated])
    found = survey.report["consistency"]
    assert found["strings"]["DRUG"] == {"strings": 2, "sometimes unlabelled": 1, "unlabelled": 1}
    assert found["labelled twice"] == {"CAUSE / DRUG": 1}
    assert found["texts"] == {"with other categories": 1, "with other mentions": 1}
    assert {"unlabelled", "labelled twice", "texts disagree"} <= topics(findings)


def test_overlap_of_mentions_counts_what_train_knows(examine):
    train = [with_ents(f"Took {drug} now.", drug, [(5, 5 + len(drug), "DRUG")]) for drug in DRUGS[:2]]
    test = [
        with_ents(f"Gave {drug} then.", f"t{drug}", [(5, 5 + len(drug), "DRUG")]) for drug in DRUGS[1:] * 2
    ]
    survey, _ = examine(train=train, test=test)
    (overlap,) = survey.report["mention_overlap"].values()
    assert overlap["DRUG"] == {
        "mentions": 6,
        "mentions_seen": 0.333333,
        "strings": 3,
        "strings_seen": 0.333333,
    }


def test_pieces_are_counted_as_an_encoder_that_cuts_sees_them(examine, short_encoder_folder):
    tokenizer = PieceTokenizer.from_folder(short_encoder_folder)
    rng = random.Random(6)
    docs = [invented(f"a{n}", rng, n_words=n) for n in range(1, 40)]
    survey, findings = examine(train=docs, encoder=short_encoder_folder)
    assert survey.context == 64
    room, too_long, beyond = 64 - 2, 0, 0
    for doc, pieces in zip(docs, tokenizer.encode([doc.text for doc in docs])):
        too_long += len(pieces) > room
        (mention,) = mentions_of(doc)
        beyond += not (pieces.ends[:room] > mention.first).any()
    assert 0 < beyond <= too_long < len(docs)
    found = survey.report["together"]["beyond"]["64"]
    assert (found["documents"], found["mentions"]) == (too_long, beyond)
    assert survey.report["together"]["beyond"]["512"]["documents"] == 0
    assert "length" in topics(findings)
