"""The paper's Social History loader: pytest tests/corpus_scripts/test_published_social_history.py."""

from collections import Counter
from pathlib import Path

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.corpora.published.social_history import LABELS, TYPES, read_social_history
from corpus_scripts.formats.brat import read_brat
from corpus_scripts.record import check_record
from corpus_scripts.tally import Tally
from corpus_scripts.to_docbin import to_doc
from corpus_scripts.tokenizer import make_tokenizer

REAL = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "social_history"
needs_corpus = pytest.mark.skipif(
    not REAL.is_dir(),
    reason="the real corpora are not here (looked for ../shared/corpora beside the project)",
)


def put(folder, text, *mentions, name="a"):
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes("".join(f"{line}\n" for line in mentions).encode())
    return folder


def line(name, label, text, part, start=0):
    start = text.index(part, start)
    return f"{name}\t{label} {start} {start + len(part)}\t{part}"


def both(folder):
    tallies = Tally(), Tally()
    [published] = read_social_history(folder, tallies[0])
    [exact] = read_brat(folder, tallies[1])
    for record in (published, exact):
        check_record(record)
    tags = list(zip(published.text.split(" "), published.meta["tags"]))
    kept = [(exact.text[span.start : span.end], span.label) for span in exact.spans]
    return tags, kept, *tallies


def test_social_history_mention_that_touches_punctuation_is_lost(tmp_path):
    text = "Denies tobacco, 2 beers/day."
    put(tmp_path, text, line("T1", "Tobacco", text, "tobacco"), line("T2", "Amount", text, "2 beers/day"))
    tags, kept, published, exact = both(tmp_path)
    assert tags == [("Denies", "O"), ("tobacco,", "O"), ("2", "B-Amount"), ("beers/day.", "O")]
    assert published.dropped == {"published_mention_without_token": 1}
    assert kept == [("tobacco", "Tobacco"), ("2 beers/day", "Amount")]
    assert not exact.dropped


def test_social_history_later_start_overwrites_and_leaves_stray_tags(tmp_path):
    text = "He lives alone now"
    put(
        tmp_path,
        text,
        line("T1", "Status", text, "lives"),
        line("T2", "LivingSituation", text, "lives alone now"),
        line("T3", "Method", text, "alone"),
        line("T4", "Type", text, "lives"),
    )
    tags, kept, published, _ = both(tmp_path)
    # sorted by start, stable: T1, T2, T4 start together, T3 comes last
    assert tags == [("He", "O"), ("lives", "B-Type"), ("alone", "B-Method"), ("now", "I-LivingSituation")]
    assert published.dropped == {"published_mention_overwritten": 2}
    assert published.repaired == {"stray_continuation": 1}
    assert [label for _, label in kept] == ["Status", "LivingSituation", "Method", "Type"]


def test_social_history_discontinuous_mentions_vanish(tmp_path):
    text = "drinks and smokes daily"
    put(tmp_path, text, "T1\tStatus 0 6;18 23\tdrinks daily", line("T2", "Status", text, "smokes"))
    tags, kept, published, exact = both(tmp_path)
    assert [tag for _, tag in tags] == ["O", "O", "B-Status", "O"]
    assert published.dropped == {"published_offsets_not_plain": 1}
    assert kept == [("drinks", "Status"), ("daily", "Status"), ("smokes", "Status")]
    assert exact.repaired["discontinuous_mention"] == 1


def test_social_history_tags_the_published_list_lacks(tmp_path):
    for label, text in (
        ("LivingSituation", "alone now"),
        ("PhysicalActivity", "walks a lot"),
        ("Shoe", "none of it"),
    ):
        put(tmp_path, text, line("T1", label, text, text))
        with pytest.raises(ValueError, match=r"BC640.*a\.ann, record a:.*--mode exact") as caught:
            list(read_social_history(tmp_path, Tally()))
        assert text not in str(caught.value)
        assert [span.label for record in read_brat(tmp_path, Tally()) for span in record.spans] == [label]
    put(tmp_path, "walks a lot", "T1\tPhysicalActivity 0 5\twalks")
    assert both(tmp_path)[0][0] == ("walks", "B-PhysicalActivity")


