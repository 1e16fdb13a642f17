"""BioC documents become Records, whether they came as XML or as JSON: both are brought into the shape of the JSON.

Passages (or their sentences) are put together on their offsets, so that every published offset holds: the
first character of a gap becomes a line end, the others spaces. The facts of a collection (source, date, key)
are left out; whatever belongs to a document and is no mention is kept in ``Record.meta``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpus_scripts.formats.files import plain_stem
from corpus_scripts.formats.mentions import Mention, Settled, Stretch, Unsettled, settle, shown_id
from corpus_scripts.record import Record, check_record
from corpus_scripts.tally import Tally
from spacy_bioclinical.errors import Errors

MISMATCH = ("error", "offsets")

# More white space than this between passages is a damaged offset, not a gap.
_LONGEST_GAPS = 1_000_000
_DEEPEST_META = 16
_MOST_DIGITS = 12


@dataclass(frozen=True)
class BiocOptions:
    """How annotations are read.

    type_key (str): The infon that holds the label.
    mismatch (str): A document whose mentions do not all stand where they are said to is an "error"; or its
        "offsets" are believed and such mentions counted (services that normalise the text of mentions, such as
        a Greek letter written out, need it).
    """

    type_key: str = "type"
    mismatch: str = "error"

    def check(self) -> None:
        """Refuse unknown values (BC622)."""
        if self.mismatch not in MISMATCH:
            expected = " or ".join(MISMATCH)
            raise ValueError(
                Errors.BC622.format(option="--set bioc.mismatch", value=self.mismatch, expected=expected)
            )


class _Block(NamedTuple):
    """A passage or a sentence: where it was said to begin, and the number of stretches before and after it."""

    kind: str
    offset: int
    text: str
    infons: Any
    first: int
    last: int


class BiocDocument:
    """One document in the shape of BioC JSON, on its way to a Record.

    document (Mapping): The document.
    options (BiocOptions): How annotations are read.
    path, line: Where it begins, for messages.
    number (int): Its place in the file, from 1: makes an id if it has none.
    """

    def __init__(
        self, document: Mapping[str, Any], options: BiocOptions, *, path: Path, line: int, number: int
    ) -> None:
        self.document = document
        self.options = options
        self.path = path
        self.line = line
        name = document.get("id")
        sound = name is None or isinstance(name, str) or _is_whole(name)
        self.id = str(name) if sound and name not in (None, "") else f"{plain_stem(path)}-{number:05d}"
        self.stretches: list[Stretch] = []
        self.mentions: list[Mention] = []
        self.annotations: dict[str, Any] = {}
        self.unplaced: list[Any] = []
        self.relations: list[Any] = []
        self.blocks: list[_Block] = []
        self.n_annotations = 0
        self.renamed = 0
        self.taken: set[str] = set()
        self.copies: Counter[str] = Counter()
        if not sound or not self.id.strip():
            raise self.refusal("its id is neither a string nor a whole number")

    def record(self, tally: Tally) -> Record:
        """Make the Record.

        tally (Tally): Receives what was repaired.
        RETURNS (Record): Spans named after the annotations' ids (a repeated id gets "#2", …).
            ``meta["annotations"]`` has the other infons of each, ``meta["unplaced"]`` annotations of no text,
            ``meta["relations"]``, ``meta["passages"]`` and ``meta["sentences"]`` (start, end, infons),
            ``meta["infons"]``, and what else the document holds in ``meta["other"]``.
        RAISES (ValueError): BC637 mention and text differ in every unit of offsets, BC638 not as BioC has it.
        """
        self._note_ids()
        self._add_stretches()
        trust = self.options.mismatch == "offsets"
        try:
            settled = settle(self.stretches, self.mentions, trust=trust)
        except Unsettled as error:
            if error.mention is None:
                raise self.refusal("two passages or sentences overlap") from None
            where = f"line {self.line}, {error.mention.where}"
            advice = "to believe such offsets, set --set bioc.mismatch=offsets"
            message = Errors.BC637.format(
                path=self.path, where=where, document=shown_id(self.id), offsets=error.offsets, advice=advice
            )
            raise ValueError(message) from None
        settled.count(len(self.mentions), tally)
        for reason, count in (
            ("repeated_annotation_id", self.renamed),
            ("annotation_of_no_text", len(self.unplaced)),
        ):
            if count:
                tally.repaired[reason] += count
        several = [mention for mention in self.mentions if len(mention.fragments) > 1]
        if several:
            tally.repaired["discontinuous_mention"] += len(several)
            tally.repaired["discontinuous_fragment"] += sum(len(mention.fragments) for mention in several)
        meta = self._meta(settled, [mention.id for mention in several])
        record = Record(self.id, settled.text, tuple(settled.spans), meta=meta)
        check_record(record, where=f"{self.path}, line {self.line}")
        return record

    def refusal(self, why: str, annotation: str = "") -> ValueError:
        """The error for something that is not as BioC has it."""
        where = f", {annotation}" if annotation else ""
        document = shown_id(self.id)
        return ValueError(
            Errors.BC638.format(path=self.path, line=self.line, document=document, annotation=where, why=why)
        )

    def _note_ids(self) -> None:
        """Pass over the annotations once, so that no name made for one is the id of another."""
        self.given: set[str] = set()
        blocks = [self.document, *self._list(self.document, "passages")]
        for block in blocks:
            for holder in (block, *self._list(block, "sentences")):
                for annotation in self._list(holder, "annotations"):
                    if isinstance(name := annotation.get("id"), str) or _is_whole(name):
                        self.given.add(str(name))

    def _add_stretches(self) -> None:
        for passage in self._list(self.document, "passages"):
            self._add_block(passage, with_offset=True)
        # Some writers put text or sentences into the document itself; annotations and relations may stand there.
        self._add_block(self.document, with_offset=False)
        bound = sum(len(text.encode("utf-8", "surrogatepass")) for _, text in self.stretches) + _LONGEST_GAPS
        if any(offset > bound for offset, text in self.stretches if text):
            raise self.refusal(f"a passage begins more than {_LONGEST_GAPS:,} characters beyond its text")

    def _add_block(self, block: Mapping[str, Any], *, with_offset: bool) -> None:
        text = self._text(block)
        sentences = self._list(block, "sentences")
        first = len(self.stretches)
        offset = self._offset(block.get("offset") if with_offset else block.get("offset", 0))
        self.stretches.append(Stretch(offset, text))
        self._add_annotations(block)
        for sentence in sentences:
            written, begin = self._text(sentence), self._offset(sentence.get("offset"))
            if not text:
                self.stretches.append(Stretch(begin, written))
            here = len(self.stretches)
            self.blocks.append(_Block("sentences", begin, written, sentence.get("infons"), here - 1, here))
            self._add_annotations(sentence)
        if with_offset:
            facts = (offset, text, block.get("infons"), first, len(self.stretches))
            self.blocks.append(_Block("passages", *facts))

    def _add_annotations(self, holder: Mapping[str, Any]) -> None:
        for annotation in self._list(holder, "annotations"):
            self._add_annotation(annotation)
        relations = holder.get("relations")
        if relations is not None and not isinstance(relations, list):
            raise self.refusal('"relations" is not a list')
        self.relations.extend(relations or ())

    def _add_annotation(self, annotation: Mapping[str, Any]) -> None:
        self.n_annotations += 1
        published = annotation.get("id")
        where = f"annotation {self.n_annotations}"
        if isinstance(published, str):
            where += f" (id {shown_id(published)})"
        if published is not None and not isinstance(published, str) and not _is_whole(published):
            raise self.refusal("its id is neither a string nor a whole number", where)
        infons = annotation.get("infons") or {}
        text = annotation.get("text") or ""
        if not isinstance(infons, dict) or not isinstance(text, str):
            raise self.refusal("its infons are no object, or its text is no string", where)
        fragments = self._fragments(annotation, where)
        if not text.strip() and all(start == end for start, end in fragments):
            self.unplaced.append(annotation)
            return
        if not fragments or any(start == end for start, end in fragments):
            raise self.refusal("it has a text, but no location or one of no characters", where)
        label = infons.get(self.options.type_key)
        if not isinstance(label, str) or not label.strip():
            raise self.refusal(
                f"no infon '{self.options.type_key}' names its type; give --set bioc.type_key=KEY", where
            )
        name = self._name(published)
        self.mentions.append(Mention(name, label, tuple(fragments), text, where))
        rest = {key: value for key, value in infons.items() if key != self.options.type_key}
        if rest:
            self.annotations[name] = rest

    def _fragments(self, annotation: Mapping[str, Any], where: str) -> list[tuple[int, int]]:
        fragments = []
        for location in self._list(annotation, "locations"):
            offset, length = _whole(location.get("offset")), _whole(location.get("length"))
            if offset is None or length is None:
                why = "offset or length of a location is not a whole number from 0 on"
                raise self.refusal(why, where)
            fragments.append((offset, offset + length))
        return fragments

    def _name(self, published: Any) -> str:
        """A name that no other annotation of the document has: fragments of one mention share theirs."""
        wanted = str(published) if published not in (None, "") else f"A{self.n_annotations}"
        name = wanted
        while name in self.taken or (name in self.given and name != str(published)):
            self.copies[wanted] += 1
            name = f"{wanted}#{self.copies[wanted] + 1}"
        self.renamed += name != wanted
        self.taken.add(name)
        return name

    def _offset(self, value: Any) -> int:
        offset = _whole(value)
        if offset is None:
            raise self.refusal("the offset of a passage or sentence is not a whole number from 0 on")
        return offset

    def _text(self, holder: Mapping[str, Any]) -> str:
        text = holder.get("text")
        if text is not None and not isinstance(text, str):
            raise self.refusal("the text of a passage or sentence is no string")
        return text or ""

    def _list(self, holder: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        found = holder.get(key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise self.refusal(f'"{key}" is not a list of objects')
        return found

    def _meta(self, settled: Settled, discontinuous: list[str]) -> dict[str, Any]:
        known = ("id", "infons", "passages", "text", "sentences", "annotations", "relations", "offset")
        facts = {
            "infons": self.document.get("infons"),
            **self._placed_blocks(settled),
            "annotations": self.annotations,
            "unplaced": self.unplaced,
            "relations": self.relations,
            "other": {key: value for key, value in self.document.items() if key not in known},
            "discontinuous": discontinuous,
        }
        meta = {key: value for key, value in facts.items() if value}
        if not _is_shallow(meta, _DEEPEST_META):
            raise self.refusal(f"objects nested more than {_DEEPEST_META} deep")
        return meta

    def _placed_blocks(self, settled: Settled) -> dict[str, list[Any]]:
        """Start and end (in characters) and infons of passages and sentences."""
        placed: dict[str, list[Any]] = {"passages": [], "sentences": []}
        for block in self.blocks:
            facts: dict[str, Any] = {"infons": block.infons} if block.infons else {}
            start = settled.place(block.offset)
            ends = [
                place + len(text)
                for offset, text in self.stretches[block.first : block.last]
                if text and (place := settled.place(offset)) is not None
            ]
            if block.text and start is not None:
                ends = [start + len(block.text)]
            if start is not None and ends:
                facts = {"start": start, "end": max(ends), **facts}
            if block.text and (start is None or settled.text[start : ends[0]] != block.text):
                raise self.refusal("a sentence is not what stands at its offset in the passage")
            if facts:
                placed[block.kind].append(facts)
        return placed


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: Any) -> int | None:
    """A whole number from 0 on, or one written with ASCII digits; None for anything else."""
    if isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS:
            return int(digits)
        return None
    return value if _is_whole(value) and 0 <= value < 10**_MOST_DIGITS else None


def _is_shallow(value: Any, depth: int) -> bool:
    if isinstance(value, (dict, list)):
        parts = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_shallow(part, depth - 1) for part in parts)
    return True
