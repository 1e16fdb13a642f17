"""The contestants, in this process: they compute every real piece once, ours and the peers see the same documents."""

import json
import subprocess
import sys
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import pytest
import torch

from spacy_bioclinical.cli.benchmark import peer_edsnlp
from spacy_bioclinical.cli.benchmark.children import PEER_EDSNLP
from spacy_bioclinical.cli.benchmark.contestants import Choice, make_contestants
from spacy_bioclinical.cli.benchmark.data import read_ids, write_ids, write_texts, write_words
from spacy_bioclinical.cli.benchmark.folders import make_folder, write_word_tokenizer
from spacy_bioclinical.cli.benchmark.note_tokenizers import copy_tokenizer, count_pieces, train_tokenizer
from spacy_bioclinical.cli.benchmark.notes import write_notes
from spacy_bioclinical.cli.benchmark.pipeline import make_pipelines
from spacy_bioclinical.cli.benchmark.precision import measure
from spacy_bioclinical.cli.benchmark.protocol import answer
from spacy_bioclinical.cli.benchmark.racers.encoders import cut
from spacy_bioclinical.cli.benchmark.sets import DocumentSet, draw_sets
from spacy_bioclinical.cli.benchmark.worker import build
from tests.encoder.family_folders import NAMES, context_of, write_family_folder

SETS = draw_sets([48], [5])


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A tiny encoder, its documents, and all contestants by label."""
    work = tmp_path_factory.mktemp("benchmark")
    folder = make_folder("tiny", work / "encoder")
    write_word_tokenizer(folder)
    write_ids(work / "data", SETS, folder.config["vocab_size"], list(folder.special_ids.values()), 0)
    write_words(work / "data", SETS)
    choice = Choice(batch_pieces=100, batch_documents=2)
    return {one.label: one for one in make_contestants(folder, work / "data", choice, SETS)}


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Two encoders with tokenizers for notes, the notes' folder and the notes."""
    work = tmp_path_factory.mktemp("notes")
    texts = write_notes(2, 200, 0)
    folders = {}
    for name in ("tiny", "tiny-bert"):
        folders[name] = make_folder(name, work / name)
        train_tokenizer(folders[name], texts, 400, 1.3)
    write_texts(work / "data", "notes", texts)
    return folders, work / "data", texts


def test_packed_and_padded_encoders_see_each_real_piece_once_and_agree(field):
    seen = {}
    for label in ("packed auto fp32", "transformers sdpa fp32"):
        racer = build(field[label].spec)
        facts = racer.load()
        assert facts["precision"] == "fp32"
        computed = []
        encode = racer.encode
        racer.encode = lambda windows, encode=encode, into=computed: into.append(windows) or encode(windows)
        racer.run("variable-48")
        ids, lengths = read_ids(field[label].spec["data"], "variable-48")
        windows = [window.tolist() for batch in computed for window in batch]
        assert sorted(map(len, windows)) == sorted(lengths)
        assert sorted(piece for window in windows for piece in window) == sorted(ids.tolist())
        if label.startswith("packed"):
            assert [len(window) for window in windows] == sorted(lengths), "in order of length"
            assert all(sum(map(len, batch)) <= 100 for batch in computed)
        else:
            assert [len(batch) for batch in computed] == [2, 2, 1]
        with torch.inference_mode():
            seen[label] = racer.packed_rows(list(torch.as_tensor(ids).long().split(lengths)))
        computed.clear()
        racer.run_longest("variable-48")
        assert [len(window) for batch in computed for window in batch] == [max(lengths)]
    assert torch.allclose(seen["packed auto fp32"], seen["transformers sdpa fp32"], atol=2e-4)


