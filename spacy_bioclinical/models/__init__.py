"""Thinc glue: the packed transformer as a Thinc model, and the heads that read it."""
