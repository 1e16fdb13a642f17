"""Merging overlays: later wins, blocks of another function are replaced whole, mistakes are named with their file."""

from pathlib import Path

import pytest

from spacy_bioclinical.cli.overlays import expand_includes, merge_overlays, set_value

BASE = """
[nlp]
pipeline = ["transformer"]
batch_size = 16

[components]

[components.head]
factory = "one"
width = 3

[components.head.model]
@architectures = "a.v1"
depth = 2
shared = 1
"""


def write(folder: Path, **files: str) -> dict[str, Path]:
    paths = {}
    for name, text in files.items():
        paths[name] = folder / f"{name}.cfg"
        paths[name].write_text(text, encoding="utf8")
    return paths


def test_later_overlay_wins_and_is_recorded(tmp_path):
    files = write(tmp_path, base=BASE, task="[nlp]\nbatch_size = 4\n")
    merged = merge_overlays([files["base"], files["task"]])
    assert merged.config["nlp"]["batch_size"] == 4
    assert merged.replaced == [("nlp.batch_size", files["base"].as_posix(), files["task"].as_posix())]
    assert merged.sources == [files["base"].as_posix(), files["task"].as_posix()]


def test_same_value_twice_is_no_replacement(tmp_path):
    files = write(tmp_path, base=BASE, task="[nlp]\nbatch_size = 16\n")
    assert merge_overlays([files["base"], files["task"]]).replaced == []


def test_pipelines_are_joined_in_order_without_repeats(tmp_path):
    files = write(
        tmp_path, base=BASE, one='[nlp]\npipeline = ["ner"]\n', two='[nlp]\npipeline = ["ner", "cat"]\n'
    )
    merged = merge_overlays([files["base"], files["one"], files["two"]])
    assert merged.config["nlp"]["pipeline"] == ["transformer", "ner", "cat"]


def test_block_of_the_same_function_is_merged(tmp_path):
    other = (
        '[components]\n\n[components.head]\n\n[components.head.model]\n@architectures = "a.v1"\ndepth = 5\n'
    )
    files = write(tmp_path, base=BASE, other=other)
    head = merge_overlays([files["base"], files["other"]]).config["components"]["head"]
    assert head == {
        "factory": "one",
        "width": 3,
        "model": {"@architectures": "a.v1", "depth": 5, "shared": 1},
    }


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            '[components]\n\n[components.head]\n\n[components.head.model]\n@architectures = "b.v1"\nheight = 5\n',
            {"factory": "one", "width": 3, "model": {"@architectures": "b.v1", "height": 5}},
        ),
        ('[components]\n\n[components.head]\nfactory = "two"\n', {"factory": "two"}),
    ],
)
def test_block_of_another_function_is_replaced_whole(tmp_path, other, expected):
    files = write(tmp_path, base=BASE, other=other)
    merged = merge_overlays([files["base"], files["other"]])
    assert merged.config["components"]["head"] == expected
    assert len(merged.replaced) == 1


def test_includes_come_first_and_once(tmp_path):
    files = write(
        tmp_path,
        base=BASE,
        left='[compose]\ninclude = ["base.cfg"]\n[nlp]\nbatch_size = 1\n',
        right='[compose]\ninclude = ["base.cfg", "left.cfg"]\n[nlp]\nbatch_size = 2\n',
    )
    order = expand_includes([files["left"], files["right"], files["left"]])
    assert [path.name for path in order] == ["base.cfg", "left.cfg", "right.cfg"]
    merged = merge_overlays([files["right"]])
    assert merged.config["nlp"]["batch_size"] == 2
    assert "compose" not in merged.config


def test_variables_are_kept(tmp_path):
    files = write(tmp_path, base="[paths]\nroot = null\ntrain = ${paths.root}/train.spacy\n")
    assert merge_overlays([files["base"]]).config["paths"]["train"] == "${paths.root}/train.spacy"


def test_merging_does_not_share_state(tmp_path):
    files = write(tmp_path, base=BASE)
    first = merge_overlays([files["base"]])
    first.config["nlp"]["pipeline"].append("changed")
    assert merge_overlays([files["base"]]).config["nlp"]["pipeline"] == ["transformer"]


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("[nlp]\nlang = 1\n[nlp]\nbatch_size = 2\n", "BC502", "line *3"),
        ("[nlp]\nlang = 1\nlang = 2\n", "BC502", "line *3"),
        ("lang = 1\n", "BC502", "no section headers"),
        ("[training.optimizer.learn_rate]\ninitial_rate = 1\n", "BC502", ""),
        ("[trainning]\nmax_steps = 2\n", "BC503", r"Did you mean \[training\]"),
        ('[compose]\ninclude = "base.cfg"\n', "BC505", ""),
        ("[compose]\nincludes = []\n", "BC505", ""),
        ('[compose]\ninclude = ["nowhere.cfg"]\n', "BC501", "nowhere.cfg"),
    ],
)
def test_faulty_overlay_is_named_with_the_reason(tmp_path, text, code, named):
    path = write(tmp_path, faulty=text)["faulty"]
    with pytest.raises(ValueError, match=rf"(?s){code}.*{named}") as error:
        merge_overlays([path])
    assert path.stem in str(error.value) or "nowhere" in str(error.value)


def test_circle_of_includes_is_an_error(tmp_path):
    files = write(
        tmp_path, one='[compose]\ninclude = ["two.cfg"]\n', two='[compose]\ninclude = ["one.cfg"]\n'
    )
    with pytest.raises(ValueError, match=r"BC504.*one.cfg -> two.cfg -> one.cfg"):
        merge_overlays([files["one"]])


def test_value_against_section_is_an_error(tmp_path):
    files = write(tmp_path, base=BASE, other='[components]\nhead = "no section"\n')
    with pytest.raises(ValueError, match=r"(?s)BC506.*components.head.*base.cfg.*other.cfg"):
        merge_overlays([files["base"], files["other"]])


def test_set_value_makes_sections_and_is_recorded(tmp_path):
    merged = merge_overlays([write(tmp_path, base=BASE)["base"]])
    set_value(merged, "components.head.model.depth", 9)
    set_value(merged, "training.optimizer.learn_rate.initial_rate", 0.5)
    assert merged.config["components"]["head"]["model"]["depth"] == 9
    assert merged.config["training"] == {"optimizer": {"learn_rate": {"initial_rate": 0.5}}}
    assert merged.replaced[0][0::2] == ("components.head.model.depth", "command line")
    for key in ("trainning.max_steps", "training"):
        with pytest.raises(ValueError, match="BC503"):
            set_value(merged, key, 1)
