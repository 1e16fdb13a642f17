"""The text classifier for stock `textcat` components: pool the whole document, then one linear layer.

"mean" suits a document that is about one thing throughout; "max" and above all "attention" find a single
sentence in thousands of tokens. The last layer passes the component's gradient (p − y) straight to the
logits, divided by the number of documents. That is the gradient of the mean cross-entropy, binary for
`textcat_multilabel` and categorical for `textcat`. (spaCy's own multi-label models multiply it by p(1 − p),
the gradient of a squared error, which vanishes for a rare label that is confidently missed; and they add up
the documents of a batch, which would drown an entity head that shares the encoder and takes means.)
"""

from collections.abc import Callable
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Linear, Model, chain
from thinc.types import Floats2d

from spacy_bioclinical.models.head_dropout import head_dropout
from spacy_bioclinical.models.label_attention import LabelAttention
from spacy_bioclinical.models.label_rows import NEW_LABEL_BIAS, grow_labels
from spacy_bioclinical.models.pooling import pool_documents


def build_textcat_pooling_v1(
    *,
    tok2vec: Model[list[Doc], list[Floats2d]],
    exclusive_classes: bool,
    pooling: Literal["mean", "max", "mean_max", "attention"] = "mean",
    dropout: float = 0.0,
    nO: int | None = None,
) -> Model[list[Doc], Floats2d]:
    """Build a text classifier that sees every token of the document, however many windows it was read in.

    tok2vec (Model[List[Doc], List[Floats2d]]): token vectors, e.g. a TransformerListener.
    exclusive_classes (bool): exactly one class is true (softmax, `textcat`), or any number (logistic,
        `textcat_multilabel`).
    pooling (str): "mean", "max", "mean_max" (both side by side) or "attention" (one learned query per label).
    dropout (float): dropout in training, on the pooled row, or on the token rows where labels attend to them;
        `training.dropout` does not change it.
    nO (int | None): the number of labels; leave it out, the component sets it.
    RETURNS (Model[List[Doc], Floats2d]): probabilities, (documents, labels). A document without tokens gets
        those
        of the bias alone. References "tok2vec" and "output_layer", attribute "multi_label".
    """
    output_layer: Model[Any, Floats2d]
    if pooling == "attention":
        output_layer = LabelAttention(nO=nO)
        head: Model[list[Floats2d], Floats2d] = chain(head_dropout(dropout), output_layer)
    else:
        output_layer = Linear(nO=nO)
        head = chain(pool_documents(pooling), head_dropout(dropout), output_layer)
    model: Model[list[Doc], Floats2d] = chain(tok2vec, head, _class_probabilities(exclusive_classes))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = resize_textcat
    if nO is not None:
        model.set_dim("nO", nO)
    return model


def resize_textcat(model: Model, new_nO: int) -> Model:
    """Give a text classifier more labels, in place: known labels keep their weights.

    model (Model): as built by `build_textcat_pooling_v1`.
    new_nO (int): the new number of labels.
    RETURNS (Model): the same model.
    """
    return grow_labels(model, new_nO, {"U": 0.0, "W": 0.0, "b": NEW_LABEL_BIAS})


def _class_probabilities(exclusive_classes: bool) -> Model[Floats2d, Floats2d]:
    """Softmax or logistic function, whose incoming gradient is that of the logits already (see above)."""
    return Model("class_probabilities", _forward, attrs={"exclusive_classes": exclusive_classes})


def _forward(model: Model, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    if model.attrs["exclusive_classes"]:
        Y = model.ops.softmax(X, inplace=False)
    else:
        Y = model.ops.sigmoid(X, inplace=False)
    return Y, lambda dY: dY / max(len(dY), 1)
