"""Clean a document before it is tokenised: de-identification placeholders, white space, minimum length.

Placeholders are the `[**First Name8 (NamePattern2) **]` of MIMIC-III and the bare `___` of MIMIC-IV. "keep"
leaves them; "drop" takes them out; "surrogate" puts an invented name, date, place or number in their stead,
so that the encoder learns what such text looks like in real notes. An encoder that only ever saw placeholders
is poor at de-identification. Reports count, they never quote.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from spacy_bioclinical.errors import Errors

PLACEHOLDERS = ("keep", "surrogate", "drop")
# Bounded, so that a text full of "[**" takes linear time. The first kind may run over a line's end.
PLACEHOLDER = re.compile(r"\[\*\*(?P<named>[^\[\]]{0,120}?)\*\*\]|(?<![_\w])(?P<bare>___)(?!_)")
_SPACE = re.compile(r"\s+")
_DATE = re.compile(r"\d{1,4}(-\d{1,2}){1,2}|\d{4}")
_CONTEXT = 30  # characters before a bare placeholder that tell its kind

GIVEN = [
    "Alma",
    "Boris",
    "Carla",
    "Dmitri",
    "Elena",
    "Felix",
    "Greta",
    "Hugo",
    "Irene",
    "Jonas",
    "Karin",
    "Leo",
    "Marta",
    "Nils",
    "Olga",
    "Paul",
]
FAMILY = [
    "Abbott",
    "Brandt",
    "Castillo",
    "Dorsey",
    "Ekman",
    "Farrow",
    "Gladwin",
    "Hobart",
    "Ishida",
    "Jansen",
    "Keller",
    "Lindqvist",
]
PLACES = ["Ashford", "Birchwood", "Cedarville", "Dunmore", "Eastfield", "Fairhaven", "Glenbrook", "Harwick"]
HOSPITALS = [f"{place} {kind}" for place in PLACES for kind in ("Hospital", "Medical Center")]
STREETS = ["Maple Street", "Oak Avenue", "Mill Lane", "Station Road", "Hill Street", "Garden Way"]
COMPANIES = ["Northern Tooling", "Harbor Foods", "Lakeside Freight", "Summit Textiles"]
MONTHS = [
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


@dataclass(frozen=True)
class Cleaning:
    """What is done to a document; the defaults change nothing.

    placeholders (str): "keep", "surrogate" or "drop".
    collapse_space (bool): runs of white space, line breaks included, become one space, as in Clinical
        ModernBERT's corpus. Section headings can then no longer be seen, so long documents are cut less well.
    min_characters, min_pieces (int): shorter documents are left out, after all other cleaning.
    seed (int): of the surrogates.
    """

    placeholders: str = "keep"
    collapse_space: bool = False
    min_characters: int = 0
    min_pieces: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.placeholders not in PLACEHOLDERS:
            message = Errors.BC741.format(
                what="placeholders", value=f"'{self.placeholders}'", range=f"one of {', '.join(PLACEHOLDERS)}"
            )
            raise ValueError(message)
        for name in ("min_characters", "min_pieces"):
            if getattr(self, name) < 0:
                raise ValueError(Errors.BC741.format(what=name, value=getattr(self, name), range="0 or more"))


def clean(text: str, document_id: str, cleaning: Cleaning, counts: Counter[str]) -> str | None:
    """Clean one text.

    document_id (str): decides, with seed and placeholder, on surrogates: the same placeholder in one document
        is always the same person. The bare `___` names nobody; each is its own.
    counts (Counter): raised by "placeholders kept: dates" and the like, "space collapsed" (characters),
        "too short" (documents).
    RETURNS (str | None): None if it is too short.
    """
    if "[**" in text or "___" in text:
        text = _placeholders(text, document_id, cleaning, counts)
    if cleaning.collapse_space:
        collapsed = _SPACE.sub(" ", text).strip()
        if len(collapsed) < len(text):
            counts["space collapsed"] += len(text) - len(collapsed)
        text = collapsed
    if len(text) < cleaning.min_characters:
        counts["too short"] += 1
        return None
    return text


def placeholder_kind(inside: str) -> str:
    """Tell what a MIMIC-III placeholder stands for by the words (or date) inside it."""
    words = inside.strip().lower()
    if _DATE.fullmatch(words):
        return "dates"
    for kind, signs in KINDS.items():
        if any(sign in words for sign in signs):
            return kind
    return "numbers" if words.strip("-/ ").isdigit() else "others"


def _placeholders(text: str, document_id: str, cleaning: Cleaning, counts: Counter[str]) -> str:
    done = {"keep": "kept", "surrogate": "replaced", "drop": "dropped"}[cleaning.placeholders]
    parts: list[str] = []
    end = 0
    for number, match in enumerate(PLACEHOLDER.finditer(text)):
        if match["bare"] is not None:
            kind = _bare_kind(text[max(0, match.start() - _CONTEXT) : match.start()])
            key = f"{number}"
        else:
            kind = placeholder_kind(match["named"])
            key = " ".join(match["named"].split())
        counts[f"placeholders {done}: {kind}"] += 1
        if cleaning.placeholders == "keep":
            continue
        start = match.start()
        if cleaning.placeholders == "drop":
            after = text[match.end() : match.end() + 1]
            if text[start - 1 : start] == " " and (not after or after in " \n.,;:)"):
                start -= 1  # leave one space, not two
            surrogate = ""
        else:
            surrogate = _surrogate(kind, key, document_id, cleaning.seed)
        parts += [text[end : max(start, end)], surrogate]
        end = match.end()
    return "".join([*parts, text[end:]]) if parts else text


def _bare_kind(before: str) -> str:
    line = before.rpartition("\n")[2].lower()
    for kind, signs in BARE_SIGNS.items():
        if any(sign in line for sign in signs):
            return kind
    return "others"


def _surrogate(kind: str, key: str, document_id: str, seed: int) -> str:
    identity = f"{seed}\0{document_id}\0{kind}\0{key}".encode("utf8", "surrogatepass")
    draw = random.Random(int.from_bytes(hashlib.sha256(identity).digest()[:8], "big"))
    return SURROGATES[kind](draw, key.lower())


def _date(draw: random.Random, key: str) -> str:
    """Invent a date in the shape of the placeholder: year, month and day, month and day, year, month."""
    year, month, day = draw.randint(2005, 2022), draw.randint(1, 12), draw.randint(1, 28)
    if re.fullmatch(r"\d{4}", key) or key.startswith("year"):
        return f"{year}"
    if re.fullmatch(r"\d{1,2}-\d{1,2}", key) or (key.startswith("month/day") and "year" not in key):
        return f"{month}/{day}"
    if key.startswith("month") and "/" not in key:
        return MONTHS[month - 1]
    return f"{month}/{day}/{year}"


def _name(draw: random.Random, key: str) -> str:
    if "initial" in key:
        return f"{draw.choice(GIVEN)[0]}.{draw.choice(FAMILY)[0]}."
    is_first, is_last = "first" in key, "last" in key
    if is_first and not is_last:
        return draw.choice(GIVEN)
    if is_last and not is_first:
        return draw.choice(FAMILY)
    return f"{draw.choice(GIVEN)} {draw.choice(FAMILY)}"


def _phone(draw: random.Random, key: str) -> str:
    return f"({draw.randint(200, 989)}) 555-{draw.randint(100, 199):04}"


def _address(draw: random.Random, key: str) -> str:
    return f"{draw.randint(1, 980)} {draw.choice(STREETS)}" if "street" in key else draw.choice(PLACES)


def _number(draw: random.Random, key: str) -> str:
    return str(draw.randint(100_000, 9_999_999))


# In this order: the first kind one of whose words is inside decides.
KINDS: dict[str, tuple[str, ...]] = {
    "ages": ("age over", "age ("),
    "contacts": ("telephone", "phone", "fax", "pager", "contact info"),
    "hospitals": ("hospital", "ward", "clinic"),
    "organisations": ("company", "university", "college"),
    "numbers": ("number", "identifier", "medical record", "serial", "unit no", "po box", "job", "zip"),
    "dates": ("date", "month", "year", "day", "holiday"),
    "names": ("name", "initial", "doctor", "attending", "dictator"),
    "places": ("location", "address", "street", "country", "state", "city", "town", "county"),
    "links": ("url", "email", "e-mail"),
}
BARE_SIGNS: dict[str, tuple[str, ...]] = {
    "dates": ("date", " on ", "since", "dob", "birth", "until", "discharged", "in early", "in late"),
    "contacts": ("phone", "fax", "pager", "call"),
    "numbers": ("unit no", "mrn", "number", "no:", "#"),
    "hospitals": ("hospital", "transferred", "admitted to", " at ", "clinic", "facility"),
    "names": ("name", "dr.", "mr.", "mrs.", "ms.", "attending", "signed", "by:", "physician"),
}
SURROGATES: dict[str, Callable[[random.Random, str], str]] = {
    "ages": lambda draw, key: str(draw.randint(90, 99)),
    "contacts": _phone,
    "hospitals": lambda draw, key: draw.choice(HOSPITALS),
    "organisations": lambda draw, key: draw.choice(COMPANIES),
    "numbers": _number,
    "dates": _date,
    "names": _name,
    "places": _address,
    "links": lambda draw, key: f"{draw.choice(GIVEN).lower()}@example.org",
    "others": lambda draw, key: draw.choice(FAMILY),
}
