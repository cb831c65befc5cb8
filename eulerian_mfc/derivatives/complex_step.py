"""Derivatives of analytic functions by the complex step: exact to round-off, and no step size has to be chosen.

Reference: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions,
SIAM Review 40 (1998), 110-112, doi:10.1137/S003614459631241X.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import NotAnalyticError

COMPLEX_STEP = 1e-100
#: advice in the error for a function that is not analytic
PASS_THEM = "pass its derivatives"


def complex_step_jacobian(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, name: str) -> np.ndarray:
    """`(n, d, d)` derivatives `J[j, i, k] = dF_i/dx_k` at `(n, d)` points by the complex step."""
    n, d = x.shape
    out = np.empty((n, d, d))
    for k in range(d):
        z = x.astype(np.complex128)
        z[:, k] += 1j * COMPLEX_STEP
        out[:, :, k] = complex_value(function, z, name).imag / COMPLEX_STEP
    return out


def complex_value(function: Callable[[np.ndarray], np.ndarray], argument: np.ndarray, name: str) -> np.ndarray:
    """`function(argument)` at a complex argument; functions that refuse complex numbers are not analytic."""
    try:
        return np.asarray(function(argument), dtype=np.complex128)
    except TypeError as error:
        raise not_analytic(name, f"it refuses complex arguments ({error})") from None


def not_analytic(name: str, reason: str) -> NotAnalyticError:
    return NotAnalyticError(
        f"{name} cannot be differentiated by the complex step: {reason}. Write it with analytic NumPy functions "
        f"(no abs, conjugate, real part or sign of its arguments), or {PASS_THEM}."
    )


@contextmanager
def passed_as(form: str) -> Iterator[None]:
    """A context: errors about functions without a complex-step derivative say how to pass the derivative.

    Parameters
    ----------
    form : the code that a user should write, such as `CustomField(..., state_jacobian=...)`.
    """
    try:
        yield
    except NotAnalyticError as error:
        raise NotAnalyticError(str(error).replace(f"{PASS_THEM}.", f"{PASS_THEM}: {form}.")) from None
