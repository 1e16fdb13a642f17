"""The training loop: as spaCy's own, by epochs, and the same weights whether it was interrupted or not."""

import copy
import csv
import io
import random
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from spacy.util import registry

from spacy_bioclinical.training import checkpoints
from spacy_bioclinical.training.checkpoints import FILE, parameters_of
from spacy_bioclinical.training.interruption import only_one
from spacy_bioclinical.training.loop import train

NAMES = ["Ada Quill", "Bo Orme", "Cy Vane", "Di Fenn"]
STOCK = {"@optimizers": "Adam.v1", "learn_rate": 0.002, "use_averages": True}
OURS = {
    "@optimizers": "spacy-bioclinical.AdamW.v1",
    "learn_rate": {"@schedules": "spacy-bioclinical.linear_decay.v1", "initial_rate": 0.003},
}
WORDS = {"@batchers": "spacy.batch_by_words.v1", "size": 40, "tolerance": 0.2}


class After:
    """Signals that come after so many steps."""

    def __init__(self, steps):
        self.left = steps

    @property
    def received(self):
        self.left -= 1
        return 15 if self.left <= 0 else 0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    for part, n_docs in (("train", 11), ("dev", 4)):
        docs = []
        for i in range(n_docs):
            filler = ["rests", "well", "today"] * (1 + i % 4)
            words = [*NAMES[i % 4].split(), *filler, "."]
            ents = ["B-NAME", "I-NAME", *["O"] * (len(filler) + 1)]
            docs.append(Doc(nlp.vocab, words=words, ents=ents))
        DocBin(docs=docs).to_disk(folder / f"{part}.spacy")
    return folder


@pytest.fixture
def config(corpus, encoder_folder, make_pipeline):
    """A config by optimizer, batcher and other settings of [training]."""

    def make(**training):
        ner = {"model": {"@architectures": "spacy-bioclinical.BioTagger.v1", "dropout": 0.1}}
        nlp = make_pipeline(
            encoder_folder, heads=[("bioclinical_ner", ner)], initialize=False, precision="fp32"
        )
        made = nlp.config.copy()
        for part in ("train", "dev"):
            made["corpora"][part]["path"] = str(corpus / f"{part}.spacy")
        made["paths"]["encoder"] = str(encoder_folder)
        settings = {"max_steps": 9, "max_epochs": 0, "eval_frequency": 4, "patience": 0, "seed": 3}
        scores = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
        made["training"].update({**settings, "dropout": 0.1, "score_weights": scores, "batcher": WORDS})
        made["training"].update(copy.deepcopy(training))
        return made

    return make


def run(config, output, **options):
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    nlp = init_nlp(config)
    return nlp, train(nlp, output, **quiet, **options)


