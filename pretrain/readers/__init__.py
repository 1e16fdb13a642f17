"""Readers of one file format each; `pretrain.text` chooses among them by the file's name."""
