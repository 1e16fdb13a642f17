"""Who may import whom (docs/architecture.md), read from the sources, so that no arrow is added by accident."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = "spacy_bioclinical"

# room: (rooms of ours it may import, packages it must not import)
RULES: dict[str, tuple[set[str], set[str]]] = {
    "spacy_bioclinical.errors": (set(), {"spacy", "torch", "thinc", "transformers"}),
    "spacy_bioclinical.encoder": ({"errors"}, {"spacy", "thinc", "spacy_transformers"}),
    "spacy_bioclinical.pieces": ({"errors"}, {"spacy", "torch", "thinc", "spacy_transformers"}),
    "spacy_bioclinical.models": ({"encoder", "pieces", "errors"}, set()),
    "spacy_bioclinical.pipeline": ({"models", "errors"}, set()),
    "spacy_bioclinical.training": ({"encoder", "pieces", "models", "pipeline", "errors"}, set()),
    "spacy_bioclinical.cli": ({"encoder", "pieces", "models", "pipeline", "training", "errors"}, set()),
    "pretrain": ({"encoder", "pieces", "errors"}, {"spacy", "thinc", "spacy_transformers", "corpus_scripts"}),
    "corpus_scripts": ({"errors"}, {"torch", "transformers", "spacy_transformers", "pretrain"}),
}


def room_of(module: str) -> str:
    """The room a module of ours belongs to, or "" for anything else."""
    return next((room for room in RULES if module == room or module.startswith(f"{room}.")), "")


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> set[str]:
    """Every module a file imports, at any depth of its code, relative imports made absolute."""
    package = module_name(path).split(".")
    if path.stem != "__init__":
        package = package[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            # `from package import room` names the room only here
            found |= {f"{module}.{alias.name}" for alias in node.names if room_of(f"{module}.{alias.name}")}
    return found


def sources() -> list[Path]:
    folders = (PLUGIN, "corpus_scripts", "pretrain")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_follow_the_layers(path: Path) -> None:
    room = room_of(module_name(path))
    if not room:
        assert path == ROOT / PLUGIN / "__init__.py", f"{path} belongs to no room"
        assert not imported_modules(path), "importing the package does nothing"
        return
    allowed, forbidden = RULES[room]
    for module in imported_modules(path):
        other = room_of(module)
        if other and other != room:
            assert other.removeprefix(f"{PLUGIN}.") in allowed, f"{path.name} imports {module}"
        assert module.split(".")[0] not in forbidden, f"{path.name} imports {module}"


def test_layering_sees_relative_and_absolute_imports() -> None:
    seen = imported_modules(ROOT / PLUGIN / "models" / "transformer.py")
    assert any(room_of(module) == "spacy_bioclinical.encoder" for module in seen)
    assert any(room_of(module) == "spacy_bioclinical.pieces" for module in seen)
    assert room_of("spacy_bioclinical.encoder_of_others") == ""
