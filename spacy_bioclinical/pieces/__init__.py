"""Subword pieces of plain text: tokenisation with offsets, alignment, windows. No spaCy, no torch."""
