"""Several processes: equal output, nothing on stderr. Run: pytest tests/pipeline/test_processes.py"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.test_throughput import HEADS, texts_of
from tests.pipeline.test_transformer import with_heads

# What a user's script does: the pipeline has tokenised and computed, with several threads, before the processes start.
SCRIPT = """
import multiprocessing, sys, warnings
import spacy

def results(docs):
    return [([(e.start, e.end, e.label_) for e in d.ents], [e._.confidence for e in d.ents], d.cats) for d in docs]

def main():
    folder, method, texts = sys.argv[1], sys.argv[2], eval(sys.argv[3])
    nlp = spacy.load(folder)
    warnings.simplefilter("always")
    multiprocessing.set_start_method(method)
    alone = results(nlp.pipe(texts, batch_size=4))
    assert len(alone) == len(texts) and any(ents for ents, _, _ in alone)
    shared = results(nlp.pipe(texts, n_process=2, batch_size=4))
    assert len(alone) == len(shared)
    for (ents, sure, cats), (other_ents, other_sure, other_cats) in zip(alone, shared):
        assert ents == other_ents
        assert all(abs(a - b) < 1e-5 for a, b in zip(sure, other_sure))
        assert all(abs(cats[label] - other_cats[label]) < 1e-5 for label in cats)
    again = results(nlp.pipe(texts, batch_size=4))
    assert again == alone, "the parent goes on as before"
    print("equal", len(shared))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def folder(make_pipeline, short_encoder_folder, tmp_path_factory):
    nlp = make_pipeline(short_encoder_folder, heads=HEADS, initialize=False, overlap=16)
    with_heads(nlp)
    path = tmp_path_factory.mktemp("pipelines") / "small"
    nlp.to_disk(path)
    return path


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_equal_output_without_a_word_on_stderr(folder, tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    settings = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), method, repr(texts_of(10, longest=4))],
        env={**settings, "PYTHONWARNINGS": "ignore", "RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout == "equal 10\n"
