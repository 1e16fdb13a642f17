"""What stands in the identifying slots of a stand-in for PhysioNet's notes, each under the text of its mask."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from corpus_scripts.synthetic.identities import PARTS, pool
from corpus_scripts.synthetic.standin.difficulty import Draw
from corpus_scripts.synthetic.template import CLINICAL

_FIRST_MASKS = (
    "First Name{n} (NamePattern1) ",
    "Known firstname {n}",
    "First Name (un) ",
    "Doctor First Name ",
)
_LAST_MASKS = ("Last Name (NamePattern{n}) ", "Known lastname {n}", "Name{n} (STitle) ", "Last Name (un) ")
_HOSPITALS = (
    "{} General Hospital", "{} Medical Center", "{} Memorial", "{} Clinic", "{} Nursing Home", "{} Rehab", "{}",
)  # fmt: skip
_STREETS = ("Street", "Avenue", "Road", "Lane", "Drive", "Court", "St", "Ave")
_COMPANIES = ("Logistics", "Foundry", "Printing Co", "Bakery", "Textiles Inc", "Motors", "Lumber")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_RELATIVES = ("cousin", "sister", "brother", "partner", "neighbor", "roommate", "daughter", "son")
# Ages below this stand unmasked.
_OLD = 90


class Surrogates:
    """The slots of one note.

    person (Draw): Draws the patient and the doctor; the same for all notes of one patient.
    draw (Draw): Draws all else.
    """

    def __init__(self, person: Draw, draw: Draw) -> None:
        self._draw = draw
        self._first, self._doctor_first = (person.value("first", _first) for _ in range(2))
        self._last, self._doctor_last = (person.value("last", _last) for _ in range(2))
        self._hospital = person.value("hospital", _hospital)
        self._town = person.value("place", _place)
        self._female = person.rng.random() < 0.5
        old = person.value("old", lambda rng: str(rng.randint(_OLD, 109)))
        self._age = old if person.rng.random() < 0.4 else str(person.rng.randint(19, _OLD - 1))

    def fill(self, slot: str) -> str:
        """The text of a slot, with its mark if it identifies."""
        if slot in _PLAIN:
            return _PLAIN[slot][self._female]
        if slot in CLINICAL:
            return CLINICAL[slot](self._draw.rng)
        makers: dict[str, Callable[[], str]] = {
            "patient": lambda: f"{self._name(self._first, True)} {self._name(self._last)}",
            "patient_first": lambda: self._name(self._first, True),
            "patient_last": lambda: self._name(self._last),
            "patient_comma": lambda: f"{self._name(self._last)}, {self._name(self._first, True)}",
            "doctor": lambda: f"{self._name(self._doctor_first, True)} {self._name(self._doctor_last)}",
            "doctor_last": lambda: self._name(self._doctor_last),
            "person": lambda: f"{self.fill('person_first')} {self.fill('person_last')}",
            "person_first": lambda: self._name(self._draw.value("first", _first), True),
            "person_last": lambda: self._name(self._draw.value("last", _last)),
            "hospital": lambda: self._mark("location", "Hospital{n} ", self._hospital),
            "town": lambda: self._mark("location", "Location (un) ", self._town),
            "age": lambda: (
                self._mark("age", "Age over 90 ", self._age) if int(self._age) >= _OLD else self._age
            ),
            "relative_age": self._relative_age,
            "relative": lambda: self._draw.rng.choice(_RELATIVES),
        }
        if slot in makers:
            return makers[slot]()
        label, masks, make = _DRAWN[slot]
        return self._mark(label, self._draw.rng.choice(masks), self._draw.value(slot, make))

    def _name(self, name: str, first: bool = False) -> str:
        return self._mark("name", self._draw.rng.choice(_FIRST_MASKS if first else _LAST_MASKS), name)

    def _relative_age(self) -> str:
        if self._draw.rng.random() < 0.3:
            old = self._draw.value("old", lambda rng: str(rng.randint(_OLD, 109)))
            return self._mark("age", "Age over 90 ", old)
        return str(self._draw.rng.randint(30, _OLD - 1))

    def _mark(self, label: str, mask: str, text: str) -> str:
        rng = self._draw.rng
        mask = mask.format(
            n=rng.randint(1, 99), m=rng.randint(1, 12), d=rng.randint(1, 28), y=rng.randint(1990, 2199)
        )
        return f"[{label}={mask}|{text}]"


_PLAIN = {
    "Mr": ("Mr.", "Ms."),
    "man": ("man", "woman"),
    "He": ("He", "She"),
    "he": ("he", "she"),
    "his": ("his", "her"),
}


def _any(kind: str) -> Callable[[Random], str]:
    return lambda rng: rng.choice(pool(kind, rng.choice(PARTS)))


_first, _last, _place = _any("first"), _any("last"), _any("place")


def _hospital(rng: Random) -> str:
    return rng.choice(_HOSPITALS).format(_place(rng))


def _day(rng: Random) -> str:
    return f"{rng.randint(1, 12)}/{rng.randint(1, 28)}"


def _date(rng: Random) -> str:
    month, day, year = rng.randint(1, 12), rng.randint(1, 28), rng.randint(1990, 2024)
    return rng.choice(
        (
            f"{month:02d}/{day:02d}/{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{_MONTHS[month - 1]} {day}, {year}",
            f"{day} {_MONTHS[month - 1][:3]} {year}",
            f"{month}/{day}/{year % 100:02d}",
        )
    )


def _phone(rng: Random) -> str:
    area, line = rng.randint(201, 989), f"01{rng.randint(0, 99):02d}"
    return rng.choice((f"({area}) 555-{line}", f"{area}-555-{line}", f"{area}.555.{line}"))


_FULL = ("{y}-{m:02d}-{d:02d}",)
_NUMBERS = ("", "")
# Slot → class, texts of its mask, maker.
_DRAWN: dict[str, tuple[str, tuple[str, ...], Callable[[Random], str]]] = {
    "facility": ("location", ("Hospital{n} ", "Hospital {n} "), _hospital),
    "other_town": ("location", ("Location (un) {n}", "Location "), _place),
    "address": (
        "location",
        ("Street Address({n}) ",),
        lambda rng: f"{rng.randint(2, 990)} {_place(rng)} {rng.choice(_STREETS)}",
    ),
    "unit": (
        "location",
        ("Unit Number {n}", "Unit Number {n}", "Hospital Ward Name {n}"),
        lambda rng: f"{_place(rng)} {rng.randint(2, 9)}",
    ),
    "date": ("date", _FULL, _date),
    "later": ("date", _FULL, _date),
    "short_date": ("date", ("{m}-{d}",), _day),
    "year": ("date", ("{y}",), lambda rng: str(rng.randint(1950, 2024))),
    "past": (
        "date",
        ("Month/Year ({n}) ",),
        lambda rng: f"{rng.choice(_MONTHS)} {rng.randint(1990, 2024)}",
    ),
    "range": ("date", ("Date range ({n}) ",), lambda rng: f"{_day(rng)} to {_day(rng)}"),
    "phone": ("phone_nb", ("Telephone/Fax ({n}) ",), _phone),
    "extension": (
        "phone_nb",
        ("Telephone/Fax ({n}) ",),
        lambda rng: f"x{rng.randint(1, 9)}-{rng.randint(1000, 9999)}",
    ),
    "pager": (
        "phone_nb",
        ("Pager number ", "Pager number {n}"),
        lambda rng: str(rng.randint(10_000, 99_999)),
    ),
    "email": (
        "other",
        ("E-mail address ", "Email address {n}"),
        lambda rng: f"{_first(rng)}.{_last(rng)}@{_place(rng)}.example".lower(),
    ),
    "employer": ("other", ("Company ", "Company {n}"), lambda rng: f"{_last(rng)} {rng.choice(_COMPANIES)}"),
    "record": ("other", _NUMBERS, lambda rng: str(rng.randint(1_000_000, 9_999_999))),
    "account": (
        "other",
        _NUMBERS,
        lambda rng: f"{rng.choice('ABCHKLMPRT')}{rng.randint(10_000_000, 99_999_999)}",
    ),
    "social": (
        "other",
        (" ",),
        lambda rng: f"9{rng.randint(10, 99)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
    ),
}
