"""Every composition of the project's overlays is a complete config that builds, and mistakes are told, not dropped."""

from pathlib import Path

import pytest
from confection import Config

from spacy_bioclinical.cli.compose import compose, fill, header, split_arguments
from spacy_bioclinical.cli.files import write_aside

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
TASKS = sorted((CONFIGS / "task").glob("*.cfg"))
HEADS = sorted((CONFIGS / "head").glob("*.cfg"))
ENCODERS = ["encoders/tiny", "/somewhere/else"]
# head overlay: factory of each component that it brings
FACTORIES = {
    "ner_bio": {"ner": "bioclinical_ner"},
    "ner_crf": {"ner": "bioclinical_ner"},
    "ner_transition": {"ner": "ner"},
    "several": {
        "ner": "bioclinical_ner",
        "spans": "bioclinical_spans",
        "textcat": "bioclinical_textcat_multilabel",
    },
    "spans": {"spans": "bioclinical_spans"},
    "textcat": {"textcat": "textcat"},
    "textcat_bioclinical": {"textcat": "bioclinical_textcat"},
    "textcat_bioclinical_multilabel": {"textcat": "bioclinical_textcat_multilabel"},
    "textcat_cls": {"textcat": "bioclinical_textcat"},
    "textcat_multilabel": {"textcat": "textcat_multilabel"},
}


def composed(files, encoder="encoders/tiny", **overrides):
    composition = compose(
        files, encoder=encoder, encoder_overlays=CONFIGS / "encoder", overrides={**overrides}
    )
    return composition, Config().from_str(fill(composition))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.cfg")), ids=lambda path: path.stem)
def test_overlay_is_short_and_says_what_it_is_for(path):
    lines = path.read_text(encoding="utf8").splitlines()
    assert len(lines) <= 80
    assert lines[0].startswith("# ")
    assert lines[0].rstrip().endswith(".")


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("task", TASKS, ids=lambda path: path.stem)
def test_every_task_composes_and_fills(task, encoder):
    composition, config = composed([task], encoder)
    head = composition.config["nlp"]["pipeline"][-1]
    assert config["nlp"]["pipeline"] == ["transformer", head]
    assert config["components"]["transformer"]["factory"] == "bioclinical_transformer"
    assert config["initialize"]["components"]["transformer"]["encoder_loader"]["name"] == encoder
    assert config["paths"]["corpus"] == f"corpus/{task.stem}"
    assert config["corpora"]["train"]["path"] == f"corpus/{task.stem}/train.spacy"
    assert config["nlp"]["batch_size"] <= 32
    rate = config["training"]["optimizer"]["learn_rate"]["initial_rate"]
    assert (rate > 5e-4) == encoder.endswith("tiny"), "small encoders learn fast, pretrained ones slowly"


@pytest.mark.parametrize("head", HEADS, ids=lambda path: path.stem)
@pytest.mark.parametrize("task", TASKS, ids=lambda path: path.stem)
def test_every_head_goes_onto_every_task(task, head):
    composition, config = composed([task, head])
    for name, factory in FACTORIES[head.stem].items():
        assert config["components"][name]["factory"] == factory
    of_task = compose([task], encoder="e").config["nlp"]["pipeline"]
    assert config["nlp"]["pipeline"] == list(dict.fromkeys([*of_task, *FACTORIES[head.stem]]))
    assert head.as_posix().removeprefix(f"{ROOT.as_posix()}/") in header(composition)


@pytest.mark.parametrize("task", TASKS, ids=lambda path: path.stem)
def test_sharded_corpus_overlay_fits_the_head_of_the_task(task):
    head = compose([task], encoder="e").config["nlp"]["pipeline"][-1]
    _, config = composed([task, CONFIGS / "corpus" / f"sharded_{head}.cfg"])
    train = config["corpora"]["train"]
    assert (train["@readers"], train["path"]) == (
        "spacy-bioclinical.ShardedCorpus.v1", f"corpus/{task.stem}/train.spacy",
    )  # fmt: skip
    assert config["training"]["max_epochs"] == -1
    labels = config["initialize"]["components"][head]["labels"]
    assert labels["kind"] == {"ner": "ents", "textcat": "cats", "spans": "spans"}[head]


