"""Windows over long documents: invariants, and a plain second implementation.

Run: pytest tests/pieces/test_windows.py
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bioclinical.pieces.windows import Window, plan_windows


@st.composite
def plans(draw):
    capacity = draw(st.integers(1, 24))
    overlap = draw(st.integers(0, capacity - 1))
    likely = draw(
        st.sampled_from([[-1, 0], [-1, -1, -1, 0, 1], [0, 1, 2, 3, 4], [-1, 0, 0, 1, 2, 3, 4], [-1]])
    )
    strengths = draw(st.lists(st.sampled_from(likely), max_size=120))
    return capacity, overlap, np.array(strengths, dtype=np.int8)


def units_of(strengths: np.ndarray) -> list[tuple[int, int]]:
    """Runs of pieces that no cut should split."""
    firsts = [i for i in range(len(strengths)) if i == 0 or strengths[i] >= 0]
    return list(zip(firsts, [*firsts[1:], len(strengths)]))


def plain_plan(n_pieces: int, capacity: int, overlap: int, strengths: list[int]) -> list[tuple[int, int]]:
    """The documented rule with plain lists and sorted(), no arrays."""
    if n_pieces <= capacity:
        return [(0, n_pieces)]
    grade = [*strengths, 9]  # the end of the document is a boundary
    plan, start, previous = [], 0, 0
    while n_pieces - start > capacity:
        full, quarter = start + capacity, capacity // 4
        last_quarter = range(max(previous + 1, full - quarter), full + 1)
        leaving_enough = [i for i in last_quarter if n_pieces - i >= quarter]
        anywhere = range(previous + 1, full + 1)
        end = full
        for places, key in (
            (leaving_enough, lambda i: (grade[i], i)),
            (last_quarter, lambda i: (grade[i], i)),
            (anywhere, lambda i: i),
        ):
            good = [i for i in places if grade[i] >= 0]
            if good:
                end = max(good, key=key)
                break
        plan.append((start, end))
        following = next(i for i in range(end + 1, n_pieces + 1) if grade[i] >= 0)
        low = start + 1 if following > end + capacity else max(start + 1, following - capacity)
        target = max(end - overlap, low)
        near = [i for i in range(low, end + 1) if abs(i - target) <= overlap // 4 and grade[i] >= 0]
        wide = [i for i in range(low, end + 1) if i >= end - 2 * overlap and grade[i] >= 0]
        if near:
            start = min(near, key=lambda i: (-grade[i], abs(i - target), i))
        elif wide:
            start = min(wide, key=lambda i: (abs(i - target), i))
        else:
            start = target
        previous = end
    return [*plan, (start, n_pieces)]


@settings(max_examples=500, deadline=None)
@given(case=plans())
def test_plan_keeps_its_promises(case):
    capacity, overlap, strengths = case
    n_pieces = len(strengths)
    windows = plan_windows(n_pieces, capacity, overlap, strengths)
    assert windows[0].start == 0
    assert windows[-1].end == n_pieces
    assert all(window.end - window.start <= capacity for window in windows)
    for window, following in pairwise(windows):
        assert window.start < following.start <= window.end < following.end
    if overlap == 0:
        assert all(window.end == following.start for window, following in pairwise(windows))
    for first, end in units_of(strengths):
        if end - first <= capacity:  # what fits a window is whole in one
            assert any(window.start <= first and end <= window.end for window in windows)


@settings(max_examples=500, deadline=None)
@given(case=plans())
def test_plan_equals_the_plain_rule(case):
    capacity, overlap, strengths = case
    windows = plan_windows(len(strengths), capacity, overlap, strengths)
    expected = plain_plan(len(strengths), capacity, overlap, strengths.tolist())
    assert [(window.start, window.end) for window in windows] == expected


@settings(max_examples=300, deadline=None)
@given(
    n_pieces=st.integers(0, 3000),
    capacity=st.integers(8, 600),
    share=st.floats(0, 0.5),
    seed=st.integers(0, 9),
)
def test_plan_is_economical_when_tokens_are_short(n_pieces, capacity, share, seed):
    overlap = int(share * capacity)
    strengths = np.random.default_rng(seed).integers(0, 5, n_pieces).astype(np.int8)
    windows = plan_windows(n_pieces, capacity, overlap, strengths)
    slack = overlap // 4
    for window, following in pairwise(windows):
        assert window.end - window.start >= capacity - capacity // 4 - 1
        assert abs(window.end - following.start - overlap) <= slack
    step = capacity - capacity // 4 - overlap - slack
    assert len(windows) <= 2 + max(0, n_pieces - capacity) / max(1, step)
    if len(windows) > 1:
        assert windows[-1].end - windows[-1].start >= capacity // 4


def test_short_document_is_one_window():
    for n_pieces in (1, 99, 100):
        assert plan_windows(n_pieces, 100, 20) == [Window(0, n_pieces)]


def test_empty_document_is_one_empty_window():
    assert plan_windows(0, 100, 20) == [Window(0, 0)]


def test_one_piece_too_many_leaves_no_crumb():
    first, second = plan_windows(101, 100, 0)
    assert first == Window(0, 76)
    assert second == Window(76, 101)


def test_cut_is_the_strongest_then_the_latest():
    strengths = np.zeros(300, dtype=np.int8)
    strengths[[60, 78, 82, 90]] = [4, 2, 2, 1]  # 60 lies before the last quarter
    windows = plan_windows(300, 100, 10, strengths)
    assert windows[0] == Window(0, 82)
    strengths[96] = 3
    assert plan_windows(300, 100, 10, strengths)[0] == Window(0, 96)


def test_next_window_begins_at_a_good_place_near_the_overlap():
    strengths = np.zeros(300, dtype=np.int8)
    strengths[100] = 4
    strengths[[70, 77, 83, 95]] = [4, 1, 2, 4]  # wanted: 80, slack 5
    first, second = plan_windows(300, 100, 20, strengths)[:2]
    assert first.end == 100
    assert second.start == 83


def test_token_longer_than_the_last_quarter_is_not_cut():
    strengths = np.full(300, -1, dtype=np.int8)
    strengths[[0, 20, 40, 120]] = 0
    windows = plan_windows(300, 100, 10, strengths)
    assert windows[0] == Window(0, 40)
    assert any(window.start <= 40 and window.end >= 120 for window in windows)


def test_token_longer_than_a_window_is_cut_inside_as_the_last_resort():
    strengths = np.full(500, -1, dtype=np.int8)
    strengths[[0, 10, 490]] = 0
    windows = plan_windows(500, 100, 10, strengths)
    assert windows[0] == Window(0, 10)
    assert windows[-1].end == 500
    assert len(windows) <= 8


def test_no_boundary_anywhere_still_ends():
    windows = plan_windows(1000, 100, 99, np.full(1000, -1, dtype=np.int8))
    assert windows[-1].end == 1000


def test_100k_words_are_planned_at_once():
    strengths = np.random.default_rng(0).integers(-1, 5, 200_000).astype(np.int8)
    assert len(plan_windows(200_000, 8190, 128, strengths)) < 34
    assert len(plan_windows(200_000, 510, 64, strengths)) < 700


@pytest.mark.parametrize("capacity, overlap", [(0, 0), (-1, 0), (10, 10), (10, 11), (10, -1), (1, 1)])
def test_impossible_windows_are_refused(capacity, overlap):
    with pytest.raises(ValueError, match="BC210"):
        plan_windows(5, capacity, overlap)


def test_strengths_of_another_document_are_refused():
    with pytest.raises(ValueError, match="BC211"):
        plan_windows(5, 10, 2, np.zeros(6, dtype=np.int8))
