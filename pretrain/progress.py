"""Where a run stands: what a checkpoint's state.json keeps besides weights and moments."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Steps done, pieces seen, held-out scores before training and at the last look.

    skipped (int): steps whose update was left out because a figure was not finite. lr_scale (float): factor on
    the recipe's learning rate (1 unless a branch or a way back has set it). back_offs (int): ways back so far.
    """

    step: int = 0
    pieces: int = 0
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    interrupted: int | None = field(
        default=None, compare=False
    )  # signal that ended the call, 0 for stop_after
    skipped: int = 0
    lr_scale: float = 1.0
    back_offs: int = 0

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Progress":
        """Read a checkpoint's state; those of earlier versions lack the newer figures."""
        newer = {key: state[key] for key in ("skipped", "lr_scale", "back_offs") if key in state}
        return cls(state["step"], state["pieces"], state["before"], state["after"], **newer)

    def to_state(self) -> dict[str, Any]:
        """Return the figures as JSON-ready data."""
        names = ("step", "pieces", "before", "after", "skipped", "lr_scale", "back_offs")
        return {name: getattr(self, name) for name in names}
