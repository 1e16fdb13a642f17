"""What a run has measured so far: written after every measurement, so that an interrupted run can go on.

The file is the result file itself: settings and machine (the signature), facts of each contestant, raw
measurements round by round, and, from `results` on, what was computed from them.
"""

import json
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.files import write_json
from spacy_bioclinical.errors import Errors

FORMAT = 1


class Record:
    """Raw measurements of a run.

    data (dict): "signature", "sets", "contestants" (key to facts), "runs" (key, set, list of measurements),
        "peaks" (key, set, bytes above the weights), "failed" (key to reason).
    path (Path | None): the file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None, signature: dict[str, Any], sets: dict[str, Any]):
        self.path = path
        self.data: dict[str, Any] = {
            "format": FORMAT,
            "signature": signature,
            "sets": sets,
            "contestants": {},
            "runs": {},
            "peaks": {},
            "failed": {},
            "sittings": 1,
        }

    @classmethod
    def resume(cls, path: Path, signature: dict[str, Any], sets: dict[str, Any]) -> "Record":
        """Go on with a file that an earlier run left.

        RAISES (ValueError): BC531 if it cannot be read or was made with other settings or elsewhere, naming which.
        """
        record = cls(path, signature, sets)
        try:
            found = json.loads(path.read_text(encoding="utf8"))
            different = differences(found["signature"], signature)
            different += [] if found["format"] == FORMAT and found["sets"] == sets else ["sets"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"it is not a result file of this command ({type(error).__name__})"
            raise ValueError(Errors.BC531.format(path=path, why=why)) from error
        if different:
            raise ValueError(Errors.BC531.format(path=path, why=f"other {', '.join(different)}"))
        record.data |= {key: found[key] for key in record.data if key not in ("signature", "sets", "failed")}
        record.data["sittings"] += 1
        return record

    def runs(self, key: str, name: str) -> list[dict[str, Any]]:
        """Measurements of a contestant on a set, one a round."""
        return self.data["runs"].get(key, {}).get(name, [])

    def add_run(self, key: str, name: str, measured: dict[str, Any]) -> None:
        """Keep a measurement."""
        self.data["runs"].setdefault(key, {}).setdefault(name, []).append(measured)
        self.save()

    def add_peak(self, key: str, name: str, which: str, peak: int) -> None:
        """Keep a memory peak; `which` is "document" (the longest alone) or "set"."""
        self.data["peaks"].setdefault(key, {}).setdefault(name, {})[which] = peak
        self.save()

    def save(self) -> None:
        """Write the file, whole, if there is one."""
        if self.path is not None:
            write_json(self.path, self.data)


def differences(
    one: dict[str, Any], other: dict[str, Any], ignored: tuple[str, ...] = ("date",)
) -> list[str]:
    """Names of the entries in which two signatures differ, in order; nested ones as "machine.threads"."""
    found = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if key in ignored or a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{key}.{name}" for name in differences(a, b, ignored)]
        else:
            found.append(key)
    return found
