"""Read articles from XML: the PubMed baseline (title and abstract), and full texts in JATS (PMC).

All text inside nested markup (<i>, <sub>, MathML) is kept. Of full texts, tables, figures, references and
supplements are left out; section titles stand on lines of their own after a blank line, so that long articles
can be cut there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

from pretrain.readers.raw import RawDocument
from pretrain.readers.xml_stream import Found, stream_elements
from spacy_bioclinical.errors import Errors

PUBMED, JATS = "PubmedArticle", "article"
# Children of a JATS text that are no running text.
LEFT_OUT = frozenset(
    [
        "table-wrap",
        "table-wrap-group",
        "table",
        "fig",
        "fig-group",
        "ref-list",
        "ref",
        "graphic",
        "inline-graphic",
        "media",
        "fn",
        "fn-group",
        "supplementary-material",
        "inline-supplementary-material",
        "tex-math",
        "object-id",
        "label",
    ]
)
# Elements that begin and end a line.
LINES = frozenset(
    [
        "p",
        "sec",
        "title",
        "list",
        "list-item",
        "def-list",
        "def-item",
        "disp-quote",
        "boxed-text",
        "disp-formula",
        "statement",
        "verse-group",
    ]
)
SHORT_ABSTRACTS = frozenset({"graphical", "teaser", "toc", "precis", "short"})


def read_xml(file: Path, stream: IO[bytes], kind: str = "auto") -> Iterator[RawDocument]:
    """Read the articles of an XML file, one at a time.

    kind (str): "pubmed", "jats", or "auto" for whichever is there.
    RAISES (ValueError): BC735 (not well-formed, no articles, an article without PMID), BC736 (declares
        entities).
    """
    wanted = {"pubmed": {PUBMED}, "jats": {JATS}}.get(kind, {PUBMED, JATS})
    n_articles = 0
    for found in stream_elements(file, stream, frozenset(wanted)):
        n_articles += 1
        yield _pubmed(file, found) if found.element.tag == PUBMED else _jats(file, found)
    if not n_articles:
        why = f"it holds no <{'> and no <'.join(sorted(wanted))}>"
        raise ValueError(Errors.BC735.format(file=file, line=1, why=why))


def _inline(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _pubmed(file: Path, found: Found) -> RawDocument:
    citation = found.element.find("MedlineCitation")
    pmid = "" if citation is None else _inline(citation.find("PMID"))
    if citation is None or not pmid:
        why = "the article that begins there has no PMID"
        raise ValueError(Errors.BC735.format(file=file, line=found.line, why=why))
    parts = [_inline(citation.find("Article/ArticleTitle"))]
    parts += [_inline(part) for part in citation.findall("Article/Abstract/AbstractText")]
    meta = {"id": pmid, "language": _inline(citation.find("Article/Language"))}
    return RawDocument(pmid, " ".join(part for part in parts if part), meta)


def _jats(file: Path, found: Found) -> RawDocument:
    article = found.element
    lines: list[str] = []
    title = article.find("front/article-meta/title-group/article-title")
    if title is not None:
        _add_lines(title, lines)
    for abstract in article.findall("front/article-meta/abstract"):
        if abstract.get("abstract-type") not in SHORT_ABSTRACTS:
            lines.append("")
            _add_lines(abstract, lines)
    body = article.find("body")
    if body is not None:
        lines.append("")
        _add_lines(body, lines)
    name = _article_id(article) or f"{file.name}:{found.line}"
    meta = {"id": name, "type": article.get("article-type", "")}
    return RawDocument(name, "\n".join(lines).strip(), meta)


def _article_id(article: Element) -> str:
    ids = {
        one.get("pub-id-type", ""): _inline(one) for one in article.findall("front/article-meta/article-id")
    }
    pmc = ids.get("pmc") or ids.get("pmcid") or ""
    if pmc:
        return pmc if pmc.upper().startswith("PMC") else f"PMC{pmc}"
    return ids.get("pmid") or ids.get("doi") or ""


def _add_lines(element: Element, lines: list[str]) -> None:
    """Write the running text of an element, a line for each paragraph, title and list item."""
    words: list[str] = []

    def flush() -> None:
        line = " ".join("".join(words).split())
        words.clear()
        if line:
            lines.append(line)

    def walk(node: Element, is_section: bool) -> None:
        is_line = node.tag in LINES
        if is_line:
            flush()
        if node.tag == "title" and is_section and lines and lines[-1]:
            lines.append("")
        words.append(node.text or "")
        for child in node:
            if child.tag not in LEFT_OUT:
                walk(child, node.tag == "sec")
            words.append(child.tail or "")
        if is_line:
            flush()

    walk(element, False)
    flush()
