"""The registered names are a contract: this list changes only when a name is added, and every name resolves.

Entry points exist only in an installed package, and an editable install does not refresh them: after a change of
setup.cfg run `python -m pip install --no-deps --editable .` (or `make env`), then these tests.
"""

import configparser
import inspect
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("registered_names.txt")
HINT = "after a change of setup.cfg: python -m pip install --no-deps --editable ."


def declared() -> dict[tuple[str, str], str]:
    """(group, name) to target, as setup.cfg says."""
    config = configparser.ConfigParser(delimiters=("=",))
    config.optionxform = str  # type: ignore[assignment, method-assign]
    config.read(ROOT / "setup.cfg", encoding="utf8")
    targets: dict[tuple[str, str], str] = {}
    for group, lines in config["options.entry_points"].items():
        for line in lines.strip().splitlines():
            name, target = (part.strip() for part in line.split("=", 1))
            targets[group, name] = target
    return targets


def installed() -> dict[tuple[str, str], metadata.EntryPoint]:
    distribution = metadata.distribution("spacy-bioclinical")
    return {(point.group, point.name): point for point in distribution.entry_points}


def test_registered_names_equal_the_snapshot() -> None:
    names = sorted(f"{group} {name}" for group, name in declared())
    assert names == SNAPSHOT.read_text(encoding="utf8").splitlines(), (
        "A published name keeps its meaning for ever. If you added one, add its line to tests/registered_names.txt; "
        "never change or remove one that a published pipeline may use."
    )


def test_installed_entry_points_equal_setup_cfg() -> None:
    assert {key: point.value for key, point in installed().items()} == declared(), HINT


@pytest.mark.parametrize("key", sorted(declared()), ids=" ".join)
def test_registered_name_resolves(key: tuple[str, str]) -> None:
    from spacy.util import registry

    group, name = key
    target = installed()[key].load()
    assert callable(target)
    if group == "spacy_factories":
        from spacy.language import Language

        assert Language.has_factory(name)
    elif group != "spacy_cli":
        registry_name = group.removeprefix("spacy_").removeprefix("thinc_")
        assert registry.get(registry_name, name) is target


@pytest.mark.parametrize(
    "key", sorted(key for key in declared() if "." in key[1]), ids=lambda key: f"{key[0]} {key[1]}"
)
def test_registered_arguments_are_named_and_annotated(key: tuple[str, str]) -> None:
    target = installed()[key].load()
    assert target.__name__ == target.__name__.lower()
    assert target.__name__.endswith(key[1].rpartition(".v")[2].join(["_v", ""]))
    for parameter in inspect.signature(target).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{key[1]}: {parameter.name}"
        assert parameter.annotation is not inspect.Parameter.empty, f"{key[1]}: {parameter.name}"
        assert not isinstance(parameter.annotation, str), (
            f"{key[1]}: {parameter.name}: confection needs real types"
        )
