"""Cut a clinical note into sections, headers, list items and rules, by the rules of Bio_ClinicalBERT's preparation.

Alsentzer et al. 2019 (arXiv 1904.03323), whose `heuristic_tokenize.py` follows W. Boag's mimic-tokenize; written
anew from the description of its steps. Two faults of the published code are mended, as its authors advise: the
dot of a list number is a dot, and the one-line text under a header is never lost. `legacy=True` keeps both: text
is then lost, and some notes stop with an error (the published pipeline dropped those).
"""

import re

from spacy_bioclinical.errors import Errors

DASHES, UNDERSCORES = "-----", "_____"
_NO_CAPITAL_NEEDED = frozenset(("of", "on", "or"))
_NOT_TITLES = frozenset(("Disp",))  # a field of prescriptions that starts many lines
_PARENTHESISED = re.compile(r"\([^)]*\)")
_INLINE_TITLE = re.compile(r"([A-Za-z ]+:) ")
_HEADER = re.compile(r"^[A-Z][^\n:]+:", re.MULTILINE)
_RULE = re.compile(rf"^({DASHES}|{UNDERSCORES})$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*([0-9]{1,9})\.", re.MULTILINE)
_LEADING_NUMBER = re.compile(r"^[ \t]*([0-9]{1,9})(.?)", re.MULTILINE)
_HEADER_LINES = (
    re.compile(r"(Admission Date:) (.*) (Discharge Date:) (.*)"),
    re.compile(r"(Date of Birth:) (.*) (Sex:) (.*)"),
)


def is_title(text: str) -> bool:
    """Tell whether a text is a title: it ends in a colon, and all words but of, on, or begin with a capital.

    Words in parentheses do not count; "Disp:" is none.
    """
    if not text.endswith(":"):
        return False
    name = _PARENTHESISED.sub("", text[:-1])
    if name.strip() in _NOT_TITLES:
        return False
    return all(word in _NO_CAPITAL_NEEDED or word[0].isupper() for word in name.split())


def is_inline_title(line: str) -> bool:
    """Tell whether a line begins with a title of letters and spaces, followed by a space."""
    match = _INLINE_TITLE.match(line)
    return match is not None and is_title(match[1])


def split_sections(text: str, *, legacy: bool = False) -> list[str]:
    """Cut a note into segments, in order, without white space around them; none is empty.

    text (str): a whole note.
    legacy (bool): as published, faults included. Otherwise every character that is not white space is kept, but for
        runs of dashes and underscores, which become five.
    RETURNS (list[str]): headers with their one-line text, texts (which may hold newlines), list items, rules.
    RAISES (ValueError): BC752, in legacy mode only, where the published code raised.
    """
    if not legacy:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    segments, paragraphs = _split_header_lines(_split_paragraphs(text), legacy)
    for paragraph in paragraphs:
        segments += _split_at_headers(paragraph)
    segments = [part for segment in segments for part in _stripped(_RULE.split(segment))]
    cut = _split_list_as_published if legacy else _split_list
    segments = [part for i, segment in enumerate(segments) for part in cut(segment, i)]
    segments = [part for segment in segments for part in _split_at_inline_titles(segment)]
    return _join_answers(segments, legacy)


def _stripped(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def _split_paragraphs(text: str) -> list[str]:
    """Step 1: rules become paragraphs of their own; cut at blank lines."""
    text = re.sub("---+", f"\n\n{DASHES}\n\n", text)
    text = re.sub("___+", f"\n\n{UNDERSCORES}\n\n", text)
    return _stripped(re.split("\n\n+", text))


def _split_header_lines(paragraphs: list[str], legacy: bool) -> tuple[list[str], list[str]]:
    """Step 2: the dates of the stay, then birth and sex, in four parts each; the rest of that paragraph is dropped.

    (Not in ours: it stays as a paragraph.)
    """
    parts: list[str] = []
    for pattern in _HEADER_LINES:
        match = pattern.match(paragraphs[0]) if paragraphs else None
        if match:
            parts += _stripped(list(match.groups()))
            rest = [] if legacy else _stripped([paragraphs[0][match.end() :]])
            paragraphs = rest + paragraphs[1:]
    return parts, paragraphs


def _split_at_headers(paragraph: str) -> list[str]:
    """Step 3: cut before and after each title at the start of a line."""
    parts, start = [], 0
    for match in _HEADER.finditer(paragraph):
        if is_title(match[0].strip()):
            parts += [paragraph[start : match.start()], match[0]]
            start = match.end()
    return _stripped([*parts, paragraph[start:]])


def _split_list(segment: str, number: int) -> list[str]:
    """Step 5: cut before the items n, n + 1, … of a numbered list, from the first number at the start of a line."""
    cuts, wanted = [0], None
    for match in _ITEM.finditer(segment):
        if wanted is None or int(match[1]) == wanted:
            cuts.append(match.start())
            wanted = int(match[1]) + 1
    return _stripped([segment[a:b] for a, b in zip(cuts, [*cuts[1:], len(segment)], strict=True)])


def _split_list_as_published(segment: str, number: int) -> list[str]:
    """Step 5 with its fault: while counting, any character counts as the dot; cuts are made at any numbers with dots.

    So "10 mg" counts as item 10, and the cuts that were counted may not be found.
    """
    items = [match.start() for match in _ITEM.finditer(segment)]
    first = _ITEM.search(segment)
    if first is None:
        return [segment]
    seen = set()
    for match in _LEADING_NUMBER.finditer(segment):
        digits = match[1]
        # "12." also holds the number 1 with a character behind it.
        seen |= {digits[:k] for k in range(1, len(digits) + bool(match[2]))}
    counted = 0
    while str(int(first[1]) + counted) in seen:
        counted += 1
    if counted > len(items):
        raise ValueError(Errors.BC752.format(counted=counted, found=len(items), segment=number))
    cuts = [0, *items[:counted]]
    return _stripped([segment[a:b] for a, b in zip(cuts, [*cuts[1:], len(segment)], strict=True)])


def _split_at_inline_titles(segment: str) -> list[str]:
    """Step 6: begin anew at each line that begins with a title."""
    parts: list[list[str]] = [[]]
    for line in segment.split("\n"):
        if is_inline_title(line):
            parts.append([])
        parts[-1].append(line)
    return _stripped(["\n".join(lines) for lines in parts])


def _join_answers(segments: list[str], legacy: bool) -> list[str]:
    """Step 7: put a one-line text behind its header, if it is all that stands under it.

    As published, a one-line text under a header with more below it is lost.
    """
    joined: list[str] = []
    last = len(segments) - 1
    for i, segment in enumerate(segments):
        answers = i > 0 and "\n" not in segment and is_title(segments[i - 1]) and not is_title(segment)
        if answers and (i == last or is_title(segments[i + 1])):
            joined[-1] += " " + segment
        elif not (answers and legacy):
            joined.append(segment)
    return joined
