"""One file format each; a format knows no corpus: a corpus is a line in a table (corpora/table.py)."""
