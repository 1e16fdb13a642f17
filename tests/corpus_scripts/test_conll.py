"""Token-per-line corpora become the entities seqeval sees: pytest tests/corpus_scripts/test_conll.py."""

import gzip
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, Entities

from corpus_scripts.formats.conll import ConllOptions, read_conll
from corpus_scripts.formats.tags import detect_scheme, parse_tag, read_chunks
from corpus_scripts.tally import Tally

SIMPLE = "Orrin\tB-name\nWest\tI-name\ncame\tO\n\nto\tO\nMill\tB-place\nbay\tI-place\n"


def tags_of(strings, scheme="auto"):
    return [
        parse_tag(tag, line=line, path="x", scheme=scheme, label=None) for line, tag in enumerate(strings, 1)
    ]


def chunks_of(strings, scheme, repair="open", tally=None):
    chunks = read_chunks(tags_of(strings), scheme=scheme, repair=repair, tally=tally or Tally(), path="x")
    return [(chunk.label, chunk.start, chunk.end - 1) for chunk in chunks]


def read(tmp_path, text, tally=None, name="notes.tsv", **options):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return list(read_conll(path, ConllOptions(**options), tally if tally is not None else Tally()))


def mentions(record):
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


IOB_TAGS = st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=14)


@given(IOB_TAGS)
@settings(max_examples=300)
def test_tags_iob2_with_strays_read_as_seqeval_reads_them(tags):
    assert chunks_of(tags, "iob2") == get_entities(tags)


@given(IOB_TAGS)
@settings(max_examples=300)
def test_tags_iob1_read_as_seqeval_reads_them(tags):
    assert chunks_of(tags, "iob1") == get_entities(tags)


@st.composite
def biluo_tags(draw):
    tags = []
    for _ in range(draw(st.integers(0, 5))):
        label = draw(st.sampled_from("ab"))
        length = draw(st.integers(0, 4))
        if length == 0:
            tags.append("O")
        elif length == 1:
            tags.append(f"U-{label}")
        else:
            tags.extend([f"B-{label}", *[f"I-{label}"] * (length - 2), f"L-{label}"])
    return tags


@given(biluo_tags())
def test_tags_biluo_read_as_seqeval_reads_them_in_strict_mode(tags):
    expected = [(entity.tag, entity.start, entity.end - 1) for entity in Entities([tags], BILOU).entities[0]]
    tally = Tally()
    assert chunks_of(tags, "biluo", tally=tally) == expected
    assert not tally.repaired
    iobes = [tag.replace("L-", "E-").replace("U-", "S-") for tag in tags]
    assert chunks_of(iobes, "biluo") == expected


def test_tags_scheme_is_told_from_all_tags():
    def told(*sentences):
        return detect_scheme([tags_of(sentence) for sentence in sentences])

    assert told(["B-a", "I-a", "O"], ["O", "B-b"]) == "iob2"
    assert told(["I-a", "I-a", "B-a", "O"], ["I-b"]) == "iob1"
    assert told(["O", "I-a"], ["B-a", "O"]) == "iob2"  # a stray in IOB2: the B after O is impossible in IOB1
    assert told(["B-a", "L-a"], ["O"]) == "biluo"
    assert told(["O", "S-a"]) == "biluo"
    assert told([]) == "iob2"


def test_tags_iob1_adjacent_entities_stay_apart():
    tally = Tally()
    found = chunks_of(["I-a", "B-a", "I-a", "I-b"], "iob1", "error", tally)
    assert found == [("a", 0, 0), ("a", 1, 2), ("b", 3, 3)]
    assert not tally.repaired


def test_tags_repair_is_counted_or_refused():
    tags = ["O", "I-a", "I-a", "O", "B-a", "I-b", "I-b", "I-a"]
    tally = Tally()
    assert chunks_of(tags, "iob2", "open", tally) == [("a", 1, 2), ("a", 4, 4), ("b", 5, 6), ("a", 7, 7)]
    assert tally.repaired == {"stray_continuation": 3}
    tally = Tally()
    assert chunks_of(tags, "iob2", "drop", tally) == [("a", 4, 4)]
    assert tally.dropped == {"stray_continuation": 3}
    with pytest.raises(ValueError, match=r"BC606.*line 2"):
        chunks_of(tags, "iob2", "error")


def test_tags_unended_biluo_entity_is_kept_and_counted():
    tally = Tally()
    assert chunks_of(["B-a", "I-a", "O", "U-b"], "biluo", tally=tally) == [("a", 0, 1), ("b", 3, 3)]
    assert tally.repaired == {"unended_entity": 1}


def test_conll_text_is_tokens_by_space_and_sentences_by_line(tmp_path):
    [record] = read(tmp_path, SIMPLE)
    assert record.text == "Orrin West came\nto Mill bay"
    assert mentions(record) == [("Orrin West", "name"), ("Mill bay", "place")]
    assert record.id == "notes-00001"
    assert record.meta == {"lines": [1, 7]}


