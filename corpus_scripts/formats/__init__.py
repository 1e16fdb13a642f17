"""One file format each; a format knows no corpus, and a corpus is a line in a table (corpus_scripts/corpora)."""
