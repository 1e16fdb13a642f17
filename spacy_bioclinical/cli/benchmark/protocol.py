"""What the benchmark asks a contestant, one JSON object a line. Standard library only: peers' environments run it too.

A contestant lives in a process of its own and does nothing unless asked, so that contestants can take turns round
by round (a machine that slows down slows all of them) and still have memory peaks of their own. Requests:
{"do": "load"}, {"do": "memory" | "warm" | "run", "set": NAME}; each gets one answer, {"error": …} if it failed.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol


class Meter(Protocol):
    """See `memory.PeakMeter`."""

    def settle(self) -> None:
        """Take what is held now as the base."""

    def start(self) -> None:
        """Begin a measurement."""

    def above(self) -> int:
        """Bytes of the peak above the base."""
        ...


class Racer(Protocol):
    """What runs in a contestant's process.

    meter (Meter): measures its memory.
    """

    meter: Meter

    def load(self) -> dict[str, Any]:
        """Load everything and compute something small once; RETURNS facts worth writing down."""
        ...

    def run(self, name: str) -> dict[str, Any]:
        """Make one pass over a set, and wait for the device; RETURNS further figures of this pass."""
        ...

    def run_longest(self, name: str) -> None:
        """Process the longest document of a set alone."""
        ...


def answer(racer: Racer, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks.

    racer (Racer): the contestant.
    request (dict): see the head of this file.
    RETURNS (dict): "facts", "peak_bytes" or "seconds" and what else the racer tells.
    """
    action, name = request["do"], request.get("set", "")
    if action == "load":
        facts = racer.load()
        racer.meter.settle()
        return {"facts": facts}
    if action == "run":
        start = time.perf_counter()
        figures = racer.run(name)
        return {"seconds": time.perf_counter() - start, **figures}
    racer.meter.start()
    if action == "memory":
        racer.run_longest(name)
    else:
        racer.run(name)
    return {"peak_bytes": racer.meter.above()}


def serve(build: Callable[[], Racer]) -> None:
    """Answer requests from standard input until it ends, or until one fails.

    build (Callable[[], Racer]): makes the contestant; called within the first request, so that its errors are told.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf8")
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    racer: Racer | None = None
    for line in sys.stdin:
        try:
            racer = racer or build()
            reply = answer(racer, json.loads(line))
        except Exception as error:  # any failure ends this contestant, never the whole race
            traceback.print_exc()
            reply = {"error": describe(error)}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
        if "error" in reply:
            return


def describe(error: BaseException) -> str:
    """One line about an error: its kind and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"
