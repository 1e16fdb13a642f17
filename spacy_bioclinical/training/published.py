"""Count as the published protocol did: mentions that an encoder cut short would not see are left out.

There, words beyond the encoder's context vanished from gold and prediction alike, so that encoders of 512 pieces were
scored on less text than the others. Here nothing is left out unless it is asked for. Only the counting is imitated:
the pipeline still reads the whole note, so what it finds near the cut may profit from the words behind it; to train
and test on notes that end there, cut the corpus.
"""

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bioclinical.pieces.tokenizer import PieceTokenizer


def leave_out_unseen(eg: Example, tokenizer: PieceTokenizer | None, n_pieces: int) -> None:
    """Take mentions out of both documents of an example, in place, if their first piece is not among the first ones.

    eg (Example): prediction and gold; entities and span groups are looked at, classes stay.
    tokenizer (PieceTokenizer | None): counts pieces; without one, tokens of the prediction are counted.
    n_pieces (int): pieces seen, special pieces not counted.
    """
    if tokenizer is None:
        ends = np.array([token.idx + len(token) for token in eg.x], dtype=np.int64)
    else:
        (pieces,) = tokenizer.encode([eg.x.text])
        ends = np.maximum.accumulate(pieces.ends)
    if len(ends) <= n_pieces:
        return
    last = int(ends[n_pieces - 1]) if n_pieces else 0  # a mention from here on begins with a later piece
    for doc in (eg.x, eg.y):
        _keep_before(doc, last)


def _keep_before(doc: Doc, character: int) -> None:
    kept = [ent for ent in doc.ents if ent.start_char < character]
    if len(kept) < len(doc.ents):
        unknown = [Span(doc, token.i, token.i + 1) for token in doc if not token.ent_iob]
        doc.set_ents(kept, missing=unknown, default="outside")
    for key, group in doc.spans.items():
        indices = [i for i, span in enumerate(group) if span.start_char < character]
        if len(indices) < len(group):
            attrs = dict(group.attrs)
            scores = attrs.get("scores")
            if scores is not None and len(scores) == len(group):
                attrs["scores"] = np.asarray(scores)[indices]
            doc.spans[key] = [group[i] for i in indices]
            doc.spans[key].attrs.update(attrs)
