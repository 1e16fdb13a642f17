"""The text classifier of all `textcat` components: pool the whole document, then one linear layer.

"mean" suits a document that is about one thing throughout; "max" and above all "attention" find a single
sentence in thousands of tokens. The last layer passes the component's gradient (p − y) straight to the
logits, divided by the number of documents. That is the gradient of the mean cross-entropy, binary for
`textcat_multilabel` and categorical for `textcat`. (spaCy's own multi-label models multiply it by p(1 − p),
the gradient of a squared error, which vanishes for a rare label that is confidently missed; and they add up
the documents of a batch, which would drown an entity head that shares the encoder and takes means.)

Version 2 can also read the [CLS] row of each window, and gives its logits away for calibration.
"""

from collections.abc import Callable
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Linear, Model, chain
from thinc.types import Floats2d

from spacy_bioclinical.models.head_dropout import head_dropout
from spacy_bioclinical.models.label_attention import LabelAttention
from spacy_bioclinical.models.label_rows import NEW_LABEL_BIAS, grow_labels
from spacy_bioclinical.models.pooling import PoolingMode, pool_documents
from spacy_bioclinical.models.window_rows import read_windows

# pooling: (whether it reads [CLS] rows, how the rows of a document become one; None: label-wise attention)
POOLINGS: dict[str, tuple[bool, PoolingMode | None]] = {
    "mean": (False, "mean"),
    "max": (False, "max"),
    "mean_max": (False, "mean_max"),
    "attention": (False, None),
    "cls": (True, "mean"),
    "cls_attention": (True, None),
}


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
    head, output_layer = _head(POOLINGS[pooling][1], dropout, nO)
    model: Model[list[Doc], Floats2d] = chain(tok2vec, head, _class_probabilities(exclusive_classes))
    return _described(model, tok2vec, output_layer, exclusive_classes, nO)


def build_textcat_pooling_v2(
    *,
    tok2vec: Model[list[Doc], list[Floats2d]],
    exclusive_classes: bool,
    pooling: Literal["mean", "max", "mean_max", "attention", "cls", "cls_attention"] = "mean",
    dropout: float = 0.0,
    nO: int | None = None,
) -> Model[list[Doc], Floats2d]:
    """Build a text classifier as version 1 does, with two more ways to pool and a reference to its logits.

    tok2vec (Model[List[Doc], List[Floats2d]]): token vectors; for "cls" and "cls_attention" a TransformerListener
        (its setting `pooling` is then out of use).
    exclusive_classes (bool): exactly one class is true (softmax), or any number (logistic).
    pooling (str): over tokens: "mean", "max", "mean_max" (both side by side), "attention" (one learned query per
        label). Over windows, of which a document has one if the encoder's context holds it: "cls" (the mean of
        their [CLS] rows), "cls_attention" (one learned query per label looks for its window).
    dropout (float): as in version 1.
    nO (int | None): the number of labels; leave it out, the component sets it.
    RETURNS (Model[List[Doc], Floats2d]): probabilities, (documents, labels), as in version 1. References "tok2vec",
        "output_layer" and "logits" (the model without its last layer), attribute "multi_label".
    RAISES: ValueError, BC434 if [CLS] rows are asked of something that is no transformer.
    """
    reads_cls, mode = POOLINGS[pooling]
    if reads_cls:
        read_windows(tok2vec)
    head, output_layer = _head(mode, dropout, nO)
    logits: Model[list[Doc], Floats2d] = chain(_unless_empty(tok2vec), head)
    model: Model[list[Doc], Floats2d] = chain(logits, _class_probabilities(exclusive_classes))
    model.set_ref("logits", logits)
    return _described(model, tok2vec, output_layer, exclusive_classes, nO)


def _unless_empty(tok2vec: Model[list[Doc], list[Floats2d]]) -> Model[list[Doc], list[Floats2d]]:
    """Answer for a batch without any token in place of `tok2vec`: a transformer's listener fails there."""
    return Model("unless_empty", _forward_filled, init=_init_filled, layers=[tok2vec])


def _init_filled(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:
    model.layers[0].initialize(X=X)


def _forward_filled(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    if any(len(doc) for doc in docs):
        return model.layers[0](docs, is_train)
    return [model.ops.alloc2f(0, 0) for _ in docs], lambda d_rows: docs


def _head(
    mode: PoolingMode | None, dropout: float, nO: int | None
) -> tuple[Model[list[Floats2d], Floats2d], Model[Any, Floats2d]]:
    """RETURNS: the layers from a document's rows to its logits, and the one among them that knows the labels."""
    output_layer: Model[Any, Floats2d]
    if mode is None:
        output_layer = LabelAttention(nO=nO)
        return chain(head_dropout(dropout), output_layer), output_layer
    output_layer = Linear(nO=nO)
    return chain(pool_documents(mode), head_dropout(dropout), output_layer), output_layer


def _described(
    model: Model[list[Doc], Floats2d],
    tok2vec: Model,
    output_layer: Model,
    exclusive_classes: bool,
    nO: int | None,
) -> Model[list[Doc], Floats2d]:
    """Set what components look for in a model."""
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = resize_textcat
    if nO is not None:
        model.set_dim("nO", nO)
    return model


def resize_textcat(model: Model, new_nO: int) -> Model:
    """Give a text classifier more labels, in place: known labels keep their weights.

    model (Model): as built by `build_textcat_pooling_v1` or `_v2`.
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
