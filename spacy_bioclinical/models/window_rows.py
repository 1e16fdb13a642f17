"""The first row of each window ([CLS]) instead of a row per token: what BERT's authors classify a document by.

Devlin et al. (2019, "BERT", NAACL), section 3: the final hidden state of the first special piece stands for the
whole input. A token vector never holds it, so no pooling of token vectors can bring it back; here the layer that
turns a transformer's output into token vectors is exchanged for one that takes the first rows. The listener stays,
and with it everything that spaCy does with listeners (`replace_listeners`, frozen transformers, several heads).
"""

from collections.abc import Callable

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats2d
from transformers.file_utils import ModelOutput

from spacy_bioclinical.errors import Errors

TOKEN_LAYER = "trfs2arrays"  # the name of spacy-transformers' layer from its data to token vectors


def read_windows(tok2vec: Model[list[Doc], list[Floats2d]]) -> None:
    """Make a transformer's `tok2vec` return the first row of each window, in place.

    The first row is that of the tokenizer's first special piece. The setting `grad_factor` is kept; `pooling`,
    which is about tokens, is out of use.

    tok2vec (Model[List[Doc], List[Floats2d]]): a TransformerListener, or what `nlp.replace_listeners` puts in its
        place. Afterwards it gives (windows, width) for each document, (0, 0) for one without tokens.
    RAISES: ValueError, BC434 if it does not read a transformer.
    """
    layer = next((node for node in tok2vec.walk() if node.name == TOKEN_LAYER), None)
    if layer is None or not tok2vec.replace_node(layer, _first_rows(layer.attrs["grad_factor"])):
        raise ValueError(Errors.BC434.format(layer=tok2vec.name))


def _first_rows(grad_factor: float) -> Model[list[TransformerData], list[Floats2d]]:
    return Model("first_rows", _forward, attrs={"grad_factor": grad_factor})


def _forward(
    model: Model, datas: list[TransformerData], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[TransformerData]]]:
    ops, grad_factor = model.ops, model.attrs["grad_factor"]
    hidden = [data.model_output.get("last_hidden_state") for data in datas]
    Y = [ops.alloc2f(0, 0) if rows is None or not rows.size else rows[:, 0].copy() for rows in hidden]

    def backprop(dY: list[Floats2d]) -> list[TransformerData]:
        d_datas = []
        for data, rows, dy in zip(datas, hidden, dY):
            if rows is None:  # a document without tokens: the transformer has not seen it
                continue
            d_rows = ops.alloc(rows.shape, dtype=rows.dtype)
            if rows.size:
                d_rows[:, 0] = dy * grad_factor
            d_output = ModelOutput(last_hidden_state=d_rows)
            d_datas.append(
                TransformerData(wordpieces=data.wordpieces, model_output=d_output, align=data.align)
            )
        return d_datas

    return Y, backprop
