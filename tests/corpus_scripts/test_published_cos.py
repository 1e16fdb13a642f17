"""Each fault of the paper's COS loader, reproduced and repaired: pytest tests/corpus_scripts/test_published_cos.py."""

import pytest

from corpus_scripts.corpora.published.cos import read_cos as read_published
from corpus_scripts.formats.cos import read_cos
from corpus_scripts.record import check_record
from corpus_scripts.tally import Tally

TEXT = "No new opacity, left base.\nStable effusion since prior.\n"


def put(folder, lines, text=TEXT, name="snippet1_2"):
    (folder / f"{name}.ann").write_bytes("".join(f"{line}\n" for line in lines).encode())
    if text is not None:
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def line(name, label, start, end, text=TEXT):
    return f"{name}\t{label} {start} {end}\t{text[start:end]}".replace("\n", " ")


SNIPPETS = [line("T1", "Snippet", 0, 26), line("T2", "Snippet", 27, 55)]


def tagged(record):
    return [(record.text[start:end], tag) for (start, end), tag in zip(record.tokens, record.meta["tags"])]


def mentions(record):
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def both(folder):
    """Records of either mode, and the tallies."""
    tallies = Tally(), Tally()
    lists = list(read_published(folder, tallies[0])), list(read_cos(folder, tallies[1]))
    for record in [*lists[0], *lists[1]]:
        check_record(record)
    assert [record.id for record in lists[0]] == [record.id for record in lists[1]]
    return *lists, *tallies


def test_cos_snippets_become_records(tmp_path):
    put(tmp_path, [*SNIPPETS, line("T3", "Cos", 3, 6), line("T4", "Attr", 7, 14), line("T5", "Loc", 16, 25)])
    put(tmp_path, [line("T9", "Snippet", 27, 55), line("T8", "Ref", 49, 54)], name="snippet101_2")
    published, exact, _, tally = both(tmp_path)
    assert [record.id for record in exact] == ["snippet101_2-T9", "snippet1_2-T1", "snippet1_2-T2"]
    assert tagged(published[1]) == [
        ("No", "O"), ("new", "B-Cos"), ("opacity", "B-Attr"), (",", "O"), ("left", "B-Loc"), ("base", "I-Loc"),
        (".", "O"),
    ]  # fmt: skip
    assert exact[1].text == "No new opacity, left base."
    assert mentions(exact[1]) == [("new", "Cos"), ("opacity", "Attr"), ("left base", "Loc")]
    assert mentions(published[1]) == mentions(exact[1])
    assert mentions(exact[0]) == [("prior", "Ref")]
    assert not tally.dropped


@pytest.mark.parametrize("with_text", [True, False])
def test_cos_white_space_before_a_snippet_moves_the_published_offsets(tmp_path, with_text):
    text = "  New opacity"
    lines = [line("T1", "Snippet", 0, 13, text), line("T2", "Cos", 2, 5, text)]
    put(tmp_path, lines, text if with_text else None)
    published, exact, tally, _ = both(tmp_path)
    assert tagged(published[0]) == [("New", "O"), ("opacity", "O")]
    assert tally.dropped == {"published_mention_without_token": 1}
    assert exact[0].text == text
    assert mentions(exact[0]) == [("New", "Cos")]


def test_cos_later_lines_overwrite_earlier_ones(tmp_path):
    put(tmp_path, [*SNIPPETS, line("T3", "Loc", 16, 25), line("T4", "Attr", 16, 20)])
    published, exact, tally, _ = both(tmp_path)
    assert tagged(published[0])[4:6] == [("left", "B-Attr"), ("base", "I-Loc")]
    assert tally.dropped == {"published_mention_overwritten": 1}
    assert tally.repaired == {"stray_continuation": 1}
    assert mentions(exact[0]) == [("left base", "Loc"), ("left", "Attr")]


def test_cos_entity_without_a_whole_token_is_lost(tmp_path):
    put(tmp_path, [*SNIPPETS, line("T3", "Attr", 7, 11)])
    published, exact, tally, _ = both(tmp_path)
    assert mentions(published[0]) == []
    assert tally.dropped == {"published_mention_without_token": 1}
    assert mentions(exact[0]) == [("opac", "Attr")]


def test_cos_discontinuous_entity(tmp_path):
    put(tmp_path, [*SNIPPETS, "T3\tLoc 16 20;21 25\tleft base"])
    with pytest.raises(ValueError, match=r"BC640.*snippet1_2\.ann, line 3.*discontinuous.*--mode exact"):
        list(read_published(tmp_path, Tally()))
    tally = Tally()
    first, _ = read_cos(tmp_path, tally)
    assert [(span.start, span.end, span.id) for span in first.spans] == [(16, 20, "T3"), (21, 25, "T3")]
    assert first.meta["discontinuous"] == ["T3"]
    assert tally.repaired == {"discontinuous_mention": 1, "discontinuous_fragment": 2}


def test_cos_published_reads_no_text_file(tmp_path):
    put(tmp_path, SNIPPETS, text="something else altogether, and much longer than the snippets say it is")
    assert [record.text for record in read_published(tmp_path, Tally())] == [
        "No new opacity , left base .",
        "Stable effusion since prior .",
    ]
    with pytest.raises(ValueError, match=r"BC608.*snippet1_2\.ann, line 1"):
        list(read_cos(tmp_path, Tally()))


def test_cos_relations_inside_a_snippet_are_kept_in_meta_and_the_rest_is_counted(tmp_path):
    put(
        tmp_path,
        [
            *SNIPPETS,
            line("T3", "Cos", 3, 6),
            line("T4", "Attr", 7, 14),
            line("T5", "Val", 27, 33),
            "R1\tof Arg1:T3 Arg2:T4",
            "A1\tSure R1 high",
            "A2\tSure T9",
            line("T6", "Organ", 16, 20),
            line("T7", "Loc", 20, 30),
        ],
    )
    _, exact, published_tally, tally = both(tmp_path)
    assert [row["id"] for row in exact[0].meta["relations"]] == ["R1"]
    assert [row["id"] for row in exact[0].meta["attributes"]] == ["A1"]
    assert "attributes" not in exact[1].meta
    assert mentions(exact[1]) == [("Stable", "Val")]
    assert tally.dropped == {
        "mention_of_other_type": 1,
        "mention_outside_snippets": 1,
        "annotation_outside_snippets": 1,
    }
    assert not published_tally.dropped


def test_cos_windows_line_ends_and_byte_order_mark(tmp_path):
    put(tmp_path, [*SNIPPETS, line("T3", "Val", 27, 33)], "\ufeff" + TEXT.replace("\n", "\r\n"))
    _, exact, _, _ = both(tmp_path)
    assert [record.text for record in exact] == TEXT.splitlines()
    assert mentions(exact[1]) == [("Stable", "Val")]


@pytest.mark.parametrize(
    "lines, text, code",
    [
        ([], TEXT, "BC612"),
        (["T1\tCos 0 2\tNo"], TEXT, "BC612"),
        (["T1\tSnippet 0 2;3 6\tNo new"], TEXT, "BC641.*line 1"),
        (["T1\tSnippet 0 20\tNo new"], None, "BC641.*line 1"),
        ([line("T1", "Snippet", 0, 26), "T2\tCos 3 6\told"], None, "BC608.*line 2"),
        (["T1\tSnippet 0 x\tNo"], TEXT, "BC607.*line 1"),
    ],
)
def test_cos_refusals_of_the_exact_reader(tmp_path, lines, text, code):
    put(tmp_path, lines, text)
    with pytest.raises(ValueError, match=code):
        list(read_cos(tmp_path, Tally()))