@pytest.mark.parametrize(
    "variant",
    [SIMPLE.rstrip("\n"), SIMPLE.replace("\n", "\r\n"), "\ufeff" + SIMPLE, "\n\n" + SIMPLE + "\n\n \n"],
)
def test_conll_line_ends_and_blank_lines_do_not_matter(tmp_path, variant):
    [record] = read(tmp_path, variant)
    assert (record.text, mentions(record)) == (
        read(tmp_path, SIMPLE)[0].text,
        mentions(read(tmp_path, SIMPLE)[0]),
    )


@pytest.mark.parametrize("ending, compress", [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_conll_compressed_files_read_the_same(tmp_path, ending, compress):
    path = tmp_path / f"notes.tsv{ending}"
    path.write_bytes(compress(SIMPLE.encode()))
    assert list(read_conll(path, ConllOptions(), Tally())) == read(tmp_path, SIMPLE)
    path.write_bytes(compress(SIMPLE.encode())[:-6])
    with pytest.raises(ValueError, match="BC624"):
        list(read_conll(path, ConllOptions(), Tally()))


def test_conll_columns_can_be_chosen_and_spaces_separate(tmp_path):
    text = "1 Orrin NNP B-name x\n2 came VBD O x\n"
    [record] = read(tmp_path, text, token_column=1, tag_column=3)
    assert record.text == "Orrin came"
    assert mentions(record) == [("Orrin", "name")]


def test_conll_token_with_inner_space_survives_when_tabs_separate(tmp_path):
    [record] = read(tmp_path, "1\u00a01/2\tB-dose\nof it\tI-dose\n")
    assert mentions(record) == [("1\u00a01/2 of it", "dose")]


SENTENCES = "".join(f"w{number}\tB-x\n\n" for number in range(7))


@pytest.mark.parametrize(
    "documents, sizes",
    [("sentence", [1] * 7), ("file", [7]), ("3", [3, 3, 1]), ("auto", [7]), ("docstart", [7]), ("7", [7])],
)
def test_conll_sentences_are_grouped_as_asked(tmp_path, documents, sizes):
    found = read(tmp_path, SENTENCES, documents=documents)
    assert [record.text.count("\n") + 1 for record in found] == sizes
    assert "\n".join(record.text for record in found) == "\n".join(f"w{number}" for number in range(7))
    assert sum(len(record.spans) for record in found) == 7


@pytest.mark.parametrize(
    "documents, sizes",
    [("auto", [2, 1]), ("docstart", [2, 1]), ("file", [3]), ("10", [2, 1]), ("1", [1, 1, 1])],
)
def test_conll_docstart_parts_documents(tmp_path, documents, sizes):
    text = "-DOCSTART-\tO\n\na\tO\n\nb\tO\n-DOCSTART-\tO\n\nc\tO\n"
    assert [record.text.count("\n") + 1 for record in read(tmp_path, text, documents=documents)] == sizes


def test_conll_default_groups_ten_sentences(tmp_path):
    text = "".join(f"w{number}\tO\n\n" for number in range(23))
    assert [record.text.count("\n") + 1 for record in read(tmp_path, text)] == [10, 10, 3]


def test_conll_entity_does_not_run_across_a_sentence(tmp_path):
    tally = Tally()
    [record] = read(tmp_path, "a\tB-x\n\nb\tI-x\n", tally)
    assert mentions(record) == [("a", "x"), ("b", "x")]
    assert tally.repaired == {"stray_continuation": 1}


@pytest.mark.parametrize(
    "text, code",
    [
        ("ok\tO\nSmith\n", "BC604.*line 2"),
        ("ok\tO\n\tO\n", "BC604.*line 2"),
        ("ok\tO\nSmith\tSecret\n", "BC605.*line 2"),
        ("ok\tO\nSmith\tB-\n", "BC605.*line 2"),
        ("ok\tO\nSmith\tB\n", "BC605.*line 2"),
    ],
)
def test_conll_malformed_line_is_named_not_quoted(tmp_path, text, code):
    with pytest.raises(ValueError, match=code) as caught:
        read(tmp_path, text)
    assert "Smith" not in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_conll_bare_tags_need_a_label(tmp_path):
    assert mentions(read(tmp_path, "a\tB\nb\tI\n", label="gene")[0]) == [("a b", "gene")]


def test_conll_end_tags_are_refused_where_the_scheme_has_none(tmp_path):
    with pytest.raises(ValueError, match="BC605"):
        read(tmp_path, "a\tU-x\n", scheme="iob2")


@pytest.mark.parametrize(
    "options", [{"scheme": "iob3"}, {"repair": "guess"}, {"documents": "0"}, {"documents": "many"}]
)
def test_conll_unknown_option_values_are_refused(options):
    with pytest.raises(ValueError, match="BC622"):
        ConllOptions(**options)


def test_conll_other_encodings_are_refused(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes("Müller\tB-name\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"BC611.*byte 1") as caught:
        list(read_conll(path, ConllOptions(), Tally()))
    assert caught.value.__cause__ is None
