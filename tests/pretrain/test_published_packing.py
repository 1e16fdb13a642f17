"""The published packer against a second implementation, written from its description alone."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.published_packing import PublishedPacker, published_rows, rank_share, sampler_order


def simulate(lengths, n_rows, row_pieces, batch, capacity):
    """Rectangles of numbers, a deque and a loader that is an iterator: step by step as described."""
    source = iter([list(range(i, min(i + batch, len(lengths)))) for i in range(0, len(lengths), batch)])
    buffer: deque[int] = deque()
    batches = []
    while True:
        table = np.full((n_rows, row_pieces), -1)
        filled = [0] * n_rows
        content: list[list[int]] = [[] for _ in range(n_rows)]
        aside: list[int] = []
        while True:
            if not buffer:
                added = 0
                while (capacity - len(buffer)) > batch and added + batch <= capacity - len(aside):
                    incoming = next(source, None)
                    if incoming is None:
                        break
                    for index in incoming:
                        if lengths[index]:
                            buffer.append(index)
                            added += 1
                if added == 0:
                    break
            index = buffer.popleft()
            best = None
            for row in range(n_rows):
                space = row_pieces - filled[row]
                if space >= lengths[index] and (best is None or space < row_pieces - filled[best]):
                    best = row
            if best is None:
                aside.append(index)
                continue
            table[best, filled[best] : filled[best] + lengths[index]] = index
            filled[best] += lengths[index]
            content[best].append(index)
        buffer.extendleft(aside)
        if not all(content):
            return batches
        for row in range(n_rows):
            assert (table[row] == -1).sum() == row_pieces - sum(lengths[index] for index in content[row])
        batches.append(content)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.integers(0, 40), max_size=250),
    st.integers(1, 4),
    st.integers(40, 100),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_batches_equal_a_simulation(lengths, n_rows, row_pieces, batch, factor):
    packer = PublishedPacker(n_rows, row_pieces, batch, factor * batch)
    assert packer.batches(lengths) == simulate(lengths, n_rows, row_pieces, batch, factor * batch)


def test_published_sizes_on_note_like_lengths():
    lengths = np.clip(np.random.default_rng(3).lognormal(6.4, 1.0, size=9000), 10, 8192).astype(int)
    packer = PublishedPacker.of(6, 98_304, 8192)
    assert (packer.batch, packer.capacity) == (72, 360)
    assert PublishedPacker.of(11, 57_344, 8192).batch == 77
    batches = packer.batches(lengths)
    assert len(batches) > 10
    assert batches == simulate(lengths, 6, 98_304, 72, 360)
    used = [index for rows in batches for row in rows for index in row]
    assert len(used) == len(set(used))


def test_what_is_set_aside_comes_first_in_reversed_order():
    # One row of 10, loader batches of 2, so a buffer of 10 is refilled to 8 at most.
    packer = PublishedPacker(1, 10, 2, 10)
    assert packer.batches([6, 5, 7, 4]) == [[[0, 3]], [[2]], [[1]]]


def test_an_epoch_ends_where_a_row_stays_empty():
    assert PublishedPacker(2, 10, 2, 10).batches([3, 3]) == []
    assert PublishedPacker(2, 10, 2, 10).batches([]) == []
    assert PublishedPacker(2, 10, 2, 10).batches([9, 9, 9]) == [[[0], [1]]]


def test_a_sequence_longer_than_a_row_is_an_error():
    with pytest.raises(ValueError, match="BC708"):
        PublishedPacker(2, 10, 2, 10).batches([3, 11])


def test_sampler_permutes_with_the_published_generator_and_strides_over_ranks():
    expected = np.random.Generator(np.random.PCG64DXSM(2998 + 3)).permutation(101)
    order = sampler_order(101, epoch=3, shuffle_seed=2998)
    assert (order == expected).all()
    shares = [rank_share(order, rank, 8) for rank in range(8)]
    assert [len(share) for share in shares] == [12] * 8
    assert (shares[5] == expected[5:96:8]).all()


def test_rows_of_all_ranks_are_laid_out_so_that_each_rank_finds_its_own():
    lengths = np.random.default_rng(0).integers(1, 65, size=600)
    rows = published_rows(
        lengths, epoch=1, shuffle_seed=7, ranks=4, rows_per_rank=3, row_pieces=128, max_length=64
    )
    order = sampler_order(600, 1, 7)
    n_batches = len(rows) // 12
    assert n_batches > 3
    for rank in range(4):
        share = rank_share(order, rank, 4)
        batches = simulate(lengths[share].tolist(), 3, 128, 6, 30)
        expected = [share[row].tolist() for batch in batches[:n_batches] for row in batch]
        assert rows[rank::4] == expected
