"""Let a head grow: new labels become new rows of its output parameters, the old rows stay as they are.

spaCy asks a model for "resize_output" whenever a label is added: before the model is initialized, where
only the dimension is set, and afterwards, where the output layer is replaced by a copy with more rows (a
new node, so that an optimizer does not meet its old moments in a new shape).
"""

from collections.abc import Mapping

from thinc.api import Model
from thinc.layers.resizable import resize_linear_weighted

# The bias of a label added after training: rare (e⁻⁵ ≈ 0.7 % against a logit of 0) yet within reach of the
# optimizer. spaCy's own −5000 leaves old outputs untouched to the last bit, but no optimizer comes back
# from there.
NEW_LABEL_BIAS = -5.0


def grow_labels(model: Model, new_nO: int, fills: Mapping[str, float]) -> Model:
    """Set the number of labels of a model's "output_layer", in place.

    model (Model): a model with the reference "output_layer": a layer whose parameters all have a row per
        label.
    new_nO (int): the new number of labels.
    fills (Mapping[str, float]): the value of new rows, by parameter name.
    RETURNS (Model): the same model.
    """
    old = model.get_ref("output_layer")
    new = resize_linear_weighted(old, new_nO, fill_defaults=dict(fills))
    if new is not old:
        model.replace_node(old, new)
    for node in model.walk():
        holds_output = node is not new and any(inner is new for inner in node.walk())
        if holds_output and "nO" in node.dim_names:
            node.set_dim("nO", new_nO, force=True)
    return model