@pytest.mark.parametrize("family", NAMES)
def test_every_family_runs_ours_beside_transformers(family, tmp_path):
    folder = make_folder(str(write_family_folder(family, tmp_path / "source")), tmp_path / "encoder")
    assert folder.context == context_of(family)
    write_word_tokenizer(folder)
    sets = [DocumentSet("one", length, (length,)) for length in (30, 1100)]
    data = tmp_path / "data"
    write_ids(data, sets, folder.config["vocab_size"], list(folder.special_ids.values()), 0)
    choice = Choice(precisions=("fp32",), peers=("transformers",))
    field = make_contestants(folder, data, choice, sets)
    assert [one.kind for one in field] == ["products", "packed", "transformers"]
    racers = [build(one.spec) for one in field[1:]]
    for racer in racers:
        racer.load()
    for documents in sets:  # the short one first: it must not change how the long one is computed
        ids, _ = read_ids(data, documents.name)
        (windows,) = cut([len(ids)], folder.context)
        pieces = [torch.as_tensor(ids[start:end]).long() for start, end in windows]
        with torch.inference_mode():
            ours, theirs = (racer.packed_rows(pieces) for racer in racers)
        assert torch.allclose(ours, theirs, atol=1e-3)
        for racer in racers:
            racer.run(documents.name)


def test_documents_beyond_the_context_are_cut_as_the_pipeline_cuts():
    assert cut([10, 7], 10) == [[(0, 10)], [(10, 17)]]
    first, second = cut([100, 5], 40)
    assert second == [(100, 105)]
    assert first[0][0] == 0
    assert first[-1][1] == 100
    assert all(end - start <= 40 for start, end in first)
    assert all(before[1] > after[0] for before, after in pairwise(first)), "windows overlap"


def test_components_read_the_same_words(field):
    for label in ("component fp32", "spacy-transformers 128/96 fp32"):
        racer = build(field[label].spec)
        reply = answer(racer, {"do": "load"})
        assert reply["facts"]["window"] in (128, 8192)
        assert answer(racer, {"do": "run", "set": "fixed-48"})["seconds"] > 0
        assert answer(racer, {"do": "memory", "set": "fixed-48"})["peak_bytes"] >= 0
        docs = racer._documents("fixed-48")
        assert [len(doc) for doc in docs] == [46] * 5
        assert all(doc._.trf_data is None for doc in docs), "no rows are kept from pass to pass"


def test_ceiling_measures_rates(field):
    racer = build(field["ceiling fp32"].spec)
    racer.load()
    rates = racer.run("even-48")
    assert set(rates) == {"linear_rate", "attention_rate"}
    assert all(1e6 < rate < 1e15 for rate in rates.values())


def test_whole_pipelines_find_something_and_tell_the_encoders_time(notes):
    folders, data, _ = notes
    choice = Choice(precisions=("fp32",))
    longest = dict.fromkeys(folders, 400)
    contestants = make_pipelines(folders, data, choice, ["tiny"], "tiny-bert", longest)
    assert len(contestants) == 3
    for one in contestants:
        racer = build(one.spec)
        answer(racer, {"do": "load"})
        told = answer(racer, {"do": "run", "set": "notes"})
        assert told["entities"] > 0
        if one.is_ours:
            assert 0 < told["encoder_seconds"] < told["seconds"]
            again = answer(racer, {"do": "run", "set": "notes"})
            assert again["encoder_seconds"] < again["seconds"], "counted anew in each pass"


def test_trained_tokenizers_reach_the_wanted_pieces_a_word(notes, tmp_path):
    from spacy_bioclinical.pieces.tokenizer import PieceTokenizer

    folders, _, texts = notes
    for folder in folders.values():
        pieces = PieceTokenizer.from_folder(folder.path).encode(texts)
        assert sum(len(one.ids) for one in pieces) / 400 == pytest.approx(1.3, abs=0.05)
        from tokenizers import Tokenizer

        assert count_pieces(Tokenizer.from_file(str(folder.path / "tokenizer.json")), texts) == sum(
            len(one.ids) for one in pieces
        )
    copy = make_folder("tiny", tmp_path / "copy")
    copy_tokenizer(folders["tiny"].path, copy)
    assert (copy.path / "tokenizer.json").read_bytes() == (
        folders["tiny"].path / "tokenizer.json"
    ).read_bytes()
    with pytest.raises(ValueError, match="BC202"):
        copy_tokenizer(tmp_path, copy)


