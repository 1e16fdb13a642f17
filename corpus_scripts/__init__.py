"""Annotated corpora in, spaCy's binary format out: every corpus becomes Records, every Record a Doc of the same text."""
