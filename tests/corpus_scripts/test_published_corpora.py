"""The five tasks as known corpora: modes, splits, layouts: pytest tests/corpus_scripts/test_published_corpora.py."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus_scripts.corpora import find_corpus, read_corpus
from corpus_scripts.corpora.paper import PAPER
from corpus_scripts.corpora.published import PUBLISHED, splits
from corpus_scripts.corpora.published.social_history import LABELS as SOCIAL_LABELS
from corpus_scripts.formats.brat import read_brat
from corpus_scripts.formats.phenotype_mimic import LABELS
from corpus_scripts.tally import Tally

REAL = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "social_history"
MODES = pytest.mark.parametrize("mode", ["exact", "published"])


def put_cos(folder, files=3, snippets=10):
    folder.mkdir(parents=True, exist_ok=True)
    for file in range(files):
        text = "".join(f"opacity {number}\n" for number in range(snippets))
        starts = [0, *(place + 1 for place, char in enumerate(text) if char == "\n")][:-1]
        lines = [f"T{n}\tSnippet {s} {s + 9}\t{text[s : s + 9]}\n" for n, s in enumerate(starts)]
        lines += [f"T{n + 100}\tAttr {s} {s + 7}\topacity\n" for n, s in enumerate(starts)]
        (folder / f"snippet{file}.txt").write_text(text)
        (folder / f"snippet{file}.ann").write_text("".join(lines))
    return folder


def put_deid(folder, count=40):
    folder.mkdir(parents=True, exist_ok=True)
    for name, who in (("id.text", "Orrin"), ("id.res", "[**Name**]")):
        (folder / name).write_text(
            "".join(
                f"START_OF_RECORD={number // 2}||||{number}||||\nby {who} {number}\n||||END_OF_RECORD\n"
                for number in range(count)
            )
        )
    return folder


def put_brat(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.txt").write_text(f"smokes {name}")
        (folder / f"{name}.ann").write_text("T1\tTobacco 0 6\tsmokes\n")
    return folder


def ids(parts):
    return {part.name: [record.id for record in part.records] for part in parts}


def test_paper_corpora_have_both_modes():
    assert {corpus.published for corpus in PAPER} == set(PUBLISHED)
    for corpus in PAPER:
        assert bool(corpus.published_split) == bool(corpus.whole)
        assert "patient" in corpus.note or not corpus.whole or corpus.name == "social_history"
        assert all(path in corpus.layout() for path in corpus.whole)


@MODES
@pytest.mark.parametrize("split", ["auto", "published"])
@pytest.mark.parametrize("name", ["cos", "physionet_deid"])
def test_unsplit_corpus_is_split_as_published(tmp_path, mode, split, name):
    put = {"cos": put_cos, "physionet_deid": put_deid}[name]
    corpus = find_corpus(name)
    folder = put(tmp_path / corpus.folder)
    whole = [record.id for record in PUBLISHED[corpus.published](folder, Tally())]
    parts = read_corpus(corpus, tmp_path, mode=mode, split=split)
    wanted = corpus.published_split.indices(len(whole))
    assert ids(parts) == {part: [whole[index] for index in indices] for part, indices in wanted.items()}
    for part in parts:
        assert part.mode == mode
        assert not part.carved
        assert f"{len(wanted[part.name])} of {len(whole)} documents, the paper's" in part.split
        assert "not by patient" in part.split
    tags = ["tags" in record.meta for part in parts for record in part.records]
    assert set(tags) == {mode == "published"}


@MODES
def test_unsplit_corpus_by_checksum_keeps_patients_together(tmp_path, mode):
    put_deid(tmp_path)
    parts = read_corpus(find_corpus("physionet_deid"), tmp_path, seed=3, mode=mode, split="checksum")
    patients = [{record.meta["patient"] for record in part.records} for part in parts]
    assert len(set.union(*patients)) == sum(map(len, patients)) == 20
    assert parts[2].carved == {"from": "train", "documents": len(parts[2].records), "of": 40}
    assert "checksum" in parts[2].split
    assert "seed 3" in parts[2].split


@MODES
def test_flat_social_history_counts_by_file_name(tmp_path, mode):
    # ".txt" comes after "-": a-1.txt goes before a.txt, though the name a goes before a-1
    names = ["a", "a-1", "a 2", *(f"n{number:02}" for number in range(27))]
    put_brat(tmp_path, names)
    listed = sorted(f"{name}.txt" for name in names)
    assert listed[:3] == ["a 2.txt", "a-1.txt", "a.txt"]
    found = ids(read_corpus(find_corpus("social_history"), tmp_path, mode=mode))
    assert found == {
        part: [listed[index][:-4] for index in indices]
        for part, indices in splits.SOCIAL_HISTORY.indices(30).items()
    }
    found = ids(read_corpus(find_corpus("social_history"), tmp_path, mode=mode, split="checksum"))
    assert {part: len(names) for part, names in found.items()} == {"train": 22, "dev": 4, "test": 4}


def test_files_that_lie_in_parts_stay_there_and_are_streamed(tmp_path):
    for part, names in (("train", "abcdefghij"), ("dev", "klm"), ("test", "op")):
        put_brat(tmp_path / part, names)
    for mode in ("exact", "published"):
        for split in ("auto", "checksum"):
            parts = read_corpus(find_corpus("social_history"), tmp_path, mode=mode, split=split)
            assert all(isinstance(part.records, Iterator) for part in parts)
            assert ids(parts) == {"train": list("abcdefghij"), "dev": list("klm"), "test": list("op")}
            assert {part.split for part in parts} == {"as its files lie"}
    with pytest.raises(ValueError, match=r"BC642.*--split 'published'.*parts already"):
        read_corpus(find_corpus("social_history"), tmp_path, split="published")
    shutil.rmtree(tmp_path / "test")
    parts = read_corpus(find_corpus("social_history"), tmp_path, mode="published")
    assert [type(part.records).__name__ for part in parts] == ["list", "generator", "list"]


def test_given_parts_are_the_published_split_of_chemprot(tmp_path):
    for part in ("train", "dev", "test"):
        (tmp_path / f"{part}.tsv").write_text(f"index\tsentence\tlabel\n{part}\tx\tfalse\n")
    for mode in ("exact", "published"):
        for split in ("auto", "published"):
            found = ids(read_corpus(find_corpus("chemprot_blue"), tmp_path, mode=mode, split=split))
            assert found == {part: [part] for part in ("train", "dev", "test")}
    (tmp_path / "dev.tsv").unlink()
    with pytest.raises(ValueError, match=r"BC614.*dev\.tsv"):
        read_corpus(find_corpus("chemprot_blue"), tmp_path)


def test_phenotype_is_split_over_the_rows_that_are_kept(tmp_path):
    rows = [f"{n},{int(n == 4)}," + ",".join(["1" if n == 4 else "0"] * 14) for n in range(21)]
    header = ",".join(("ROW_ID", "NONE", *LABELS))
    (tmp_path / "ACTdb102003.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "NOTEEVENTS.csv").write_text("ROW_ID,TEXT\n" + "".join(f"{n},note {n}\n" for n in range(21)))
    kept = [str(n) for n in range(21) if n != 4]
    for mode in ("exact", "published"):
        parts = read_corpus(find_corpus("phenotype_mimic"), tmp_path, mode=mode)
        assert [len(part.records) for part in parts] == [14, 2, 4]
        assert ids(parts)["test"] == [kept[index] for index in splits.PHENOTYPE.indices(20)["test"]]
        assert parts[0].tally.dropped == {"none_and_positive": 1}
        assert [path.name for path in parts[2].sources] == ["ACTdb102003.csv", "NOTEEVENTS.csv"]


@pytest.mark.parametrize(
    "name, options, code",
    [
        ("bc5cdr", {"mode": "published"}, r"BC642.*bc5cdr.*--mode 'published'"),
        ("asq_phi", {"split": "published"}, "BC642.*asq_phi.*--split"),
        ("cos", {"mode": "fast"}, "BC622.*--mode.*exact or published"),
        ("cos", {"split": "random"}, "BC622.*--split.*auto or published or checksum"),
        ("cos", {}, "BC614.*cos.*train"),
        ("physionet_deid", {}, r"BC614.*id\.text"),
        ("phenotype_mimic", {}, r"BC614.*ACTdb102003\.csv"),
    ],
)
def test_read_corpus_refusals(tmp_path, name, options, code):
    if name == "asq_phi":
        (tmp_path / "asq_phi_spans.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(ValueError, match=code):
        read_corpus(find_corpus(name), tmp_path, **options)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real corpora are not here (looked for ../shared/corpora)")
def test_real_sections_in_one_folder_are_split_as_published(tmp_path):
    for part in ("train", "dev"):
        for path in (REAL / part).iterdir():
            shutil.copy(path, tmp_path)
    counts = {}
    for mode in ("exact", "published"):
        parts = read_corpus(find_corpus("social_history"), tmp_path, mode=mode)
        counts[mode] = ids(parts)
        spans = {record.id: record.spans for part in parts for record in part.records}
        assert [len(part.records) for part in parts] == [228, 49, 50]
        if mode == "exact":
            assert sum(map(len, spans.values())) == 3436
            assert spans == {record.id: record.spans for record in read_brat(tmp_path, Tally())}
        else:
            tags = {tag for part in parts for record in part.records for tag in record.meta["tags"]}
            assert tags == set(SOCIAL_LABELS)
    assert counts["exact"] == counts["published"]
