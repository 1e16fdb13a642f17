"""Long-context clinical transformers for spaCy. Importing does nothing; `setup.cfg` lists what is registered."""

__version__ = "0.1.0"