def weights(folder):
    return {name: p.tensor.numpy() for name, p in parameters_of(spacy.load(folder)).items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def epochs(n, **more):
    pieces = {"@batchers": "spacy-bioclinical.batch_by_pieces.v1", "encoder": "${paths.encoder}"}
    return {
        "optimizer": OURS,
        "batcher": {**pieces, "documents": 4, "pieces": 30, "weigh": "tokens"},
        "before_update": {"@callbacks": "spacy-bioclinical.EachEpoch.v1"},
        "max_steps": 0,
        "max_epochs": n,
        "dropout": 0.0,
        "logger": {"@loggers": "spacy-bioclinical.CsvLogger.v1", "every_steps": 2, "progress_bar": True},
        **more,
    }


def test_loop_gives_the_weights_of_spacys_own_bit_for_bit(config, tmp_path):
    made = config(optimizer=STOCK, accumulate_gradient=2)
    (tmp_path / "stock").mkdir()
    spacy_train(init_nlp(made), tmp_path / "stock", stdout=io.StringIO(), stderr=io.StringIO())
    _, outcome = run(made, tmp_path / "ours")
    assert outcome.finished
    assert outcome.progress.step == 10  # spaCy takes max_steps + 1
    for name in ("model-best", "model-last"):
        assert_same(weights(tmp_path / "stock" / name), weights(tmp_path / "ours" / name))
    performance = [
        spacy.load(tmp_path / name / "model-best").meta["performance"] for name in ("stock", "ours")
    ]
    assert performance[0] == performance[1]


@pytest.mark.parametrize("kind", ["stock", "epochs"])
def test_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(kind, config, tmp_path):
    """Stopped within an epoch, at an evaluation, and after a kill that loses steps."""
    made = config(optimizer=STOCK) if kind == "stock" else config(**epochs(3))
    run(made, tmp_path / "whole")
    for place, steps in enumerate((2, 3, 1)):
        random.seed(place)
        _, outcome = run(made, tmp_path / "parts", signals=After(steps), checkpoint_steps=1)
        assert not outcome.finished
        if place == 1:  # a kill: what came after the checkpoint is lost
            kept = (tmp_path / "parts" / FILE).read_bytes()
            run(made, tmp_path / "parts", signals=After(1))
            (tmp_path / "parts" / FILE).write_bytes(kept)
    _, outcome = run(made, tmp_path / "parts")
    assert outcome.finished
    assert not (tmp_path / "parts" / FILE).exists()
    for name in ("model-best", "model-last"):
        assert_same(weights(tmp_path / "whole" / name), weights(tmp_path / "parts" / name))
    if kind == "epochs":
        steps = [row["step"] for row in csv.DictReader((tmp_path / "parts" / "log.csv").open())]
        assert steps == [row["step"] for row in csv.DictReader((tmp_path / "whole" / "log.csv").open())]


def test_epochs_are_judged_at_their_ends_and_the_rate_falls_to_nothing(config, tmp_path):
    _, outcome = run(config(**epochs(3)), tmp_path)
    assert outcome.progress.step == 9  # 3 epochs of 11 documents in batches of 4
    assert [step for _, step in outcome.progress.results] == [2, 5, 8]
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [2, 3, 4, 6, 8, 9]
    assert [bool(row["score"]) for row in rows] == [False, True, False, True, False, True]
    for row in rows:
        assert float(row["learn_rate"]) == pytest.approx(0.003 * (10 - int(row["step"])) / 9)
        assert float(row["grad_norm"]) > 0
        assert float(row["loss_bioclinical_ner"]) > 0
        assert float(row["words_per_second"]) > 0
        assert float(row["pieces_per_second"]) > 0
    assert float(rows[-1]["eta_seconds"]) == 0.0
    best = max(score for score, _ in outcome.progress.results)
    assert spacy.load(tmp_path / "model-best").meta["performance"]["ents_f"] == best
    text = (tmp_path / "log.csv").read_text()
    assert not any(name.split()[0] in text for name in NAMES)


def test_patience_counts_epochs(config, tmp_path):
    stuck = {**OURS, "learn_rate": 1e-9}
    patient = {"@callbacks": "spacy-bioclinical.EachEpoch.v1", "patience": 2}
    _, outcome = run(config(**epochs(9, before_update=patient, optimizer=stuck)), tmp_path)
    assert len(outcome.progress.results) == 3


def test_checkpoint_of_another_training_is_refused(config, corpus, tmp_path):
    made = config(optimizer=STOCK)
    run(made, tmp_path, signals=After(1))
    other = config(optimizer={**STOCK, "learn_rate": 0.1})
    with pytest.raises(ValueError, match=r"BC446.*training\.optimizer\.learn_rate"):
        run(other, tmp_path)
    path = corpus / "dev.spacy"
    before = path.read_bytes()
    try:
        path.write_bytes((corpus / "train.spacy").read_bytes())
        with pytest.raises(ValueError, match=r"BC446.*corpora\.dev"):
            run(made, tmp_path)
    finally:
        path.write_bytes(before)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:1000])
    with pytest.raises(ValueError, match="BC447"):
        run(made, tmp_path)
    _, outcome = run(made, tmp_path, restart=True, signals=After(1))
    assert outcome.progress.step == 1


def test_failed_checkpoint_leaves_the_one_before(config, tmp_path, monkeypatch):
    nlp, _ = run(config(optimizer=STOCK), tmp_path, signals=After(2))
    before = (tmp_path / FILE).read_bytes()

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError("no space")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save_checkpoint(tmp_path / FILE, nlp, registry.resolve({"o": STOCK})["o"], {})
    assert (tmp_path / FILE).read_bytes() == before
    assert not list(tmp_path.glob(".*part"))


def test_two_trainings_do_not_share_a_folder(tmp_path):
    with only_one(tmp_path), pytest.raises(ValueError, match="BC449"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_published_seeds_differ_in_the_head_alone(config, tmp_path):
    """A seed decides head, order and dropout; with `HeadSeed` the head only."""

    def first_weights(seed, head_seed):
        made = config(optimizer=STOCK, seed=seed)
        if head_seed is not None:
            made["initialize"]["before_init"] = {
                "@callbacks": "spacy-bioclinical.HeadSeed.v1",
                "seed": head_seed,
            }
        return init_nlp(made).get_pipe("bioclinical_ner").model.get_ref("output_layer").get_param("W").copy()

    published = [first_weights(42, head_seed) for head_seed in (42, 43, 43)]
    assert not np.array_equal(published[0], published[1])
    assert np.array_equal(published[1], published[2])
    assert np.array_equal(published[0], first_weights(42, None))
    assert np.array_equal(published[1], first_weights(43, None))
