"""Functions of `scipy.special`, which is loaded at their first call: loading it takes longer than the rest of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _later(name: str) -> Callable[..., Any]:
    def function(*arguments: Any, **options: Any) -> Any:
        from scipy import special

        return getattr(special, name)(*arguments, **options)

    return function


expit = _later("expit")
gammainc, gammaincinv = _later("gammainc"), _later("gammaincinv")
ndtr, ndtri, stdtrit = _later("ndtr"), _later("ndtri"), _later("stdtrit")
