"""One checksum of a pipeline's folder, so that a score can be told to be of these very weights and settings."""

import hashlib
from pathlib import Path

DESCRIPTIONS = ("meta.json", "README.md")  # name, scores, explanations: may be edited without another model


def model_hash(folder: Path) -> str:
    """Hash all files of a pipeline but its descriptions.

    folder (Path): a pipeline as `nlp.to_disk` writes it.
    RETURNS (str): SHA-256, hexadecimal, of the lines "sha256  path" in the order of the paths.
    """
    lines = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file() and path.relative_to(folder).as_posix() not in DESCRIPTIONS:
            sha256 = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha256.update(block)
            lines.append(f"{sha256.hexdigest()}  {path.relative_to(folder).as_posix()}\n")
    return hashlib.sha256("".join(lines).encode("utf8")).hexdigest()
