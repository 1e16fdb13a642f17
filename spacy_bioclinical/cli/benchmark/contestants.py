"""Who takes part in `benchmark speed`, made from what the command line names."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from spacy_bioclinical.cli.benchmark.flops import has_formula
from spacy_bioclinical.cli.benchmark.folders import EncoderFolder
from spacy_bioclinical.cli.benchmark.race import Contestant
from spacy_bioclinical.cli.benchmark.sets import DocumentSet
from spacy_bioclinical.errors import Errors

PEERS = ("transformers", "spacy-transformers")
EDSNLP_WINDOWS = ((128, 96), (None, None))  # window and stride: its default, and the whole document


@dataclass(frozen=True)
class Choice:
    """What is to be compared.

    kernels, precisions (Sequence[str]): of our encoders; precisions also of peers that have them.
    peers (Sequence[str]): of `PEERS`.
    edsnlp (Path | None): interpreter of an environment with EDS-NLP.
    device (str): "cpu" or "cuda".
    batch_pieces (int): budget of our batches.
    batch_documents (int): documents of a padded batch.
    """

    kernels: Sequence[str] = ("auto",)
    precisions: Sequence[str] = ("fp32", "bf16")
    peers: Sequence[str] = PEERS
    edsnlp: Path | None = None
    device: str = "cpu"
    batch_pieces: int = 16384
    batch_documents: int = 8

    @property
    def reads_text(self) -> bool:
        """Whether some contestant needs the documents as text."""
        return "spacy-transformers" in self.peers or self.edsnlp is not None


def check(choice: Choice) -> None:
    """Refuse what does not exist before anything is computed.

    RAISES (ValueError): BC102 for an unknown kernel or precision, BC530 for an unknown peer, BC532 for an
        interpreter that is not there.
    """
    from spacy_bioclinical.encoder.base import KERNELS, PRECISIONS

    for what, given, known in (
        ("kernel", choice.kernels, KERNELS),
        ("precision", choice.precisions, tuple(PRECISIONS)),
    ):
        for name in given:
            if name not in known:
                raise ValueError(Errors.BC102.format(what=what, given=name, known=", ".join(known)))
    for peer in choice.peers:
        if peer not in PEERS:
            raise ValueError(Errors.BC530.format(option="--peer", given=peer, wanted=", ".join(PEERS)))
    if choice.edsnlp is not None and not choice.edsnlp.is_file():
        version = metadata.version("torch").split("+")[0]
        raise ValueError(Errors.BC532.format(path=choice.edsnlp, torch=version))


class Roster:
    """Makes the contestants of one encoder.

    folder (EncoderFolder): the encoder.
    data (Path): folder of the documents.
    choice (Choice): device, batches, kernels.
    probe_set (str): a set whose first words are read after loading.
    """

    def __init__(self, folder: EncoderFolder, data: Path, choice: Choice, probe_set: str):
        self.folder, self.choice = folder, choice
        special = set(folder.special_ids.values())
        self.common: dict[str, Any] = {
            "folder": str(folder.path),
            "data": str(data),
            "device": choice.device,
            "context": folder.context,
            "probe_id": next(index for index in range(len(special) + 1) if index not in special),
            "probe_set": probe_set,
        }

    def make(
        self, kind: str, level: str, label: str, precision: str, names: Sequence[str], **spec: Any
    ) -> Contestant:
        """One contestant of any kind."""
        python = str(self.choice.edsnlp) if kind == "edsnlp" else None
        full = {**self.common, "kind": kind, "precision": precision, **spec}
        name = self.folder.name
        return Contestant(f"{name} {label}", label, kind, level, name, precision, full, tuple(names), python)

    def ceiling(self, precision: str, names: Sequence[str]) -> list[Contestant]:
        """What the machine can do, for families whose work is known."""
        if not has_formula(self.folder.config):
            return []
        config, label = self.folder.config, f"ceiling {precision}"
        return [self.make("products", "ceiling", label, precision, names, config=config)]

    def packed(self, precision: str, names: Sequence[str]) -> list[Contestant]:
        """Our encoder with each kernel."""
        found = []
        for kernel in self.choice.kernels:
            options = {"kernel": kernel, "batch_pieces": self.choice.batch_pieces}
            label = f"packed {kernel} {precision}"
            found.append(self.make("packed", "encoder", label, precision, names, **options))
        return found

    def transformers(self, precision: str, names: Sequence[str]) -> list[Contestant]:
        """Transformers' encoder, with each attention that it has here."""
        found = []
        for attention in attentions(self.folder.config, precision, self.choice.device):
            options = {"attention": attention, "batch_documents": self.choice.batch_documents}
            label = f"transformers {attention} {precision}"
            found.append(self.make("transformers", "encoder", label, precision, names, **options))
        return found

    def component(self, precision: str, names: Sequence[str]) -> list[Contestant]:
        """Our pipeline component, with the first kernel."""
        kernel, label = self.choice.kernels[0], f"component {precision}"
        return [self.make("component", "component", label, precision, names, kernel=kernel)]

    def spacy_transformers(self, names: Sequence[str]) -> list[Contestant]:
        """spacy-transformers' component as it comes."""
        label = "spacy-transformers 128/96 fp32"
        return [self.make("spacy-transformers", "component", label, "fp32", names)]

    def edsnlp(self, precision: str, names: Sequence[str], longest: int) -> list[Contestant]:
        """EDS-NLP's component: its own windows, and the whole document where the encoder can read it."""
        found = []
        for window, stride in EDSNLP_WINDOWS:
            if window is None and longest > self.folder.context:
                continue
            label = f"edsnlp {window}/{stride} {precision}" if window else f"edsnlp whole {precision}"
            options = {"window": window, "stride": stride}
            found.append(self.make("edsnlp", "component", label, precision, names, **options))
        return found


