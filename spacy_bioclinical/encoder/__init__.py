"""Encoders in pure torch over packed sequences, and the folders that hold their weights."""

from .base import Encoder
from .load import encoder_from_config, load_encoder

__all__ = ["Encoder", "encoder_from_config", "load_encoder"]
