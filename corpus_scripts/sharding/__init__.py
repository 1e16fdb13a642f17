"""Conversions of any size: shards in flat memory, several processes, resumed after an interruption."""

from corpus_scripts.sharding.convert import ShardOptions, convert_to
from corpus_scripts.sharding.work import Converted

__all__ = ["Converted", "ShardOptions", "convert_to"]
