"""From what a user calls an encoder to a local folder: a folder, a name of the catalogue, or a hub name.

A local folder wins over a name of the catalogue, and what looks like a path never goes to the hub: a mistyped path
costs no request and tells nobody how your folders are called. Downloads go to the Hugging Face cache (HF_HOME,
HF_HUB_CACHE), which also serves them offline (HF_HUB_OFFLINE=1).
"""

from pathlib import Path

from ..errors import Errors
from .catalogue import close_names, find_system

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# What is taken from a hub: never pickled weights, never code, never other frameworks' files.
TOKENIZER_FILES = ("*.json", "*.txt", "*.model")
HUB_FILES = (*TOKENIZER_FILES, "*.safetensors")
PICKLED_FILES = "pytorch_model*.bin"  # fetched by a user's own command only, to be converted
PROJECT_FOLDER = "encoders"  # where the project keeps them: "encoders/NAME" is a path even before it exists


def resolve_folder(source: str | Path, *, needs_weights: bool = True) -> Path:
    """Return the local folder of an encoder.

    source (str | Path): a local folder; a name of the catalogue, such as "bioclinical-modernbert-base"; or a hub
        name, such as "thomas-sounack/BioClinical-ModernBERT-base". A folder wins over a name. A `Path` is a folder.
    needs_weights (bool): False where config and tokenizer are enough; weights are then not downloaded.
    RETURNS (Path): the folder itself, or its snapshot in the Hugging Face cache.
    RAISES (ValueError): BC104 if it is neither a folder with a config.json nor to be had from the hub, BC150 for
        a system that no hub holds, BC151 if the hub has it with pickled weights only.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / CONFIG).is_file():
            raise ValueError(_not_found(source, f"the folder has no {CONFIG}"))
        return folder
    if isinstance(source, Path) or looks_like_path(source):
        raise ValueError(_not_found(source, "no such folder"))
    system = find_system(source)
    if system is not None and system.hub is None:
        raise ValueError(Errors.BC150.format(name=system.name, source=system.source))
    hub = source if system is None or system.hub is None else system.hub
    snapshot = _download(source, hub, HUB_FILES if needs_weights else TOKENIZER_FILES)
    if not (snapshot / CONFIG).is_file():
        raise ValueError(_not_found(source, f"what the cache holds of {hub} has no {CONFIG}", hub))
    if needs_weights and not has_weights(snapshot):
        download = download_command(hub, is_pickled=True)
        raise ValueError(Errors.BC151.format(hub=hub, download=download, folder=_folder_for(hub)))
    return snapshot


def looks_like_path(name: str) -> bool:
    """Tell "./e", "/e", "~/e", "e/", "a/b/c", "encoders/e" and "here/e" from a name, "name" or "owner/name".

    "here/e" is a path where a folder "here" exists.
    """
    return (
        name.startswith((".", "/", "~", f"{PROJECT_FOLDER}/"))
        or name.endswith("/")
        or name.count("/") > 1
        or "\\" in name
        or ("/" in name and Path(name).parent.is_dir())
    )


def has_weights(folder: Path) -> bool:
    """Say whether a folder holds weights in safetensors, whole or in shards."""
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def _download(source: str, hub: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return Path(snapshot_download(hub, allow_patterns=list(patterns), ignore_patterns=["*/*"]))
    except RepositoryNotFoundError as error:
        why = f"the hub has no {hub}, or shows it only to those who are logged in (huggingface-cli login)"
        raise ValueError(_not_found(source, why, hub)) from error
    except Exception as error:  # the hub client raises many kinds; all mean that it cannot be had
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else type(error).__name__
        why = f"not a local folder, not in the cache, and the hub did not give {hub} ({reason})"
        raise ValueError(_not_found(source, why, hub)) from error


def _not_found(source: str | Path, why: str, hub: str = "OWNER/NAME") -> str:
    close = [] if find_system(str(source)) else close_names(str(source))
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return Errors.BC104.format(source=source, why=why, hint=hint, download=download_command(hub))


def download_command(hub: str, *, is_pickled: bool = False) -> str:
    """Return the command line that fetches a hub folder into the project, pickled weights too if asked for."""
    patterns = (*HUB_FILES, PICKLED_FILES) if is_pickled else HUB_FILES
    quoted = " ".join(f'"{pattern}"' for pattern in patterns)
    return f"huggingface-cli download {hub} --include {quoted} --local-dir {_folder_for(hub)}"


def _folder_for(hub: str) -> str:
    return f"{PROJECT_FOLDER}/{hub.rpartition('/')[2]}"
