"""Makers of the text of identifying slots (six classes), in the many shapes in which notes write them."""

from __future__ import annotations

from random import Random

from corpus_scripts.synthetic.identities import Identity
from corpus_scripts.synthetic.template import Filler, pick

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

# Class → its slots; slots of the clinical templates have none.
_SLOTS = {
    "age": "age relative_age",
    "date": "admitted discharged date later short_date past birth year",
    "location": "hospital facility town other_town address unit",
    "name": "patient patient_last patient_first patient_caps patient_comma "
    "doctor doctor_last doctor_caps person person_last initials",
    "phone_nb": "phone pager extension",
    "other": "record email account employer social",
}
SLOT_CLASSES = {slot: label for label, slots in _SLOTS.items() for slot in slots.split()}
CLASSES = tuple(_SLOTS)


def fillers(identity: Identity, rng: Random) -> dict[str, Filler]:
    """The identifying slots of one note.

    identity (Identity): Its people and places.
    rng (Random): Fixes what must stay the same within the note.
    RETURNS (dict): Slot → maker.
    """
    person = identity
    initial = rng.random() < 0.3
    doctor = (
        f"{person.doctor_first[0]}. {person.doctor_last}"
        if initial
        else f"{person.doctor_first} {person.doctor_last}"
    )
    style = rng.randrange(len(_DATE_STYLES))

    def date(after: int) -> Filler:
        return lambda rng: _date(
            person, after + rng.randint(0, 2), style if rng.random() < 0.75 else None, rng
        )

    return {
        "patient": lambda rng: f"{person.first} {person.last}",
        "patient_last": lambda rng: person.last,
        "patient_first": lambda rng: person.first,
        "patient_caps": lambda rng: f"{person.first} {person.last}".upper(),
        "patient_comma": lambda rng: f"{person.last}, {person.first}",
        "doctor": lambda rng: doctor,
        "doctor_last": lambda rng: person.doctor_last,
        "doctor_caps": lambda rng: f"{person.doctor_first} {person.doctor_last}".upper(),
        "person": lambda rng: f"{person.word('first')} {person.word('last')}",
        "person_last": lambda rng: person.word("last"),
        "initials": lambda rng: f"{person.doctor_first[0]}{person.doctor_last[0]}",
        "hospital": lambda rng: person.hospital,
        "facility": lambda rng: person.make_facility(),
        "town": lambda rng: person.town,
        "other_town": lambda rng: person.word("place"),
        "address": lambda rng: f"{rng.randint(2, 990)} {person.word('place')} {rng.choice(_STREETS)}",
        "unit": lambda rng: f"{person.word('place')} {rng.randint(2, 9)}",
        "age": lambda rng: str(person.age),
        "relative_age": lambda rng: str(rng.randint(34, 96)),
        "date": date(1),
        "admitted": lambda rng: _date(person, 0, style, rng),
        "discharged": lambda rng: _date(person, 4, style, rng),
        "later": lambda rng: _date(person, rng.randint(35, 55), rng.choice((style, None)), rng),
        "birth": lambda rng: _date(person, -28 * 12 * person.age - rng.randint(1, 300), style, rng),
        "short_date": lambda rng: f"{person.month}/{min(28, person.day + rng.randint(0, 4))}",
        "past": lambda rng: _month(person, rng),
        "year": lambda rng: str(person.year - rng.randint(2, 30)),
        "phone": lambda rng: _phone(rng),
        "pager": lambda rng: str(rng.randint(10_000, 99_999)),
        "extension": lambda rng: f"x{rng.randint(1, 9)}-{rng.randint(1000, 9999)}",
        "record": lambda rng: person.record,
        "email": lambda rng: f"{person.first[0]}{person.last}@{person.word('place')}.example".lower(),
        "account": lambda rng: f"{rng.choice('ABCHKLMPRT')}{rng.randint(10_000_000, 99_999_999)}",
        "employer": lambda rng: f"{person.word('last')} {rng.choice(_COMPANIES)}",
        "social": lambda rng: f"9{rng.randint(10, 99)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
        "Mr": lambda rng: "Ms." if person.female else "Mr.",
        "man": lambda rng: "woman" if person.female else "man",
        "He": lambda rng: "She" if person.female else "He",
        "he": lambda rng: "she" if person.female else "he",
        "his": lambda rng: "her" if person.female else "his",
        "relative": pick("cousin", "sibling", "grandchild", "partner", "neighbor", "roommate"),
        "service": pick("MEDICINE", "CARDIOLOGY", "SURGERY", "NEUROLOGY", "ORTHOPEDICS"),
    }  # fmt: skip


_STREETS = ("Street", "Avenue", "Road", "Lane", "Drive", "Court", "Terrace", "St", "Ave")
_COMPANIES = (
    "Logistics",
    "Foundry",
    "Printing Co.",
    "Bakery",
    "Textiles Inc.",
    "Motors",
    "Insurance",
    "Lumber",
)
_DATE_STYLES = (
    lambda year, month, day: f"{month:02d}/{day:02d}/{year}",
    lambda year, month, day: f"{year}-{month:02d}-{day:02d}",
    lambda year, month, day: f"{_MONTHS[month - 1]} {day}, {year}",
    lambda year, month, day: f"{day} {_MONTHS[month - 1][:3]} {year}",
    lambda year, month, day: f"{month}/{day}/{year % 100:02d}",
    lambda year, month, day: f"{_MONTHS[month - 1]} {day}",
)


def _date(person: Identity, after: int, style: int | None, rng: Random) -> str:
    """A date some days after admission, months counted as 28 days."""
    day = person.day + after
    month = person.month + (day - 1) // 28
    year = person.year + (month - 1) // 12
    chosen = rng.randrange(len(_DATE_STYLES)) if style is None else style
    return _DATE_STYLES[chosen](year, (month - 1) % 12 + 1, (day - 1) % 28 + 1)


def _month(person: Identity, rng: Random) -> str:
    """A month some time before admission."""
    if rng.random() < 0.5:
        return f"{rng.choice(_MONTHS)} {person.year - 1}"
    return f"{rng.randint(1, 12):02d}/{person.year - 2}"


def _phone(rng: Random) -> str:
    area, line = rng.randint(201, 989), f"01{rng.randint(0, 99):02d}"
    return rng.choice(
        (
            f"({area}) 555-{line}",
            f"{area}-555-{line}",
            f"555-{line}",
            f"{area}.555.{line}",
            f"1-{area}-555-{line}",
        )
    )