def test_folder_of_a_real_encoder_keeps_its_weights(encoder_folder, tmp_path):
    folder = make_folder(str(encoder_folder), tmp_path / "copy")
    assert (folder.path / "model.safetensors").read_bytes() == (
        encoder_folder / "model.safetensors"
    ).read_bytes()
    assert not folder.is_random
    assert folder.config["num_hidden_layers"] == 4
    with pytest.raises(ValueError, match=r"BC530.*gain"):
        make_folder(str(encoder_folder), tmp_path / "other", gain=2.0)


def test_precision_is_compared_piece_by_piece(tmp_path):
    folder = make_folder("tiny", tmp_path / "encoder", gain=3.0)
    result = measure(folder, tmp_path / "data", [40, 23])
    compared = result["compared"]
    assert len(compared) == 4
    same = compared["packed fp32 / transformers fp32"]
    assert same["most_apart"] < 2e-4
    assert same["least_cosine"] > 0.99999
    for name in ("packed bf16 / packed fp32", "transformers bf16 / transformers fp32"):
        assert 0.9 < compared[name]["mean_cosine"] < 1
        assert compared[name]["most_apart"] > 0
    with pytest.raises(ValueError, match="BC530"):
        measure(folder, tmp_path / "more", [9000])


class FakePipeline:
    """As much of EDS-NLP's pipeline as the peer's script touches; words are what white space separates."""

    def __init__(self):
        self.pipes, self.passes, self.autocast = [], [], None

    def add_pipe(self, factory, name=None, config=None):
        self.pipes.append((factory, config))

    def make_doc(self, text):
        return text.split()

    def pipe(self, documents):
        self.passes.append(list(documents))
        return self

    def set_processing(self, *, autocast, show_progress):
        self.autocast = autocast
        return [SimpleNamespace(ents=["one", "two"]) for _ in self.passes[-1]]


@pytest.mark.parametrize("head", [True, False])
def test_edsnlp_is_asked_in_its_own_words(head, notes, monkeypatch):
    folders, data, texts = notes
    pipeline = FakePipeline()
    fake = ModuleType("edsnlp")
    fake.blank = lambda name: pipeline if name == "eds" else None
    monkeypatch.setitem(sys.modules, "edsnlp", fake)
    monkeypatch.setattr(peer_edsnlp, "PACKAGES", ("torch",))
    spec = {"folder": str(folders["tiny"].path), "data": str(data), "device": "cpu", "context": 512}
    racer = peer_edsnlp.EdsNlpRacer(
        {**spec, "precision": "bf16", "window": None, "stride": None, "head": head}
    )
    facts = answer(racer, {"do": "load"})["facts"]
    assert facts["window"] == facts["stride"] == 510
    ((factory, config),) = pipeline.pipes
    if head:
        assert factory == "eds.ner_crf"
        assert config["span_setter"] == ["ents"]
        config = config["embedding"]
    assert config["window"] == config["stride"] == 510
    assert answer(racer, {"do": "run", "set": "notes"})["entities"] == 2 * len(texts)
    assert pipeline.passes[-1] == (texts if head else [text.split() for text in texts])
    assert pipeline.autocast is True
    answer(racer, {"do": "memory", "set": "notes"})
    assert len(pipeline.passes[-1]) == 1


def test_edsnlps_script_needs_nothing_of_this_environment():
    """Isolated, and without the packages that this project brings, it starts and serves."""
    code = (
        "import sys\n"
        "for name in ('spacy_bioclinical', 'torch', 'spacy', 'transformers', 'numpy', 'edsnlp'):\n"
        "    sys.modules[name] = None\n"
        "import runpy\n"
        "module = runpy.run_path(sys.argv[1])\n"
        "racer = module['EdsNlpRacer']({'device': 'cpu'})\n"
        "racer.meter.settle()\n"
        "print(racer.meter.above() >= 0, callable(module['sibling']('protocol').serve))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(PEER_EDSNLP)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
    assert json.dumps(done.stderr) == '""'
