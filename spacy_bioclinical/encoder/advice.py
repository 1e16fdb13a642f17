"""What an encoder's own config conceals: a context that its positions allow but its training never reached."""

import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import Errors
from .catalogue import find_system

LONGEST_ADVISED = 512  # pieces; what untrained positions the fine-tuning itself can still teach
# Clinical ModernBERT's shape, in no other published encoder: a BERT as deep and narrow as ModernBERT-base.
_SHAPE = {
    "model_type": "bert",
    "num_hidden_layers": 22,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
}


def trained_context(config: Mapping[str, Any]) -> int | None:
    """Return the pieces that an encoder's positions were trained for, None where config.json tells the truth.

    config (Mapping): the encoder's config.json. Fine-tuned copies under any name keep this shape.
    """
    if any(config.get(key) != value for key, value in _SHAPE.items()):
        return None
    system = find_system("clinical-modernbert")
    return system.trained_context if system is not None else None


def warn_of_untrained_positions(config: Mapping[str, Any], context: int | None) -> None:
    """Warn (BC157) where a pipeline is about to read positions that nobody trained.

    config (Mapping): the encoder's config.json.
    context (int | None): the setting `context`, None for the encoder's own.
    """
    trained = trained_context(config)
    if trained is None or (context is not None and context <= LONGEST_ADVISED):
        return
    message = Errors.BC157.format(
        context=config["max_position_embeddings"],
        trained=trained,
        advised=f"{trained} to {LONGEST_ADVISED}",
    )
    warnings.warn(message, stacklevel=2)
