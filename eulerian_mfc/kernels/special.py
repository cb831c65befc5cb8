"""Functions of `scipy.special`, which is loaded at their first call: loading it takes longer than the rest of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _lazy_special(name: str) -> Callable[..., Any]:
    def function(*arguments: Any, **options: Any) -> Any:
        from scipy import special

        return vars(special)[name](*arguments, **options)

    return function


expit = _lazy_special("expit")
gammainc, gammaincinv = _lazy_special("gammainc"), _lazy_special("gammaincinv")
ndtr, ndtri, stdtrit = _lazy_special("ndtr"), _lazy_special("ndtri"), _lazy_special("stdtrit")
