"""Tiny BERT and RoBERTa folders with tokenizers, as transformers writes them, for the pretraining tests."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, RobertaConfig, RobertaForMaskedLM

from spacy_bioclinical.pieces.tokenizer import PieceTokenizer
from tests.pieces.tokenizer_folders import write_roberta_tokenizer_folder, write_wordpiece_folder

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def write_bert_folder(
    folder: Path, model_class: type = BertForPreTraining, *, positions: int = 128, dropout: float = 0.1
) -> Path:
    """Write a BERT of two layers, 32 wide, with a WordPiece tokenizer; weights depend on nothing but the class."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=write_wordpiece_folder(folder),
        max_position_embeddings=positions,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **SHAPE,
    )
    model_class(config).save_pretrained(folder, safe_serialization=True)
    return folder


def write_roberta_folder(folder: Path) -> Path:
    """Write a RoBERTa of two layers with 64 positions and its byte-level tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    size = write_roberta_tokenizer_folder(folder, max_length=64)
    pad = PieceTokenizer.from_folder(folder).pad_id
    config = RobertaConfig(
        vocab_size=size, pad_token_id=pad, max_position_embeddings=64 + pad + 1, type_vocab_size=1, **SHAPE
    )
    RobertaForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    return folder
