"""The price of a promised recall: against words and mentions counted one by one, and the component's own output."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bioclinical.training.calibration import calibrate
from spacy_bioclinical.training.calibration_cases import RecallWish
from spacy_bioclinical.training.predictions import (
    DocumentPrediction,
    Mention,
    Mentions,
    read_predictions,
    write_predictions,
)
from spacy_bioclinical.training.recall_price import price_lines, price_of_records
from tests.small_cnn import WORDS_CNN

NAMES, FILL = ["Quill", "Orme", "Tarn", "Vesper"], ["seen", "by", "ward", "on", "the", "plan"]


def share(part, whole):
    return part / whole if whole else None


def brute_price(words, gold, before, after):
    """words: [(document, start, end)]; the others: [(document, start, end, label)]. One by one, no arrays."""

    def in_any(word, entities):
        return any(doc == word[0] and a < word[2] and word[1] < b for doc, a, b, *_ in entities)

    told = {"words": len(words)}
    for when, entities in (("before", before), ("after", after)):
        flagged = [word for word in words if in_any(word, entities)]
        told[when] = {
            "entities": len(entities),
            "precision": share(sum(entity in gold for entity in entities), len(entities)),
            "words_flagged_per_1000": 1000 * len(flagged) / len(words),
            "word_precision": share(sum(in_any(word, gold) for word in flagged), len(flagged)),
        }
    return told


def invented_records(seed, n=30):
    """Words of 4 characters with a space between; entities of one to three words, likely tokens here and there."""
    draw = np.random.default_rng(seed)
    for k in range(n):
        places = [(5 * i, 5 * i + 4) for i in range(40)]
        p = np.where(draw.random(40) < 0.3, draw.random(40), 1e-5)
        sides: dict[str, list] = {"gold": [], "found": []}
        for side in sides.values():
            at = 0
            while (at := at + int(draw.integers(1, 9))) < 37:
                last = at + int(draw.integers(0, 3))
                side.append(Mention(places[at][0], places[last][1], str(draw.choice(["NAME", "AGE"]))))
                at = last + 1
        for mention in sides["found"]:
            p[[i for i, (a, b) in enumerate(places) if mention.start <= a and b <= mention.end]] = 0.9
        scores = tuple((a, b, round(float(q), 7)) for (a, b), q in zip(places, p) if q >= 1e-4)
        entities = Mentions(tuple(sides["gold"]), tuple(sides["found"]))
        yield DocumentPrediction(f"#{k}", 200, 40, 40, 40, entities=entities, token_scores=scores)


@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.8])
def test_price_of_a_prediction_file_equals_brute_force(tmp_path, threshold):
    write_predictions(tmp_path / "p.jsonl.gz", invented_records(3))
    records = read_predictions(tmp_path / "p.jsonl.gz")
    words, gold, before, runs = [], [], [], []
    for k, rec in enumerate(records):
        words += [(k, 5 * i, 5 * i + 4) for i in range(40)]
        gold += [(k, each.start, each.end, each.label) for each in rec.entities.gold]
        before += [(k, each.start, each.end, each.label) for each in rec.entities.predicted]
        in_found = {a for each in rec.entities.predicted for a in range(each.start, each.end)}
        likely = {a for a, _, q in rec.token_scores if q >= threshold and a not in in_found}
        for a in sorted(likely):
            if a - 5 in likely:
                continue
            b = a
            while b + 5 in likely:
                b += 5
            labels = {each.label for each in rec.entities.gold if (each.start, each.end) == (a, b + 4)}
            runs.append((k, a, b + 4, labels.pop() if labels else "NO"))
    assert len(runs) > 20
    assert any(run in gold for run in runs)
    assert price_of_records(records, threshold) == brute_price(words, gold, before, before + runs)


def test_lower_threshold_never_flags_less():
    records = list(invented_records(4))
    flagged = [price_of_records(records, t)["after"]["words_flagged_per_1000"] for t in (0.9, 0.5, 0.1, 0.01)]
    assert flagged == sorted(flagged)
    assert flagged[0] < flagged[-1]


def test_nothing_found_has_no_precision():
    entities = Mentions((Mention(0, 4, "NAME"),), ())
    records = [
        DocumentPrediction("#0", 9, 2, 2, 2, entities=entities, token_scores=()),
        DocumentPrediction("#1", 9, 2, 2, 2, entities=None, token_scores=((0, 4, 0.5),)),
    ]
    price = price_of_records(records, 0.1)
    nothing = {"entities": 0, "precision": None, "words_flagged_per_1000": 0.0, "word_precision": None}
    assert price == {"words": 2, "before": nothing, "after": nothing}
    assert price_lines(price)[0] == "0 entities become 0, their precision - becomes -"


def golds_of(vocab, n, seed):
    """Invented documents with white space; nine of ten names are annotated, some documents not at all or in part."""
    draw = np.random.default_rng(seed)
    for i in range(n):
        is_name = draw.random(20) < 0.25
        words = [str(draw.choice(NAMES if name else FILL)) for name in is_name]
        words[7], words[12] = "\n", "\n\n"
        doc = Doc(vocab, words=words)
        kept = [k for k in np.flatnonzero(is_name).tolist() if k not in (7, 12) and draw.random() < 0.9]
        spans = [Span(doc, k, k + 1, label="NAME") for k in kept if k < 15 or i % 3]
        unknown = [Span(doc, 15, 20)] if i % 3 == 0 else []
        doc.set_ents(spans, missing=unknown)
        yield doc


@pytest.mark.parametrize("tagger", ["BioTagger", "CrfTagger"])
def test_price_equals_what_the_component_writes(tagger):
    nlp = spacy.blank("en")
    model = {"@architectures": f"spacy-bioclinical.{tagger}.v1", "tok2vec": WORDS_CNN}
    pipe = nlp.add_pipe("bioclinical_ner", name="ner", config={"model": model})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in golds_of(nlp.vocab, 60, 0)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(12):
        nlp.update(examples, sgd=optimizer)
    golds = list(golds_of(nlp.vocab, 90, 1))
    # The documents' own tokens, white space as they have it.
    nlp.tokenizer = dict(zip([gold.text for gold in golds], golds)).__getitem__  # type: ignore[assignment]
    nlp.make_doc = lambda text: Doc(  # type: ignore[method-assign]
        nlp.vocab,
        words=[token.text for token in nlp.tokenizer(text)],
        spaces=[bool(token.whitespace_) for token in nlp.tokenizer(text)],
    )
    (found,) = calibrate(nlp, golds, wish=RecallWish(target=0.9, confidence=0.9))
    target = pipe.cfg["recall_target"]
    written = []
    for setting in (None, target):
        pipe.cfg["recall_target"] = setting
        written.append([pipe(nlp.make_doc(gold.text)) for gold in golds])
    words, gold_entities = [], []
    entities: list[list] = [[], []]
    for k, gold in enumerate(golds):
        words += [(k, t.idx, t.idx + len(t)) for t in gold if not t.is_space and t.ent_iob]
        gold_entities += [(k, e.start_char, e.end_char, e.label_) for e in gold.ents]
        for side, docs in zip(entities, written):
            side += [
                (k, e.start_char, e.end_char, e.label_)
                for e in docs[k].ents
                if all(gold[i].ent_iob for i in range(e.start, e.end))
            ]
    expected = brute_price(words, gold_entities, *entities)
    # Words of an entity that reaches into what is not annotated are flagged too.
    for when, docs in zip(("before", "after"), written):
        everything = [(k, e.start_char, e.end_char, e.label_) for k, doc in enumerate(docs) for e in doc.ents]
        for key in ("words_flagged_per_1000", "word_precision"):
            expected[when][key] = brute_price(words, gold_entities, everything, everything)["after"][key]
    assert found.price == expected
    assert found.price["after"]["entities"] > found.price["before"]["entities"]
