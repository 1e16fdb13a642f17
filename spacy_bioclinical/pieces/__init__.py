"""Subword pieces of plain text: one tokenisation with offsets, token alignment, windows. Never imports spaCy
or torch."""
