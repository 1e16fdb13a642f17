"""Continued pretraining of an encoder on raw notes: read, tokenise, pack, mask, train, write its folder.

Runs as `python -m pretrain.tokenizer` and `python -m pretrain.train`; imports nothing of spaCy. What it
writes (a Hugging Face folder) is the seam through which pipelines take it up.
"""

import os

# OpenMP's threads spin while they wait, which starves them as soon as another process wants a core: measured on two
# cores beside a busy neighbour, 950 pieces/s; sleeping instead, 7,200. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
