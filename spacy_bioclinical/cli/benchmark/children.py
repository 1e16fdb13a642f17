"""Handles to contestants: one process each, killed with us, silent unless asked."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Protocol

from spacy_bioclinical.cli.benchmark.protocol import Racer, answer, describe

PEER_EDSNLP = Path(__file__).with_name("peer_edsnlp.py")


class Handle(Protocol):
    """A contestant that can be asked."""

    def post(self, request: dict[str, Any]) -> None:
        """Send a request."""

    def take(self) -> dict[str, Any]:
        """Wait for its answer; {"error": …} if it failed or died."""
        ...

    def close(self) -> None:
        """End it."""


class Child:
    """A contestant in a process of its own.

    spec (dict): what it reads; see `worker.build`.
    environment (dict): its environment.
    python (str | None): interpreter of a peer's own environment, for EDS-NLP; else this one.
    """

    def __init__(self, spec: dict[str, Any], environment: dict[str, str], python: str | None = None):
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        path = Path(self._folder.name) / "spec.json"
        path.write_text(json.dumps(spec), encoding="utf8")
        self._log = open(Path(self._folder.name) / "log", "w+", encoding="utf8", errors="replace")  # noqa: SIM115
        # -I keeps this package's file names out of the peer's import path.
        start = (
            [python, "-I", str(PEER_EDSNLP)] if python else [sys.executable, "-m", f"{__package__}.worker"]
        )
        self._process = subprocess.Popen(
            [*start, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf8",
            start_new_session=True,  # Ctrl-C is ours to handle
        )

    def post(self, request: dict[str, Any]) -> None:
        """See `Handle`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `take` tells why it died

    def take(self) -> dict[str, Any]:
        """See `Handle`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._log.seek(0)
        last = next((text.strip() for text in reversed(self._log.readlines()) if text.strip()), "no message")
        return {"error": f"its process ended with code {code}: {last[:300]}"}

    def close(self) -> None:
        """See `Handle`."""
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()


class Here:
    """A contestant in this process: the same answers, for tests and for looking closer."""

    def __init__(self, racer: Racer):
        self.racer = racer
        self._answer: dict[str, Any] = {}

    def post(self, request: dict[str, Any]) -> None:
        """See `Handle`."""
        try:
            self._answer = answer(self.racer, request)
        except Exception as error:  # as in a process of its own
            self._answer = {"error": describe(error)}

    def take(self) -> dict[str, Any]:
        """See `Handle`."""
        return self._answer

    def close(self) -> None:
        """See `Handle`."""


def child_environment(gpu_id: int, threads: int) -> dict[str, str]:
    """Environment of all contestants, equal for all.

    gpu_id (int): -1 for the CPU, else the number of a visible GPU.
    threads (int): threads of each; 0 leaves it to torch.
    RAISES (ValueError): BC511 if there is no such GPU.
    """
    from spacy_bioclinical.cli.processes import device_environment

    environment = device_environment(gpu_id)
    environment["HF_HUB_OFFLINE"] = "1"  # everything is in local folders; nobody may wait for a network
    if threads:
        environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return environment
