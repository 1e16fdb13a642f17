"""All layers of a pipeline's models, whichever component has them, and the gradients that wait in them."""

from collections.abc import Iterator

import torch
from spacy.language import Language
from thinc.api import Model

from spacy_bioclinical.models.shim import EncoderShim


def layers_of(nlp: Language) -> Iterator[tuple[str, int, Model]]:
    """Walk through the models of a pipeline.

    nlp (Language): the pipeline.
    YIELDS (tuple[str, int, Model]): component, number of the layer in its model, layer; shared layers once.
    """
    seen: set[int] = set()
    for component, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for number, node in enumerate(model.walk() if isinstance(model, Model) else ()):
            if node.id not in seen:
                seen.add(node.id)
                yield component, number, node


def encoder_shims(nlp: Language) -> list[EncoderShim]:
    """Find the packed encoders of a pipeline."""
    return [shim for _, _, node in layers_of(nlp) for shim in node.shims if isinstance(shim, EncoderShim)]


def scale_gradients(nlp: Language, factor: float) -> None:
    """Multiply all gradients that a pipeline has gathered so far and no optimizer has taken."""
    for _, _, node in layers_of(nlp):
        for name in node.param_names:
            if node.has_grad(name):
                node.set_grad(name, node.get_grad(name) * factor)
        for shim in node.shims:
            module = getattr(shim, "_model", None)
            for parameter in module.parameters() if isinstance(module, torch.nn.Module) else ():
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)
