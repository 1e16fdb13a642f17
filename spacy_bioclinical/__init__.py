"""Long-context clinical transformers for spaCy. Importing the package does nothing; `setup.cfg` lists what it registers."""

__version__ = "0.1.0"
