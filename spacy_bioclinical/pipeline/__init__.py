"""spaCy components: the shared transformer and the heads that listen to it."""
