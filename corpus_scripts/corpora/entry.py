"""What the table of known corpora says about each: terms, files, formats, splits, label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from corpus_scripts.corpora.published.splits import PublishedSplit
from corpus_scripts.reading import ReadOptions


@dataclass(frozen=True)
class Corpus:
    """One corpus.

    name (str): As typed on the command line.
    task (str): "ner", "textcat" (one category each), "textcat_multilabel", or "text" (notes without
        annotation).
    format (str): One of reading.FORMATS.
    parts (Mapping): "train", "dev", "test" → paths below the input folder, the first that exists is read.
    licence, source, access (str): Terms; where it comes from; how one gets it.
    folder (str): Name of the folder that holds the parts; --input may be that folder or the one above.
    carve (Mapping): Part that the corpus does not have → (part it is taken from, fraction). Used only where
        the part's own files are missing; documents are chosen by checksum of their words and the seed.
    labels (Mapping): Label of the source → our label, or None to leave its mentions out. Empty: as they are.
    group (str): Regular expression for the ids: documents with the same match (a patient, say) are carved
        together. Empty: those with the same words are.
    options (ReadOptions): How its files are read.
    note (str): What a user should know before quoting a score.
    published (str): Name of the paper's loader in published.PUBLISHED, for the mode "published"; "" if none.
    whole (tuple): Paths below the input folder of the corpus before any split, the first that exists is read;
        "" is the folder itself if .ann files lie in it. Files that lie in parts go first.
    published_split (PublishedSplit | None): How the paper splits the whole corpus.
    """

    name: str
    task: str
    format: str
    parts: Mapping[str, tuple[str, ...]]
    licence: str
    source: str
    access: str
    folder: str = ""
    carve: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    group: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)
    note: str = ""
    published: str = ""
    whole: tuple[str, ...] = ()
    published_split: PublishedSplit | None = None

    def layout(self) -> str:
        """The expected paths, for people."""
        parts = "; ".join(f"{part}: {' or '.join(paths)}" for part, paths in self.parts.items())
        if not self.whole:
            return parts
        whole = " or ".join(path or "the folder itself" for path in self.whole)
        split = " (split as in the paper)" if self.published_split else ""
        return f"unsplit{split}: {whole}; {parts}"

    def facts(self) -> dict[str, object]:
        """What a report says about the corpus."""
        return {
            "name": self.name, "task": self.task, "licence": self.licence, "source": self.source,
            "access": self.access, "label_map": dict(self.labels), "note": self.note,
        }  # fmt: skip


JSONL_PARTS = {
    part: (f"{part}.jsonl", f"{part}.jsonl.xz", f"{part}.jsonl.gz") for part in ("train", "dev", "test")
}
FOLDER_PARTS = {part: (part,) for part in ("train", "dev", "test")}
