"""What `python -m pretrain.benchmark` measures with: documents, batches, contestants, the race and its figures."""
