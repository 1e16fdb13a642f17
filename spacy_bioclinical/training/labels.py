"""The reader `spacy-bioclinical.CorpusLabels.v1`: all labels of a corpus, for components of a streamed training.

With [training] max_epochs = -1 spaCy shows the components 100 examples to initialize from; a label that is rarer would
be unknown to the model. Given as [initialize.components.NAME.labels] this reader goes through the whole corpus instead.
"""

from collections.abc import Callable, Iterable

from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_bioclinical.errors import Errors
from spacy_bioclinical.training.shards import iter_docs

KINDS: dict[str, Callable[[Doc], Iterable[str]]] = {
    "ents": lambda doc: {ent.label_ for ent in doc.ents},
    "cats": lambda doc: doc.cats,
    "spans": lambda doc: {span.label_ for group in doc.spans.values() for span in group},
}


def build_corpus_labels_v1(*, path: str, kind: str) -> list[str]:
    """List the labels of a corpus.

    path (str): a .spacy file or a folder of shards; it is read once, one shard in memory at a time.
    kind (str): "ents" for ner and bioclinical_ner, "cats" for textcat, "spans" for spancat.
    RETURNS (list[str]): sorted.
    RAISES (ValueError): BC102 for another kind; BC450 to BC452 if the corpus cannot be read; BC455 if it has none.
    """
    if kind not in KINDS:
        raise ValueError(Errors.BC102.format(what="kind of label", given=kind, known=", ".join(KINDS)))
    labels: set[str] = set()
    for doc in tqdm(iter_docs(path, Vocab()), desc="labels", unit="doc", disable=None, leave=False):
        labels.update(KINDS[kind](doc))
    if not labels:
        raise ValueError(Errors.BC455.format(path=path, kind=kind))
    return sorted(label for label in labels if label)
