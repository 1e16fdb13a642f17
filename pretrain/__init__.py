"""Continued pretraining of an encoder on raw notes: read, tokenise, pack, mask, train, write its folder.

Runs as `python -m pretrain.tokenizer` and `python -m pretrain.train`; imports nothing of spaCy. What it
writes (a Hugging Face folder) is the seam through which pipelines take it up.
"""
