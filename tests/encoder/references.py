"""Small ModernBERTs of transformers' own, the independent implementation that ours is compared with."""

import torch
from transformers import ModernBertConfig, ModernBertModel

SMALL = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}


def reference(model_class=ModernBertModel, gain=4.0, seed=0, **overrides):
    """A transformers model with random weights strong enough that attention is far from uniform."""
    torch.manual_seed(seed)
    config = ModernBertConfig(**{**SMALL, **overrides}, attn_implementation="sdpa", reference_compile=False)
    model = model_class(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.mul_(gain)
    return model


def draw_ids(lengths, vocab_size=SMALL["vocab_size"], seed=0):
    """Random piece ids for windows of these lengths, packed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, vocab_size, (sum(lengths),), generator=generator)


def padded_rows(model, ids_T, lengths):
    """Rows of the reference on one padded rectangle with a mask, real positions only, packed."""
    longest = max(lengths)
    ids_BL = torch.zeros(len(lengths), longest, dtype=torch.long)
    mask_BL = torch.zeros_like(ids_BL)
    for i, part in enumerate(ids_T.split(lengths)):
        ids_BL[i, : len(part)] = part
        mask_BL[i, : len(part)] = 1
    rows = model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
    return torch.cat([rows[i, :length] for i, length in enumerate(lengths)])
