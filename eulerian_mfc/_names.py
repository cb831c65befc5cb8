"""Texts for numbers that must be distinguished, in names, legends, headings and tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np


def apart(values: Iterable[float], digits: int = 6) -> list[str]:
    """Each number with at least `digits` significant digits, and with more if different numbers would have the same text."""
    return _apart([(float(v),) for v in values], digits)


def label_texts(labels: np.ndarray) -> list[str]:
    """K texts such as `0.5,1` for labels `(K, q)`; different labels have different texts."""
    return _apart([tuple(row) for row in np.asarray(labels, dtype=np.float64).tolist()], 6)


def _apart(rows: list[tuple[float, ...]], digits: int) -> list[str]:
    exact = [",".join(map(repr, row)) for row in rows]
    for count in range(digits, 17):
        texts = [",".join(f"{v:.{count}g}" for v in row) for row in rows]
        if len(set(texts)) == len(set(exact)):
            return texts
    return exact


def numbered(texts: Sequence[str], things: Sequence[Hashable]) -> list[str]:
    """The texts of things; if different things have the same text, a number is appended to each of these texts."""
    sharers: dict[str, list[Hashable]] = {}
    for text, thing in zip(texts, things, strict=True):
        known = sharers.setdefault(text, [])
        if thing not in known:
            known.append(thing)
    return [
        text if len(sharers[text]) == 1 else f"{text} #{sharers[text].index(thing) + 1}"
        for text, thing in zip(texts, things, strict=True)
    ]
