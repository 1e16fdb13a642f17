import numpy as np
import pytest

from pretrain.batches import BatchStream, evaluation_rows
from pretrain.masking import IGNORED, Vocabulary
from pretrain.shards import shards_for


@pytest.fixture(scope="module")
def shards(tokenizer, notes_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return shards_for([notes_folder], tokenizer, folder, max_length=128, is_quiet=True)


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary.of(tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)


@pytest.fixture
def stream(shards, vocabulary):
    def stream(seed=0, sequences=None, rows_per_step=2):
        return BatchStream(
            shards,
            np.arange(len(shards.lengths)) if sequences is None else sequences,
            vocabulary,
            row_pieces=256,
            rows_per_step=rows_per_step,
            mask_rate=0.3,
            seed=seed,
        )

    return stream


def contents(step):
    return [(row.ids.tolist(), row.labels.tolist(), row.lengths) for row in step]


def test_a_step_can_be_made_again_in_any_order(stream):
    forward = stream()
    steps = [contents(forward.step(number)) for number in range(40)]
    assert forward.epoch(39) >= 2
    fresh, backward = stream(), stream()
    assert contents(fresh.step(25)) == steps[25]
    assert [contents(backward.step(number)) for number in reversed(range(40))] == steps[::-1]


def test_seed_changes_order_and_masks(stream):
    assert contents(stream(seed=0).step(0)) != contents(stream(seed=1).step(0))


def test_an_epoch_reads_every_sequence_once_in_a_new_order(stream, shards):
    one = stream(rows_per_step=1)
    epochs: dict[int, list[int]] = {}
    step = 0
    while (epoch := one.epoch(step)) < 3:
        epochs.setdefault(epoch, []).extend(one.step(step)[0].sequences)
        step += 1
    for sequences in epochs.values():
        assert sorted(sequences) == list(range(len(shards.lengths)))
    assert epochs[0] != epochs[1] != epochs[2]


def test_rows_per_step_only_groups_the_same_rows(stream):
    ones, threes = stream(rows_per_step=1), stream(rows_per_step=3)
    grouped = [row for number in range(5) for row in contents(threes.step(number))]
    assert grouped == [row for number in range(15) for row in contents(ones.step(number))]


def test_rows_hold_whole_sequences_within_budget(stream, shards):
    for row in stream().step(0):
        assert sum(row.lengths) == len(row.ids) == len(row.labels) <= 256
        ends = np.cumsum(row.lengths)
        for index, end, length in zip(row.sequences, ends, row.lengths):
            ids, labels = row.ids[end - length : end], row.labels[end - length : end]
            assert (np.where(labels == IGNORED, ids, labels) == shards.sequence(index)).all()
        assert row.n_labelled > 0


def test_masks_differ_between_epochs(stream, shards):
    one = stream(rows_per_step=1, sequences=np.array([3]))
    assert one.epoch(1) == 1
    first, second = one.step(0)[0], one.step(1)[0]
    assert first.sequences == second.sequences
    assert (first.labels != second.labels).any()


def test_only_the_given_sequences_are_read(stream):
    chosen = np.array([2, 5, 40])
    few = stream(sequences=chosen)
    assert {index for number in range(9) for row in few.step(number) for index in row.sequences} == {2, 5, 40}


def test_evaluation_rows_are_always_the_same(shards, vocabulary):
    def rows(most):
        held_out = np.arange(0, len(shards.lengths), 3)
        settings = {"row_pieces": 256, "mask_rate": 0.15, "most_pieces": most}
        return list(evaluation_rows(shards, held_out, vocabulary, **settings))

    assert contents(rows(900)) == contents(rows(900))
    assert 500 < sum(len(row.ids) for row in rows(900)) <= 900
    assert sum(len(row.lengths) for row in rows(1)) == 1
    assert len({index for row in rows(10**9) for index in row.sequences}) == len(shards.lengths[::3])


def test_evaluation_rows_that_cannot_take_all_take_some_of_everything(shards, vocabulary):
    sequences = np.arange(len(shards.lengths))
    half = int(shards.lengths.sum()) // 2
    settings = {"row_pieces": 128, "mask_rate": 0.15}
    rows = list(evaluation_rows(shards, sequences, vocabulary, most_pieces=half, **settings))
    taken = sorted(index for row in rows for index in row.sequences)
    assert len(set(taken)) == len(taken)
    assert half - 128 < sum(row.n_pieces for row in rows) <= half
    assert taken[-1] > 0.8 * len(sequences)  # not the first ones
    every = list(evaluation_rows(shards, sequences, vocabulary, most_pieces=10**9, **settings))
    assert sorted(index for row in every for index in row.sequences) == sequences.tolist()
