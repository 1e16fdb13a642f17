"""How ClinicalBERT's pretraining data was made from notes, as data; `pretrain.clinicalbert` is the code that reads it.

Sentence pairs with a next-sentence label, masked once and written `dupe_factor` times with other pairs and masks
(Devlin et al. 2019; Alsentzer et al. 2019).
"""

from dataclasses import dataclass

from spacy_bioclinical.errors import Errors


@dataclass(frozen=True)
class ClinicalBertInstances:
    """Settings of the instances.

    max_length (int): pieces of an instance, [CLS] A [SEP] B [SEP].
    dupe_factor (int): passes over the text, each with pairs and masks of its own.
    max_predictions (int): most pieces to predict per instance (20 in the training script, 22 in the data script).
    masked_lm_prob (float): share of pieces to predict. short_seq_prob (float): share of instances that aim at a shorter
        length, to be like those of fine-tuning.
    seed (int): of pairs and masks. next_sentence (bool): whether the next-sentence loss is computed.
    RAISES (ValueError): BC709.
    """

    max_length: int = 128
    dupe_factor: int = 5
    max_predictions: int = 20
    masked_lm_prob: float = 0.15
    short_seq_prob: float = 0.1
    seed: int = 12345
    next_sentence: bool = True

    def __post_init__(self) -> None:
        for what, is_right, span in (
            ("max_length", self.max_length >= 5, "[5, inf)"),
            ("dupe_factor", self.dupe_factor >= 1, "[1, inf)"),
            ("max_predictions", self.max_predictions >= 1, "[1, inf)"),
            ("masked_lm_prob", 0.0 < self.masked_lm_prob < 1.0, "(0, 1)"),
            ("short_seq_prob", 0.0 <= self.short_seq_prob <= 1.0, "[0, 1]"),
            ("seed", self.seed >= 0, "[0, inf)"),
        ):
            if not is_right:
                value = getattr(self, what)
                raise ValueError(Errors.BC709.format(what=f"instances.{what}", value=value, range=span))
