"""What the report counts and draws: pairs of mentions, wrong classes, axes, lines, marked text."""

import random
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
import spacy

from spacy_bioclinical.cli.marked_text import mark_mentions
from spacy_bioclinical.cli.report.charts import (
    WIDTH,
    draw_range,
    line_chart,
    panel_title,
    range_axis,
    reliability_chart,
)
from spacy_bioclinical.cli.report.mistakes import (
    CORRECT,
    MISSED,
    NOTHING,
    SPURIOUS,
    WRONG_TYPE,
    class_errors,
    confusion,
    pair_mentions,
)
from spacy_bioclinical.cli.report.parts import Range
from spacy_bioclinical.pipeline.matching import CORRECT as IS_CORRECT
from spacy_bioclinical.pipeline.matching import SCHEMES, match_counts
from spacy_bioclinical.training.class_tables import class_table
from spacy_bioclinical.training.predictions import Classes, DocumentPrediction, Mention, Mentions


def random_mentions(rng: random.Random, overlapping: bool) -> tuple[Mention, ...]:
    found, start = [], 0
    for _ in range(rng.randrange(9)):
        start = rng.randrange(40) if overlapping else start + rng.randrange(6)
        end = start + rng.randrange(1, 6)
        found.append(Mention(start, end, rng.choice("ABC")))
        start = end
    return tuple(sorted(found, key=lambda each: (each.start, each.end, each.label)))


@pytest.mark.parametrize("overlapping", [False, True])
def test_pairs_agree_with_the_counts_of_semeval(overlapping):
    rng = random.Random(int(overlapping))
    for _ in range(300):
        mentions = Mentions(random_mentions(rng, overlapping), random_mentions(rng, overlapping))
        pairs = pair_mentions(mentions)
        golds = [pair.gold for pair in pairs if pair.gold]
        found = [pair.predicted for pair in pairs if pair.predicted]
        assert Counter(golds) == Counter(mentions.gold)
        assert Counter(found) == Counter(mentions.predicted)
        kinds = Counter(pair.kind for pair in pairs)
        sides = ([(each.start, each.end, each.label) for each in side] for side in vars(mentions).values())
        counts = match_counts(*sides)
        assert kinds[CORRECT] == counts[SCHEMES.index("strict"), IS_CORRECT]
        assert kinds[CORRECT] + kinds[WRONG_TYPE] == counts[SCHEMES.index("exact"), IS_CORRECT]
        for pair in pairs:
            if pair.gold and pair.predicted:
                assert pair.gold.start < pair.predicted.end
                assert pair.predicted.start < pair.gold.end
        # nothing that is missed overlaps anything spurious
        missed = [pair.gold for pair in pairs if pair.kind == MISSED]
        spurious = [pair.predicted for pair in pairs if pair.kind == SPURIOUS]
        assert not any(g.start < p.end and p.start < g.end for g in missed for p in spurious)


def test_confusion_adds_up():
    rng = random.Random(5)
    every = [Mentions(random_mentions(rng, False), random_mentions(rng, False)) for _ in range(50)]
    counts = confusion(pair for mentions in every for pair in pair_mentions(mentions))
    for side, index in (("gold", 0), ("predicted", 1)):
        sizes = Counter(each.label for mentions in every for each in getattr(mentions, side))
        found: Counter = Counter()
        for key, count in counts.items():
            found[key[index]] += count
        del found[NOTHING]
        assert found == sizes


@pytest.mark.parametrize("exclusive", [False, True])
def test_wrong_classes_are_those_that_scores_count(exclusive):
    rng = np.random.default_rng(3)
    records = []
    for i in range(40):
        gold = dict.fromkeys("abc", 0.0)
        gold["abc"[int(rng.integers(3))]] = 1.0
        scores = dict(zip("abc", rng.random(3).tolist()))
        records.append(
            DocumentPrediction(f"d{i}", 9, 9, 9, 9, cats={"t": Classes(exclusive, 0.5, gold, scores)})
        )
    errors = class_errors(records, "t")
    table = class_table(records, "t")
    assert table is not None
    _, false_positives, false_negatives = table.counts().sum(axis=(0, 1))
    flat = [error for each in errors for error in each]
    if exclusive:
        assert len(flat) == false_negatives == false_positives
        assert all(error.label != error.instead for error in flat)
    else:
        kinds = Counter(error.kind for error in flat)
        assert (kinds[SPURIOUS], kinds[MISSED]) == (false_positives, false_negatives)
        assert all((error.score >= 0.5) == (error.kind == SPURIOUS) for error in flat)


