"""Write text from templates with slots, and remember where the labelled slots landed."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

from corpus_scripts.record import TextSpan

# Makes the text of a slot.
Filler = Callable[[Random], str]
_FORMATTER = string.Formatter()


class Writer:
    """A text that grows by templates.

    rng (Random): The only source of chance.
    fillers (dict): Slot → maker of its text.
    labels (dict): Slot → label of the span it makes; slots that are not named make none.
    """

    def __init__(self, rng: Random, fillers: dict[str, Filler], labels: dict[str, str] | None = None) -> None:
        self.rng = rng
        self._fillers = fillers
        self._labels = labels or {}
        self._parts: list[str] = []
        self._length = 0
        self.spans: list[TextSpan] = []

    @property
    def text(self) -> str:
        """What was written so far."""
        return "".join(self._parts)

    @property
    def length(self) -> int:
        """Its number of characters."""
        return self._length

    def write(self, template: str) -> str:
        """Append a template with its slots filled.

        RETURNS (str): What was appended.
        """
        first = len(self._parts)
        for literal, slot, _, _ in _FORMATTER.parse(template):
            self._append(literal)
            if slot is None:
                continue
            start = self._length
            self._append(self._fillers[slot](self.rng))
            if slot in self._labels:
                self.spans.append(TextSpan(start, self._length, self._labels[slot]))
        return "".join(self._parts[first:])

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def pick(*values: str) -> Filler:
    """A filler that takes one of some values."""
    return lambda rng: rng.choice(values)


def number(low: int, high: int) -> Filler:
    """A filler that takes a whole number, both ends included."""
    return lambda rng: str(rng.randint(low, high))


def decimal(low: float, high: float, places: int = 1) -> Filler:
    """A filler that takes a decimal number."""
    return lambda rng: f"{rng.uniform(low, high):.{places}f}"


CLINICAL: dict[str, Filler] = {
    "bp": lambda rng: f"{rng.randint(95, 178)}/{rng.randint(50, 98)}",
    "pulse": number(52, 118),
    "breaths": number(12, 24),
    "saturation": number(89, 100),
    "fever": decimal(36.2, 38.9),
    "fraction": pick("5/5", "4/5", "2/6", "1/6", "3/6", "4/4"),
    "dose": pick("2.5", "5", "10", "12.5", "20", "25", "40", "50", "80", "100", "325", "500"),
    "drug": pick(
        "lisinopril", "metoprolol", "atorvastatin", "furosemide", "amlodipine", "metformin", "omeprazole",
        "warfarin", "levothyroxine", "potassium chloride", "losartan", "pantoprazole", "cefazolin",
        "ceftriaxone", "docusate",
    ),
    "often": pick("daily", "BID", "TID", "q8h", "q12h", "at bedtime", "every other day", "once a week"),
    "route": pick("PO", "IV", "SC", "by mouth", "p.o."),
    "days": number(2, 14),
    "weeks": number(2, 12),
    "years": number(2, 25),
    "small": number(1, 6),
    "percent": number(25, 70),
    "sodium": number(130, 146),
    "potassium": decimal(3.2, 5.4),
    "creatinine": decimal(0.6, 3.1),
    "white": decimal(3.8, 18.5),
    "hemoglobin": decimal(7.4, 15.8),
    "platelets": number(90, 420),
    "glucose": number(74, 290),
    "size": decimal(0.4, 6.5),
    "side": pick("left", "right"),
    "eponym": pick(
        "Parkinson's disease", "Crohn's disease", "Hodgkin lymphoma", "Graves' disease",
        "Raynaud's phenomenon", "Bell's palsy", "Hashimoto's thyroiditis", "Barrett's esophagus",
        "Addison's disease", "Wilson's disease",
    ),
    "device": pick("Foley catheter", "Swan-Ganz catheter", "Penrose drain", "Jackson-Pratt drain",
    "Holter monitor"), "sign": pick("Babinski", "Homans", "Romberg", "Murphy", "Kernig", "Brudzinski"),
    "problem": pick(
        "hypertension", "type 2 diabetes mellitus", "atrial fibrillation", "chronic kidney disease",
        "osteoarthritis", "hyperlipidemia", "gout", "hypothyroidism", "peripheral vascular disease",
        "benign prostatic hyperplasia",
    ),
    "complaint": pick(
        "shortness of breath", "abdominal discomfort", "fever and chills", "a productive cough",
        "lightheadedness", "lower extremity edema", "nausea and vomiting", "a fall from standing height",
        "palpitations",
    ),
    "study": pick("chest radiograph", "CT of the abdomen", "echocardiogram", "renal ultrasound", "EKG",
    "MRI of the spine"),
}  # fmt: skip
