"""Annotated corpora in, spaCy's binary format out: corpus → Record → Doc of the same text → .spacy."""
