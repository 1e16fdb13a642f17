"""Runs the commands of a cell as child processes that write into a log and can all be ended at once.

Several cells run at the same time, so nothing of a child is shown; when one fails, the error is read off the end of
its log: our own coded message if there is one (they never quote a note), else the kind of exception alone.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

Runner = Callable[[list[str], Path, dict[str, str]], int]
"""(arguments of python, log to append to, environment) -> exit code."""

TAIL = 20_000  # characters of a log in which the error is looked for


class Children:
    """A `Runner`; `stop` ends whatever runs, with its own children, and lets nothing start any more."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self.stopped = False

    def __call__(self, arguments: list[str], log: Path, environment: dict[str, str]) -> int:
        """Run `python arguments`; RETURNS (int): exit code, -15 if it was not started because of `stop`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            with self._lock:
                if self.stopped:
                    return -signal.SIGTERM
                process = subprocess.Popen(
                    [sys.executable, *arguments],
                    env={**environment, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)

    def stop(self) -> None:
        """End every running child and what it has started."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                except (ProcessLookupError, PermissionError):
                    continue


def environment_for(threads: int) -> dict[str, str]:
    """RETURNS (dict): this process's environment with a limit of threads; waiting threads sleep, which shares cores."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {"OMP_WAIT_POLICY": "passive", **os.environ, **limits, "TOKENIZERS_PARALLELISM": "false"}


def error_of(log: Path, code: int) -> str:
    """Say why a child failed, without a word of what it may have printed about documents.

    log (Path): what it printed.
    code (int): its exit code.
    RETURNS (str): a coded message of ours, or the kind of the exception, and the exit code.
    """
    try:
        text = log.read_text(encoding="utf8", errors="replace")[-TAIL:]
    except OSError:
        text = ""
    ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    coded = re.findall(r"\[BC\d{3}\][^\n]*(?:\n[^\n]*\S[^\n]*)*", text)
    # BC512 only says that a child of the child failed; what that child said stands before it
    coded = [message for message in coded if not message.startswith("[BC512]")] or coded
    if coded:
        return f"{' '.join(coded[-1].split())} ({ended})"
    kinds = re.findall(
        r"^(?:[\w.]*\.)?(\w*(?:Error|Exception|Interrupt|Exit))\b(?::\s*(\[E\d+\]))?", text, re.M
    )
    if kinds:
        return f"{' '.join(part for part in kinds[-1] if part)} ({ended})"
    return ended