@pytest.mark.parametrize("head", HEADS, ids=lambda path: path.stem)
def test_head_on_the_base_alone(head):
    _, config = composed([CONFIGS / "base.cfg", head], **{"paths.corpus": "c"})
    assert config["nlp"]["pipeline"] == ["transformer", *FACTORIES[head.stem]]


def test_composed_config_is_complete():
    """Filling it a second time adds nothing: what is kept beside the model is all there is to know."""
    from spacy import util

    text = fill(compose([CONFIGS / "task" / "deid.cfg"], encoder="encoders/tiny"))
    again = util.load_model_from_config(util.load_config_from_str(text), auto_fill=False).config
    assert again.to_str(interpolate=False) == text
    for value in (
        "max_batch_pieces",
        "keep_hidden",
        "context",
        "overlap",
        "on_overflow",
        "precision",
        "device",
    ):
        assert f"\n{value} = " in text


def test_header_is_comment_and_names_replaced_values():
    composition, _ = composed([CONFIGS / "task" / "phenotype_512.cfg"], **{"training.max_steps": 3})
    text = header(composition)
    assert all(line.startswith("#") for line in text.splitlines() if line)
    assert "training.max_steps: " in text
    assert "-> command line" in text
    assert Config().from_str(text + fill(composition))["training"]["max_steps"] == 3


def test_learn_rate_schedule_ends_with_training():
    _, config = composed([CONFIGS / "task" / "deid.cfg"], **{"training.max_steps": 77})
    assert config["training"]["optimizer"]["learn_rate"]["total_steps"] == 77


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        ({"training.max_stepz": 5}, r"(?s)BC509.*training.max_stepz.*command line.*Did you mean 'max_steps'"),
        ({"nlp.batchsize": 5}, r"(?s)BC509.*nlp.batchsize.*Did you mean 'batch_size'"),
        ({"training.patience": "many"}, r"(?s)BC508.*patience"),
        ({"components.ner.model.hidden": 5}, r"(?s)BC508.*hidden"),
        ({"components.ner.widht": 5}, r"(?s)BC508.*widht"),
        ({"components.ner.model.@architectures": "spacy-bioclinical.Nothing.v1"}, r"(?s)BC508.*Nothing"),
        ({"training.train_corpus": "corpora.nothing"}, r"(?s)BC508"),
        ({"paths.corpus": None}, r"(?s)BC510.*paths.corpus"),
    ],
)
def test_mistake_is_refused_with_its_name(overrides, match):
    with pytest.raises(ValueError, match=match):
        composed([CONFIGS / "task" / "deid.cfg"], **overrides)


def test_pipeline_without_head_section_is_refused(tmp_path):
    task = CONFIGS / "task" / "deid.cfg"
    with pytest.raises(ValueError, match=r"(?s)BC507.*ghost"):
        compose([task], encoder="e", overrides={"nlp.pipeline": ["ghost"]})
    with pytest.raises(ValueError, match="BC510"):
        compose([task])


def test_arguments_are_told_apart():
    arguments = ["a.cfg", "--x.y", "1", "b.cfg", "--x.z=2", "c.cfg", "--x.flag", "--x.path", "d.cfg"]
    files, overrides = split_arguments(arguments)
    assert files == [Path("a.cfg"), Path("b.cfg"), Path("c.cfg")]
    assert overrides == ["--x.y", "1", "--x.z=2", "--x.flag", "--x.path", "d.cfg"]


def test_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "folder" / "config.cfg"
    write_aside(target, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write_aside(target, "new")
    assert target.read_text() == "old"
