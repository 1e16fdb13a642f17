"""Entities of tag sequences, the strict and the lenient way of seqeval, and their scores.

Strict: legal IOB2 only; an I- that continues nothing of its type is no entity. Lenient (seqeval's default mode, which
the published evaluation used; conlleval counts alike): such an I- begins an entity. The tags of this package's heads
are always legal, so both ways agree on them; on tags from elsewhere they need not.
"""

from collections.abc import Sequence

from spacy_bioclinical.pipeline.matching import Place


def entities_of_tags(tags: Sequence[str], *, lenient: bool) -> list[Place]:
    """Read the entities off one sequence of tags "O", "B-TYPE", "I-TYPE".

    tags (Sequence[str]): one for each token.
    lenient (bool): whether an I- that continues nothing begins an entity.
    RETURNS (list[tuple]): (first token, token after the last, type), in order.
    """
    found: list[Place] = []
    start, current = 0, ""
    for i, tag in enumerate((*tags, "O")):
        action, _, label = tag.partition("-")
        if current and not (action == "I" and label == current):
            found.append((start, i, current))
            current = ""
        if action == "B" or (action == "I" and lenient and not current):
            start, current = i, label
    return found


def score_tags(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, lenient: bool
) -> dict[str, float]:
    """Score tag sequences by entities of the same type, first and last token; micro average.

    gold, predicted (Sequence[Sequence[str]]): sequences of the same lengths.
    lenient (bool): see `entities_of_tags`.
    RETURNS (dict): "p", "r" and "f" in [0, 1], 0 where there is nothing to divide by.
    """
    n_gold = n_predicted = n_both = 0
    for one, other in zip(gold, predicted, strict=True):
        wanted = set(entities_of_tags(one, lenient=lenient))
        found = set(entities_of_tags(other, lenient=lenient))
        n_gold, n_predicted, n_both = (
            n_gold + len(wanted),
            n_predicted + len(found),
            n_both + len(wanted & found),
        )
    p = n_both / n_predicted if n_predicted else 0.0
    r = n_both / n_gold if n_gold else 0.0
    return {"p": p, "r": r, "f": 2 * p * r / (p + r) if p + r else 0.0}
