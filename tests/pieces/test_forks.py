"""Forks while the Rust tokenizer has threads. Run: pytest tests/pieces/test_forks.py"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_bioclinical.pieces.forks import VARIABLE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SCRIPT = """
import os, sys
from tokenizers import Tokenizer
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from spacy_bioclinical.pieces.forks import guard_forks
if sys.argv[2] == "guarded":
    tokenizer = PieceTokenizer.from_folder(sys.argv[1])
    texts = ["one note", "another note"] * 50
    before = [pieces.ids.tolist() for pieces in tokenizer.encode(texts)]
else:
    tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
    tokenizer.encode_batch(["one note", "another note"] * 50)
parent = os.environ.get("TOKENIZERS_PARALLELISM")
child = os.fork()
if not child:
    if sys.argv[2] == "guarded":
        assert [pieces.ids.tolist() for pieces in tokenizer.encode(texts)] == before
    print("child", os.environ.get("TOKENIZERS_PARALLELISM"), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("parent", parent, os.environ.get("TOKENIZERS_PARALLELISM"))
"""


def run(folder, how, **variables):
    environment = {
        key: value for key, value in os.environ.items() if key not in (VARIABLE, "RAYON_NUM_THREADS")
    }
    environment["RAYON_NUM_THREADS"] = "2"
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), how],
        env={**environment, **variables},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_a_fork_is_quiet_and_the_parent_keeps_its_threads(encoder_folder):
    done = run(encoder_folder, "guarded")
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == ["child false", "parent None None"]
    assert "parallelism" in run(encoder_folder, "plain").stderr, "the warning is there without us"


def test_what_the_user_has_set_stays_but_a_worker_never_waits_for_threads(encoder_folder):
    done = run(encoder_folder, "guarded", **{VARIABLE: "true"})
    assert done.stdout.split("\n")[:2] == ["child false", "parent true true"]
