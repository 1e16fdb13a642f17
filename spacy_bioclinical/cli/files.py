"""Writes result files whole or not at all: aside first, then moved into place."""

import json
import os
from pathlib import Path
from typing import Any


def write_aside(path: Path, text: str) -> None:
    """Write a text file; whoever reads it sees the old one or the whole new one.

    path (Path): Its folder is made if needed.
    text (str): The content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf8")
    os.replace(aside, path)


def write_json(path: Path, data: Any) -> None:
    """Write data as indented JSON, aside first.

    path (Path): Its folder is made if needed.
    data: Anything JSON can hold.
    """
    write_aside(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
