"""Streams shared out over processes, prefetched, warmed up, as published, and resumed from noted counts."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import pretrain.epochs
from pretrain.batch_warmup import BatchWarmup
from pretrain.batches import BatchStream
from pretrain.masking import IGNORED, Vocabulary, mask_published
from pretrain.prefetch import prefetch
from pretrain.published_packing import published_rows
from pretrain.shards import shards_for
from pretrain.terms import TermList


@pytest.fixture(scope="module")
def shards(tokenizer, notes_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return shards_for([notes_folder], tokenizer, folder, max_length=128, is_quiet=True)


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary.of_tokenizer(tokenizer)


@pytest.fixture
def stream(shards, vocabulary):
    def stream(sequences=None, **settings):
        settings = {"row_pieces": 256, "rows_per_step": 6, "mask_rate": 0.3, "seed": 0, **settings}
        every = np.arange(len(shards.lengths))
        return BatchStream(shards, every if sequences is None else sequences, vocabulary, **settings)

    return stream


MODES = {
    "best_fit": {},
    "whole_word": {"masking": "whole_word"},
    "published rows": {"packing": "published", "max_length": 128, "published_ranks": 3},
    "published": {"packing": "published", "masking": "published", "max_length": 128, "published_ranks": 3},
    "warm-up": {"first_row": lambda step: BatchWarmup(1, 6, 20_000).first_row_of_step(step, 256)},
    "schedule": {"mask_rate": lambda step, epoch: 0.3 - 0.005 * step + 0.01 * epoch},
}


@pytest.fixture(params=MODES.values(), ids=MODES)
def mode(request):
    return request.param


def contents(rows):
    return [(row.ids.tolist(), row.labels.tolist(), row.lengths, row.sequences, row.padding) for row in rows]


def test_a_step_is_a_pure_function_of_its_number(stream, mode):
    forward = stream(**mode)
    steps = [contents(forward.step(number)) for number in range(24)]
    assert forward.epoch(23) >= 1
    backward = stream(**mode)
    assert [contents(backward.step(number)) for number in reversed(range(24))] == steps[::-1]
    assert contents(stream(**mode).step(17)) == steps[17]


@pytest.mark.parametrize("world", [2, 3, 4, 8])
def test_processes_together_compute_the_same_batch(stream, mode, world):
    whole = stream(**mode)
    ranks = [stream(**mode) for _ in range(world)]
    for number in (0, 1, 9):
        expected = contents(whole.step(number))
        shares = [contents(one.step(number, rank, world)) for rank, one in enumerate(ranks)]
        assert [shares[row % world][row // world] for row in range(len(expected))] == expected
        assert sum(map(len, shares)) == len(expected)


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_prefetched_steps_are_those_made_one_by_one(stream, mode, workers):
    plain = stream(**mode)
    found = [contents(rows) for rows in prefetch(stream(**mode), 3, 15, workers=workers)]
    assert found == [contents(plain.step(number)) for number in range(3, 15)]
    one = [contents(rows) for rows in prefetch(stream(**mode), 3, 9, workers=workers, rank=1, world=2)]
    assert one == [contents(plain.step(number, 1, 2)) for number in range(3, 9)]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_worker_reaches_the_reader_in_its_turn(stream, monkeypatch, workers):
    one = stream()
    step = one.step

    def failing(number, rank=0, world=1):
        if number == 4:
            raise ValueError("BC707")
        return step(number, rank, world)

    monkeypatch.setattr(one, "step", failing)
    reader = prefetch(one, 2, workers=workers)
    assert len([next(reader), next(reader)]) == 2
    with pytest.raises(ValueError, match="BC707"):
        next(reader)
    assert list(reader) == []


def test_a_closed_reader_leaves_no_thread_behind(stream):
    before = threading.active_count()
    reader = prefetch(stream(), 0, workers=3)
    next(reader)
    assert threading.active_count() > before
    reader.close()
    assert threading.active_count() == before


def test_warm_up_lays_the_same_rows_into_growing_steps(stream):
    warm_up = BatchWarmup(1, 6, 20_000)
    warm, plain = stream(first_row=lambda step: warm_up.first_row_of_step(step, 256)), stream(rows_per_step=1)
    sizes = [len(warm.step(number)) for number in range(40)]
    assert (sizes[0], sizes[-1]) == (1, 6)
    assert sizes == sorted(sizes)
    rows = [row for number in range(12) for row in contents(warm.step(number))]
    assert rows == [contents(plain.step(number))[0] for number in range(len(rows))]
    assert warm.elapsed_pieces(12) == sum(sum(row[2]) for row in rows)


def test_mask_rate_follows_its_schedule_and_leaves_the_rows_alone(stream):
    falling = stream(mask_rate=lambda step, epoch: 0.9 if step < 3 else 0.1)
    constant = stream()
    for number, rate in ((0, 0.9), (2, 0.9), (3, 0.1), (7, 0.1)):
        rows = falling.step(number)
        assert [row.sequences for row in rows] == [row.sequences for row in constant.step(number)]
        share = sum(row.n_labelled for row in rows) / sum(
            row.n_pieces - 2 * len(row.sequences) for row in rows
        )
        assert share == pytest.approx(rate, abs=0.06)
        assert falling.rate(number) == rate


def test_elapsed_pieces_count_text_and_no_padding(stream, mode):
    one = stream(**mode)
    pieces = 0
    for number in range(14):
        assert one.elapsed_pieces(number) == pieces
        pieces += sum(row.n_pieces for row in one.step(number))
    assert stream(**mode).elapsed_pieces(14) == pieces


def test_published_rows_are_rectangles_with_a_padded_tail(stream, shards, vocabulary):
    one = stream(**MODES["published"], shuffle_seed=2998)
    expected = published_rows(
        shards.lengths, epoch=0, shuffle_seed=2998, ranks=3, rows_per_rank=2, row_pieces=256, max_length=128
    )
    blank = np.full((3, 2, 256), vocabulary.pad_id, dtype=np.int64)
    rows = one.step(0)
    for number, row in enumerate(rows):
        assert row.sequences == expected[number]
        lengths = shards.lengths[row.sequences].tolist()
        assert row.padding == 256 - sum(lengths) > 0
        assert row.lengths == [*lengths, row.padding]
        assert len(row.ids) == len(row.labels) == 256
        assert (row.labels[row.n_pieces :] == IGNORED).all()
        text = np.concatenate([shards.sequence(index) for index in row.sequences])
        blank[number % 3, number // 3, : len(text)] = text
    # Each process masks its two rows together, all with the same generator.
    for rank in range(3):
        generator = np.random.default_rng(2998)
        masked, labels = mask_published(
            blank[rank], rate=0.3, mask_id=vocabulary.mask_id, pad_id=vocabulary.pad_id, generator=generator
        )
        assert [row.ids.tolist() for row in rows[rank::3]] == masked.tolist()
        assert [row.labels.tolist() for row in rows[rank::3]] == labels.tolist()


def test_published_rows_with_our_masking_spare_special_pieces(stream, vocabulary):
    for row in stream(**MODES["published rows"]).step(2):
        assert not vocabulary.is_special[row.labels[row.labels != IGNORED]].any()
        assert (row.ids[row.n_pieces :] == vocabulary.pad_id).all()


def test_words_and_terms_are_hidden_whole(stream, shards, vocabulary, tokenizer):
    terms = TermList.of_terms(["chest pain", "metoprolol"], tokenizer)
    for masking in ("whole_word", "terms"):
        for row in stream(masking=masking, terms=terms).step(1):
            ids = np.concatenate([shards.sequence(index) for index in row.sequences])
            starts = vocabulary.word_starts(ids)
            if masking == "terms":
                starts, is_term = terms.units(ids, starts)
                assert is_term.any()
            words = np.split(row.labels != IGNORED, np.flatnonzero(starts)[1:])
            assert all(word.all() or not word.any() for word in words)


def test_weights_of_sources_choose_an_epochs_sequences(stream, shards):
    weighted = stream(draw=lambda epoch: np.array([4, 4, 7 + epoch]), rows_per_step=1)
    epochs: dict[int, list[int]] = {}
    step = 0
    while (epoch := weighted.epoch(step)) < 3:
        epochs.setdefault(epoch, []).extend(weighted.step(step)[0].sequences)
        step += 1
    assert {epoch: sorted(found) for epoch, found in epochs.items()} == {
        epoch: [4, 4, 7 + epoch] for epoch in range(3)
    }


def test_a_recipe_says_what_its_stream_is(stream, shards, vocabulary, recipe):
    every = np.arange(len(shards.lengths))
    settings = {"row_pieces": recipe.row_pieces, "rows_per_step": recipe.rows_per_step, "seed": recipe.seed}
    plain = stream(mask_rate=recipe.mask_rate, **settings)
    assert contents(BatchStream.of_recipe(recipe, shards, every, vocabulary).step(3)) == contents(
        plain.step(3)
    )
    published = replace(recipe, packing="published", masking="published", max_length=128)
    expected = stream(
        mask_rate=recipe.mask_rate, packing="published", masking="published", max_length=128, **settings
    )
    assert contents(BatchStream.of_recipe(published, shards, every, vocabulary).step(0)) == contents(
        expected.step(0)
    )
    (source,) = shards.sources
    twice = BatchStream.of_recipe(recipe, shards, every, vocabulary, weights={source: 2.0})
    assert twice.epochs.plan(1).pieces[-1] == 2 * shards.lengths.sum()


def test_resuming_packs_the_epoch_it_needs_and_no_other(stream, mode, tmp_path, monkeypatch):
    first = stream(cache=tmp_path, **mode)
    expected = contents(first.step(60))
    epoch = first.epoch(60)
    assert epoch >= 3
    made = []
    make = pretrain.epochs.Epochs._make
    monkeypatch.setattr(
        pretrain.epochs.Epochs, "_make", lambda self, epoch: made.append(epoch) or make(self, epoch)
    )
    assert contents(stream(cache=tmp_path, **mode).step(60)) == expected
    assert set(made) <= {epoch, epoch + 1}
    # Other data, another order: not the same counts; and a damaged file is made anew.
    made.clear()
    stream(cache=tmp_path, **{**mode, "seed": 5}).step(60)
    assert 0 in made
    for file in tmp_path.iterdir():
        file.write_text("[[1, ", encoding="ascii")
    assert contents(stream(cache=tmp_path, **mode).step(60)) == expected


def test_too_little_text_and_impossible_settings_are_errors(stream, shards, vocabulary):
    with pytest.raises(ValueError, match=r"BC745.*1 sequences.*published"):
        stream(sequences=np.array([3]), packing="published").step(0)
    with pytest.raises(ValueError, match="BC745"):
        stream(sequences=np.zeros(0, dtype=np.int64)).step(0)
    with pytest.raises(ValueError, match=r"BC747.*published"):
        stream(masking="published")
    with pytest.raises(ValueError, match=r"BC747.*terms"):
        stream(masking="terms")
    with pytest.raises(ValueError, match=r"BC709.*masking"):
        stream(masking="none")
    with pytest.raises(ValueError, match=r"BC709.*packing"):
        stream(packing="none")
    plain = Vocabulary.of(400, 4, frozenset(range(5)))
    with pytest.raises(ValueError, match=r"BC747.*words"):
        BatchStream(
            shards,
            np.arange(5),
            plain,
            row_pieces=256,
            rows_per_step=1,
            mask_rate=0.3,
            seed=0,
            masking="whole_word",
        )


def test_threads_that_share_a_stream_get_what_one_would(stream, mode):
    shared, alone = stream(**mode), stream(**mode)
    found: dict[int, list] = {}

    def read(numbers):
        for number in numbers:
            found[number] = contents(shared.step(number))

    order = np.random.default_rng(0).permutation(30)
    threads = [threading.Thread(target=read, args=(order[start::3].tolist(),)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: contents(alone.step(number)) for number in range(30)}
