"""Texts for numbers that must be told apart: in names, legends, headings and tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np


def apart(values: Iterable[float], digits: int = 6) -> list[str]:
    """Each number with at least so many significant digits, and with as many as it takes for different numbers to differ."""
    return _apart([(float(v),) for v in values], digits)


def label_texts(labels: np.ndarray) -> list[str]:
    """`(K, q)` labels as K texts such as `0.5,1`: labels that differ have texts that differ."""
    return _apart([tuple(row) for row in np.asarray(labels, dtype=np.float64).tolist()], 6)


def _apart(rows: list[tuple[float, ...]], digits: int) -> list[str]:
    exact = [",".join(map(repr, row)) for row in rows]
    for count in range(digits, 17):
        texts = [",".join(f"{v:.{count}g}" for v in row) for row in rows]
        if len(set(texts)) == len(set(exact)):
            return texts
    return exact


def numbered(texts: Sequence[str], things: Sequence[Hashable]) -> list[str]:
    """The texts of things, with a number behind those that things share which are not the same."""
    sharers: dict[str, list[Hashable]] = {}
    for text, thing in zip(texts, things, strict=True):
        known = sharers.setdefault(text, [])
        if thing not in known:
            known.append(thing)
    return [
        text if len(sharers[text]) == 1 else f"{text} #{sharers[text].index(thing) + 1}"
        for text, thing in zip(texts, things, strict=True)
    ]
