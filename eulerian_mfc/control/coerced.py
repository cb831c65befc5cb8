"""Controls from what users pass: a number, values, coefficients, or a function of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, mismatch, own
from ..flow.polynomials import gauss
from .space import ControlSpace

#: a function of time: the parameters `(m,)` at one time, or `(n, m)` at times `(n,)`
Curve: TypeAlias = Callable[..., ArrayLike]
#: what is accepted as a control
ControlLike: TypeAlias = ArrayLike | Curve

#: a function of time is projected by Gauss's rule with this many points per layer more than the degree
MORE_POINTS = 8


def coerced(space: ControlSpace, value: ControlLike, name: str = "control") -> np.ndarray:
    """The coefficients of a control, of the space's shape.

    Parameters
    ----------
    space : the space of controls.
    value : a number, values `(m,)` at all times, values `(layers, m)` per layer, coefficients `(layers, degree + 1, m)` in the
        basis of the space, or a function of time. A function takes a time and returns `(m,)`, or takes times `(n,)` and returns
        `(n, m)`; its L2 projection is returned, so that it does not depend on the basis. Bounds are not applied.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If the shape is wrong, a value is not finite, or the function does not return one row per time.

    Examples
    --------
    >>> from eulerian_mfc.control.regulariser import Regulariser
    >>> from eulerian_mfc.control.spaces import control_space
    >>> bounded = control_space(Regulariser.of(1.0, 0.0, (-2.0, 2.0), parameters=1), horizon=1.0, layers=1, degree=1)
    >>> coerced(bounded, lambda t: [1.0 + t]).round(12).tolist()  # in the basis of Bernstein: the values at the layer's ends
    [[[1.0], [2.0]]]
    """
    if callable(value):
        return _projected(space, value, name)
    return space.coerce(value, name)


def _projected(space: ControlSpace, function: Curve, name: str) -> np.ndarray:
    """The L2 projection of a function of time onto the polynomials on every layer."""
    shares, weights = gauss(space.degree + MORE_POINTS)
    times = space.on_layers(shares)
    values = _values(function, times.ravel(), space.parameters, name).reshape(*times.shape, space.parameters)
    return space.fitted(values, shares, weights)


def _values(function: Curve, times: np.ndarray, parameters: int, name: str) -> np.ndarray:
    """`(n, m)`: the function at times `(n,)`, which it takes one by one or all together."""
    expected = f"a function of time that returns shape ({parameters},) for one time, or (n, {parameters}) for n times"
    try:
        rows = [array(f"{name}({t:.6g})", function(t), ndim=(0, 1, 2)) for t in times.tolist()]
    except (TypeError, IndexError):  # functions of arrays may index the times
        try:
            found = array(f"{name}(times)", function(own(times)))
        except (TypeError, IndexError) as error:
            raise mismatch(name, f"a function that raises {type(error).__name__}: {error}", expected) from error
        if found.shape != (len(times), parameters):
            raise mismatch(
                name, f"a function with values of shape {found.shape} at {len(times)} times", expected
            ) from None
        return found
    for row in rows:
        if row.shape not in ((), (parameters,), (1, parameters)):
            raise mismatch(name, f"a function with a value of shape {row.shape} at one time", expected)
    return np.stack([np.broadcast_to(row, (1, parameters))[0] for row in rows])
