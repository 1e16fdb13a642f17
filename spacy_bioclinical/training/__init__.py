"""What `spacy train` and `spacy evaluate` resolve by name; never needed to load a pipeline."""