def test_axis_holds_all_and_is_round():
    rng = random.Random(0)
    for _ in range(200):
        ranges = [Range(*sorted(rng.random() for _ in range(3))) for _ in range(rng.randrange(1, 5))]
        low, high = range_axis(ranges)
        numbers = [each for found in ranges for each in found.numbers]
        assert low <= min(numbers) + 1e-9
        assert max(numbers) <= high + 1e-9
        assert high > low
        assert (100 * low) % 1 == pytest.approx(0, abs=1e-6) or (100 * low) % 1 == pytest.approx(1, abs=1e-6)
    assert range_axis([Range(0.5)])[0] < range_axis([Range(0.5)])[1]
    assert range_axis([]) == (0.0, 1.0)


def test_range_is_drawn_in_proportion():
    svg = ElementTree.fromstring(draw_range(Range(0.5, 0.25, 1.0, 0.75), (0.0, 1.0)))
    line = next(part for part in svg.iter("line") if part.get("class") == "range")
    dot, grid = next(svg.iter("circle")), next(svg.iter("line"))
    left, right = float(grid.get("x1")), float(grid.get("x2"))
    assert float(dot.get("cx")) == pytest.approx((left + right) / 2, abs=0.1)
    assert float(line.get("x1")) == pytest.approx(left + (right - left) / 4, abs=0.1)
    assert float(line.get("x2")) == pytest.approx(right, abs=0.1)
    assert svg.find("desc").text == "50.0, from 25.0 to 100.0, published 75.0"
    assert len(list(ElementTree.fromstring(draw_range(Range(), (0.0, 1.0))).iter("circle"))) == 0


def test_lines_stay_inside_and_are_told_apart():
    rng = random.Random(1)
    lines = [(f"seed<{k}>", [(step, rng.random() * 3) for step in range(1, 300)]) for k in range(8)]
    lines.append(("one point", [(5, 1.0)]))
    svg = ElementTree.fromstring(line_chart("a < b", "step", lines))
    width, height = map(float, svg.get("viewBox").split()[2:])
    paths = [part for part in svg.iter("path") if part.find("title") is not None]
    assert [part.find("title").text for part in paths] == [name for name, _ in lines[:8]]
    for part in paths:
        for point in part.get("d").lstrip("M").split(" L"):
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    looks = {(part.get("class"), part.get("stroke-dasharray")) for part in paths[:6]}
    assert len(looks) == 6
    assert "4 others" in "".join(svg.itertext())
    assert ElementTree.fromstring(line_chart("x", "step", [("nothing", [])])) is not None
    assert "nan" not in line_chart("x", "step", [("odd", [(0, float("nan")), (1, float("inf")), (2, 1.0)])])


def test_reliability_puts_each_bin_where_it_belongs():
    bins = [{"low": 0.8, "high": 1.0, "n": 90, "confidence": 0.9, "accuracy": 0.9}]
    bins.append({"low": 0.0, "high": 0.2, "n": 10, "confidence": 0.1, "accuracy": 0.4})
    svg = ElementTree.fromstring(reliability_chart("x", bins))
    big, small = svg.iter("circle")
    ideal = next(part for part in svg.iter("path") if part.get("class") == "ideal")
    (x0, y0), (x1, y1) = (map(float, each.split(",")) for each in ideal.get("d").lstrip("M").split(" L"))
    assert float(big.get("r")) > float(small.get("r"))
    assert float(big.get("cx")) == pytest.approx(x0 + 0.9 * (x1 - x0), abs=0.1)
    assert float(big.get("cy")) == pytest.approx(y0 + 0.9 * (y1 - y0), abs=0.1)
    assert "30.0 points" in svg.find("desc").text


def test_marked_text_is_escaped_in_both_styles():
    doc = spacy.blank("en")("Take <i>aspirin</i> & rest now")
    place = doc.text.index("aspirin")
    beside = mark_mentions(doc[:], [(place, place + 7, "<u>X"), (0, 4, "Y"), (900, 910, "Z")])
    assert beside.count("<mark") == 2
    crossing = mark_mentions(doc[:], [(place, place + 7, "<u>X"), (0, place + 7, "Y")])
    assert "<mark" not in crossing
    assert "spans" in crossing
    for markup in (beside, crossing):
        assert "<i>" not in markup
        assert "<u>" not in markup
        assert "&lt;u&gt;X" in markup
    part = mark_mentions(doc[3:], [(place, place + 7, "X")])
    assert "Take" not in part
    assert part.count("<mark") == 1


@pytest.mark.parametrize("n_letters", [0, 1, 30, 41, 48, 56, 57, 200])
def test_titles_of_charts_stay_within_them(n_letters):
    title = "".join("abcdefghij"[k % 10] for k in range(n_letters))
    element = ElementTree.fromstring(panel_title(title))
    size = float(element.get("style").removeprefix("font-size: ").removesuffix("px"))
    shown = element.text or ""
    assert 10 <= size <= 14
    assert 0.6 * size * len(shown) <= WIDTH + 1
    assert shown == title if n_letters <= 56 else (shown[0], shown[-1]) == (title[0], title[-1])