def make_contestants(
    folder: EncoderFolder, data: Path, choice: Choice, sets: Sequence[DocumentSet]
) -> list[Contestant]:
    """All contestants of one encoder in `benchmark speed`, in the order of their turns.

    folder (EncoderFolder): the encoder.
    data (Path): folder of the documents.
    choice (Choice): what is to be compared.
    sets (Sequence[DocumentSet]): all sets; peers leave out the `even` ones, which only compare us with ourselves.
    RETURNS (list[Contestant]): peers stand beside ours of the same level and precision.
    """
    everyone = [documents.name for documents in sets]
    shared = [documents for documents in sets if documents.kind != "even"]
    names = [documents.name for documents in shared]
    roster = Roster(folder, data, choice, names[0])
    found: list[Contestant] = []
    for precision in choice.precisions:
        found += roster.ceiling(precision, everyone)
        found += roster.packed(precision, everyone)
        if "transformers" in choice.peers:
            found += roster.transformers(precision, names)
        if choice.reads_text:
            found += roster.component(precision, names)
    if "spacy-transformers" in choice.peers:
        found += roster.spacy_transformers(names)
    if choice.edsnlp is not None:
        precision = "bf16" if "bf16" in choice.precisions else "fp32"
        found += roster.edsnlp(precision, names, max(max(documents.lengths) for documents in shared))
    return found


def attentions(config: dict[str, Any], precision: str, device: str) -> list[str]:
    """Attention implementations of transformers to compare with: its best for the family, on this device.

    config (dict): `config.json` of the encoder.
    precision (str): "fp32" or "bf16".
    device (str): "cpu" or "cuda".
    """
    if config["model_type"] in ("longformer", "big_bird"):
        return ["auto"]  # these have one of their own
    if device == "cuda" and precision == "bf16" and importlib.util.find_spec("flash_attn"):
        return ["sdpa", "flash_attention_2"]
    return ["sdpa"]