def test_social_history_text_without_ann(tmp_path):
    put(tmp_path, "smokes", "T1\tStatus 0 6\tsmokes")
    (tmp_path / "b.txt").write_text("no partner")
    tally = Tally()
    assert [record.id for record in read_social_history(tmp_path, tally)] == ["a"]
    assert tally.dropped == {"document_without_ann": 1}
    with pytest.raises(ValueError, match=r"BC609.*b\.txt"):
        list(read_brat(tmp_path, Tally()))


def brute_force(text, lines):
    """The published tags by sets of characters, written without the loader at hand."""
    words, place = [], 0
    for word in text.split():
        place = text.index(word, place)
        words.append(range(place, place + len(word)))
        place += len(word)
    mentions = []
    for content in lines:
        name, *columns = content.split("\t")
        if name[:1] == "T" and ";" not in columns[0]:
            label, start, end = columns[0].split()
            mentions.append((int(start), len(mentions), label, set(range(int(start), int(end)))))
    tags = ["O"] * len(words)
    for _, _, label, characters in sorted(mentions, key=lambda mention: mention[:2]):
        inside = [number for number, word in enumerate(words) if characters.issuperset(word)]
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{label}"
    return tags


@needs_corpus
def test_social_history_real_sections_in_published_mode():
    seen = Counter()
    for part in read_corpus(find_corpus("social_history"), REAL, mode="published", seed=0):
        assert part.mode == "published"
        for record in part.records:
            source = part.path / record.id
            text = source.with_name(f"{record.id}.txt").read_text(encoding="utf-8")
            lines = source.with_name(f"{record.id}.ann").read_text(encoding="utf-8").split("\n")
            assert record.text == " ".join(text.split())
            assert record.meta["tags"] == brute_force(text, lines)
            entities = [
                (label, record.tokens[start][0], record.tokens[end][1])
                for label, start, end in get_entities(record.meta["tags"])
            ]
            assert [(span.label, span.start, span.end) for span in record.spans] == entities
            seen.update(record.meta["tags"])
    # Not one of the 51 published tags is missing, and none is added: no B-LivingSituation, no I-PhysicalActivity.
    assert set(seen) == set(LABELS)
    assert sum(seen.values()) == 11_122


@needs_corpus
def test_social_history_real_sections_in_exact_mode_keep_every_span():
    tokenize = make_tokenizer()
    wanted = kept = trimmed = 0
    types = set()
    for part in read_corpus(find_corpus("social_history"), REAL, seed=0):
        for record in part.records:
            doc = to_doc(record, tokenize, part.tally)
            text = (part.path / f"{record.id}.txt").read_bytes().decode()
            for content in (part.path / f"{record.id}.ann").read_bytes().decode().split("\n"):
                if content[:1] == "T":
                    name, place, mention = content.split("\t")
                    label, start, end = place.split()
                    start, end = int(start), int(end)
                    trimmed += text[start:end] != text[start:end].strip()
                    start += len(text[start:end]) - len(text[start:end].lstrip())
                    end -= len(text[start:end]) - len(text[start:end].rstrip())
                    spans = [span for span in doc.spans["gold"] if span.id_ == name]
                    assert [(span.label_, span.start_char, span.end_char) for span in spans] == [
                        (label, start, end)
                    ]
                    assert doc.text[start:end] == text[start:end] == spans[0].text
                    assert spans[0].text.split() == mention.split()
                    wanted += 1
                    types.add(label)
            kept += len(doc.spans["gold"])
        assert not part.tally.dropped
    assert wanted == kept == 3436
    assert trimmed == 3  # annotated with a space at an edge, which no spaCy span can have
    assert types == set(TYPES)
