"""What a machine that only remembers would score: look-up of mention strings, and naive Bayes over words.

Used by test_synthetic_standins_difficulty.py; these stand for "no understanding at all".
"""

from collections import Counter

import numpy as np


def entity_f1(train, test):
    """Mention strings of train → their most frequent label, applied to test longest first; exact match.

    train, test (list): (text, [(start, end, label), …]) of each document. Of mentions that share their place
        only the first is asked for.
    """
    seen = {}
    for text, spans in train:
        for start, end, label in spans:
            seen.setdefault(_words(text[start:end]), Counter())[label] += 1
    known = {words: counts.most_common(1)[0][0] for words, counts in seen.items() if words}
    longest = max(map(len, known))
    found = right = wanted = 0
    for text, spans in test:
        gold = {}
        for start, end, label in spans:
            gold.setdefault((start, end), label)
        wanted += len(gold)
        tokens = _tokens(text)
        index = 0
        while index < len(tokens):
            for length in range(min(longest, len(tokens) - index), 0, -1):
                taken = tokens[index : index + length]
                label = known.get(tuple(word for word, _, _ in taken))
                if label:
                    found += 1
                    right += gold.get((taken[0][1], taken[-1][2])) == label
                    index += length
                    break
            else:
                index += 1
    return 2 * right / max(1, found + wanted)


def bayes_f1(train, test):
    """Micro F1 of a naive Bayes classifier for each label over the words of a document.

    train, test (list): (text, {label: 0.0 or 1.0}) of each document.
    """
    vocabulary = {word: i for i, word in enumerate(sorted({w for text, _ in train for w in _words(text)}))}
    labels = list(train[0][1])

    def matrix(rows):
        counts = np.zeros((len(rows), len(vocabulary)), dtype=np.float32)
        for row, (text, _) in enumerate(rows):
            for word in set(_words(text)):
                if word in vocabulary:
                    counts[row, vocabulary[word]] = 1
        return counts

    x, y = matrix(train), matrix(test)
    right = wrong = missed = 0
    for label in labels:
        gold = np.array([cats[label] for _, cats in train]) > 0
        asked = np.array([cats[label] for _, cats in test]) > 0
        on, off = ((x[rows].sum(0) + 0.1) / (rows.sum() + 0.2) for rows in (gold, ~gold))
        weights = np.log(on / off) - np.log((1 - on) / (1 - off))
        bias = np.log((1 - on) / (1 - off)).sum() + np.log(gold.mean() / (1 - gold.mean()))
        said = y @ weights + bias > 0
        right += (said & asked).sum()
        wrong += (said & ~asked).sum()
        missed += (~said & asked).sum()
    return 2 * right / (2 * right + wrong + missed)


def bayes_weighted_f1(train, test):
    """Weighted F1 where each document has one label: the most probable one is taken."""
    labels = sorted({label for _, label in train})
    vocabulary = {word: i for i, word in enumerate(sorted({w for text, _ in train for w in _words(text)}))}

    def matrix(rows):
        counts = np.zeros((len(rows), len(vocabulary)), dtype=np.float32)
        for row, (text, _) in enumerate(rows):
            for word in _words(text):
                if word in vocabulary:
                    counts[row, vocabulary[word]] += 1
        return counts

    x, gold = matrix(train), np.array([labels.index(label) for _, label in train])
    sums = np.stack([x[gold == k].sum(0) + 0.3 for k in range(len(labels))])
    logs = np.log(sums / sums.sum(1, keepdims=True)).T
    prior = np.log(np.bincount(gold, minlength=len(labels)) / len(gold))
    said = (matrix(test) @ logs + prior).argmax(1)
    asked = np.array([labels.index(label) for _, label in test])
    score = 0.0
    for k in range(len(labels)):
        both = ((said == k) & (asked == k)).sum()
        total = (said == k).sum() + (asked == k).sum()
        score += (asked == k).mean() * (2 * both / total if total else 0.0)
    return float(score)


def _tokens(text):
    tokens, start = [], None
    for i, character in enumerate(text + " "):
        if character.isalnum():
            start = i if start is None else start
            continue
        if start is not None:
            tokens.append((text[start:i].lower(), start, i))
            start = None
        if not character.isspace():
            tokens.append((character, i, i + 1))
    return tokens


def _words(text):
    return tuple(word for word, _, _ in _tokens(text))
