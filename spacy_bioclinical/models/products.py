"""Products of many token rows with a few label rows: what heads spend their time on.

Thinc's `gemm` fills its blocks of 16 columns whatever their use: 1,000 tokens × 768 × 17 labels take 1.3 ms on one
core, torch takes 0.45. (numpy takes 0.3, but starts threads of its own that ignore `OMP_NUM_THREADS`; where several
processes share the cores a product then waits up to 50 ms for its other half.)
"""

from typing import cast

import numpy as np
import torch
from thinc.types import Floats2d

from spacy_bioclinical.models.threads import settle_threads


def thin_product(rows: Floats2d, labels: Floats2d) -> Floats2d:
    """Multiply rows with the transpose of a matrix that has few rows.

    rows (Floats2d): (tokens, width).
    labels (Floats2d): (labels, width).
    RETURNS (Floats2d): (tokens, labels).
    """
    if not isinstance(rows, np.ndarray):
        return cast(Floats2d, rows @ labels.T)
    settle_threads()
    with torch.inference_mode():
        product = torch.nn.functional.linear(torch.from_numpy(rows), torch.from_numpy(labels))
    return cast(Floats2d, product.numpy())
