"""The config of a packaged pipeline: as trained, without the folders of the machine it was trained on."""

import re
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.package_facts import last_part

# Paths that begin at the root of a file system, of any kind, at home, or above the folder of work.
OUTSIDE = re.compile(r"(?:[A-Za-z]:)?[\\/].*\w|~[\w-]*[\\/]|\.\.[\\/]", re.DOTALL)


def packaged_config(model: Path) -> bytes:
    """Read a saved pipeline's config and cut paths from outside the folder of work down to their last part.

    A pipeline reads none of them again, but "/srv/ward7/encoder" tells who trained where and on whose notes. Paths
    within the folder of work ("corpus/deid") stay.

    model (Path): Folder of a pipeline.
    RETURNS (bytes): What config.cfg of its package holds.
    """
    from thinc.api import Config

    config = Config().from_disk(model / "config.cfg", interpolate=False)
    return Config(without_folders(config)).to_str(interpolate=False).encode("utf8")


def without_folders(value: Any) -> Any:
    """RETURNS (Any): the same setting, block or list, each path from outside cut down to its last part."""
    if isinstance(value, dict):
        return {key: without_folders(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_folders(each) for each in value]
    return (isinstance(value, str) and OUTSIDE.match(value) and last_part(value)) or value
