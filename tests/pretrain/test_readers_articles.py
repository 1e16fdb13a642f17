"""Articles of PubMed and PMC, against XML written by hand."""

import gzip

import pytest

from pretrain.text import find_files, read_documents

PUBMED = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "https://example.org/pubmed.dtd">
<PubmedArticleSet>
<PubmedArticle><MedlineCitation><PMID Version="1">101</PMID><Article>
  <ArticleTitle>Effect of CO<sub>2</sub> on <i>E. coli <b>K12</b></i> growth.</ArticleTitle>
  <Abstract><AbstractText Label="AIM">We asked
     why&#x2009;&lt;5 mg.</AbstractText><AbstractText>It <sup>did</sup>n't.</AbstractText>
     <CopyrightInformation>Nobody</CopyrightInformation></Abstract>
  <Language>eng</Language></Article></MedlineCitation>
  <PubmedData><ReferenceList><Reference><ArticleIdList><ArticleId>9</ArticleId></ArticleIdList></Reference>
  </ReferenceList></PubmedData></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>102</PMID><Article><ArticleTitle>Title alone.</ArticleTitle></Article>
</MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>103</PMID><Article><ArticleTitle/><Abstract>
<AbstractText>Abstract alone.</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>
<DeleteCitation><PMID>7</PMID></DeleteCitation>
</PubmedArticleSet>
"""

JATS = """<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS.dtd">
<article article-type="research-article" xmlns:mml="http://www.w3.org/1998/Math/MathML"><front>
<journal-meta><journal-title>Journal</journal-title></journal-meta>
<article-meta><article-id pub-id-type="pmid">5</article-id><article-id pub-id-type="pmc">77</article-id>
<title-group><article-title>A <italic>very</italic> long study</article-title></title-group>
<abstract><sec><title>Background</title><p>Much is <bold>unknown</bold>.</p></sec></abstract>
<abstract abstract-type="graphical"><p>Picture</p></abstract></article-meta></front>
<body><sec><label>1</label><title>Methods</title><p>We gave &alpha;-blockers <xref>[1]</xref>
<table-wrap><caption><p>Table words</p></caption><table><tr><td>cell</td></tr></table></table-wrap> daily
<mml:math><mml:mi>x</mml:mi></mml:math>.</p>
<fig><caption><p>Figure words</p></caption></fig>
<sec><title>Patients</title><list><list-item><p>one</p></list-item><list-item><p>two</p></list-item></list></sec></sec>
<sec><title>Results</title><p>None.</p></sec></body>
<back><ref-list><ref><mixed-citation>Reference words</mixed-citation></ref></ref-list></back></article>
"""

SECRET = "Zyxwv"


def read(path, **settings):
    return [document for file in find_files([path]) for document in read_documents(file, **settings)]


def test_pubmed_keeps_all_text_of_nested_markup(tmp_path):
    with gzip.open(tmp_path / "pubmed25n0001.xml.gz", "wt", encoding="utf8") as file:
        file.write(PUBMED)
    assert read(tmp_path) == [
        ("101", "Effect of CO2 on E. coli K12 growth. We asked why <5 mg. It didn't."),
        ("102", "Title alone."),
        ("103", "Abstract alone."),
    ]
    assert read(tmp_path)[0].meta["language"] == "eng"


def test_pubmed_is_streamed(tmp_path):
    article = PUBMED[PUBMED.index("<PubmedArticle>") : PUBMED.index("<DeleteCitation>")]
    body = article * 2000
    (tmp_path / "a.xml").write_text(f"<PubmedArticleSet>{body}</PubmedArticleSet", encoding="utf8")
    documents = read_documents(tmp_path / "a.xml")
    assert next(documents).id == "101"  # long before the malformed end
    with pytest.raises(ValueError, match="BC735"):
        list(documents)


def test_full_text_has_titles_on_lines_and_no_tables_figures_references(tmp_path):
    (tmp_path / "a.nxml").write_text(JATS, encoding="utf8")
    (document,) = read(tmp_path)
    assert document.id == "PMC77"
    assert document.text == (
        "A very long study\n\nBackground\nMuch is unknown.\n\nMethods\nWe gave \u03b1-blockers [1] daily x.\n\n"
        "Patients\none\ntwo\n\nResults\nNone."
    )


def test_prefixed_names_and_many_articles_in_one_file_are_read(tmp_path):
    article = (
        JATS.partition("\n")[2].replace("<article ", "<j:article ").replace("</article>", "</j:article>")
    )
    article = article.replace("&alpha;", "a")
    (tmp_path / "a.xml").write_text(f"<set xmlns:j='x'>{article}{article}</set>", encoding="utf8")
    assert [document.id for document in read(tmp_path)] == ["PMC77", "PMC77"]


LAUGHS = f"""<!DOCTYPE x [<!ENTITY a "{SECRET}"><!ENTITY b "&a;&a;&a;">]><PubmedArticleSet>&b;</PubmedArticleSet>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>\n<article>&a;</article>"""
DEEP = f"<article>{'<sec>' * 300}{SECRET}{'</sec>' * 300}</article>"
BROKEN = [
    (LAUGHS, "BC736", "line 1"),
    (OUTSIDE, "BC736", "line 1"),
    (f"<article>\n<p>{SECRET}</article>", "BC735", "line 2"),
    (
        f"<article>\n<body><p>{SECRET} &nothing;</p></body></article>".replace(
            "<article", "<!DOCTYPE a SYSTEM 'b'><article"
        ),
        "BC735",
        "line 2",
    ),
    (DEEP, "BC735", "nested"),
    (f"<html>{SECRET}</html>", "BC735", "no <PubmedArticle>"),
    (f"<PubmedArticleSet>\n<PubmedArticle>{SECRET}</PubmedArticle></PubmedArticleSet>", "BC735", "line 2"),
]


@pytest.mark.parametrize("content, code, place", BROKEN)
def test_unsafe_and_malformed_xml_names_file_and_line(tmp_path, content, code, place):
    (tmp_path / "a.xml").write_text(content, encoding="utf8")
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path)
    assert "a.xml" in str(caught.value)
    assert place in str(caught.value)
    assert SECRET not in str(caught.value)


def test_cut_off_gzip_is_an_error(tmp_path):
    whole = gzip.compress(PUBMED.encode() * 5)
    (tmp_path / "a.xml.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="BC705"):
        read(tmp_path)
