"""Whether the layers resolve a control in time: jumps at their ends, bounds that become active within them."""

from __future__ import annotations

import numpy as np

from ..control.curves import Curves

#: a control whose jumps exceed this share of its range is not resolved in time: a smooth control of degree k has jumps of
#: order k + 1 in the layers
ROUGH = 0.1
#: controls that are constant on layers always jump: they are not resolved if second differences exceed this share of the range
ROUGH_CONSTANT = 0.5
#: controls of degree 1 and above are not resolved if the residual in continuous time exceeds this share of the penalty's term
ROUGH_RESIDUAL = 0.02
#: a parameter whose range is below this share of its size, or whose size is below this share of the largest, is not looked at
FLAT, TINY = 1e-6, 1e-2
#: a coefficient this close to a bound, relative to its size, is on it
ON_BOUND = 1e-9
#: fewer layers of constant controls do not show it
FEWEST = 5


def largest_jump(curves: Curves, control: np.ndarray) -> float:
    """The largest jump of a parameter at an end of a layer, relative to its range over time.

    For a control that is constant on layers, it is the largest second difference of neighbouring layers instead.

    Parameters
    ----------
    curves : the functions of time.
    control : the coefficients.

    Examples
    --------
    >>> linear = Curves(1.0, 2, degree=1, kind="bernstein")
    >>> [largest_jump(linear, np.array([[[0.0], [1.0]], [[second], [2.0]]])) for second in (1.0, 0.5)]
    [0.0, 0.25]
    """
    if curves.degree == 0:
        if len(control) < FEWEST:
            return 0.0
        values, jumps = control, np.abs(np.diff(control, n=2, axis=0))
    else:
        jumps, values = jumps_and_values(curves, control)
    reach = np.ptp(values, axis=0)
    # A parameter that hardly moves, or is small beside the others, has round-off or errors of the mesh for a range.
    sizes = np.abs(values).max(axis=0)
    moves = (reach > FLAT * sizes) & (sizes > TINY * sizes.max())
    reach = np.where(moves, reach, np.inf)
    return float((jumps / reach).max(initial=0.0))


def jumps_and_values(curves: Curves, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(layers - 1, m)`, the moduli of the jumps at inner ends of layers, and `(n, m)`, values from which ranges are taken.

    Parameters
    ----------
    curves : the functions of time, of degree 1 or more.
    control : the coefficients.

    Examples
    --------
    >>> jumps, values = jumps_and_values(Curves(1.0, 2, 1, "bernstein"), np.array([[[0.0], [1.0]], [[3.0], [2.0]]]))
    >>> jumps.tolist(), float(np.ptp(values))
    ([[2.0]], 3.0)
    """
    starts, stops = np.einsum("ek,lkm->elm", curves.basis.whole(np.array([0.0, 1.0])), control)
    inside = curves.basis.whole(np.linspace(0.0, 1.0, curves.degree + 2))
    values = np.einsum("sk,lkm->lsm", inside, control).reshape(-1, control.shape[-1])
    return np.abs(starts[1:] - stops[:-1]), values


def unresolved_in_time(curves: Curves, control: np.ndarray, share: float = 0.0) -> str | None:
    """A sentence if the layers do not resolve the control in time; None otherwise.

    Parameters
    ----------
    curves, control : see `largest_jump`.
    share : the residual of the control equation in continuous time at the ends of the layers, relative to the penalty's term.

    Examples
    --------
    >>> unresolved_in_time(Curves(1.0, 9), np.linspace(0.0, 1.0, 9)[:, None]) is None
    True
    >>> unresolved_in_time(Curves(1.0, 9), np.array([[0.0], [1.0]] * 4 + [[0.0]]))
    'The control changes from layer to layer by up to 200 % of its range: the layers do not resolve the control in time. ...'
    """
    jump = largest_jump(curves, control)
    if jump > (ROUGH if curves.degree else ROUGH_CONSTANT):
        what = "jumps at the ends of layers" if curves.degree else "changes from layer to layer"
        found = f"The control {what} by up to {100 * jump:.0f} % of its range"
    elif curves.degree and share > ROUGH_RESIDUAL:
        found = f"At the ends of layers, the control equation of continuous time holds up to {100 * share:.0f} % of its terms"
    else:
        return None
    return (
        f"{found}: the layers do not resolve the control in time. If this stays so with more layers, the optimal control is not "
        "smooth (active bounds or chattering), and the cost converges with a low order, whatever the degree."
    )


def bound_within_a_layer(curves: Curves, control: np.ndarray, bounds: np.ndarray, names: tuple[str, ...]) -> str | None:
    """A sentence if a bound becomes active within a layer: some coefficients of a layer are on it and others are not.

    Parameters
    ----------
    curves, control : see `largest_jump`.
    bounds : `(2, m)` lower and upper bounds, or `(2, *control.shape)` those of the coefficients.
    names : the names of the m parameters.

    Examples
    --------
    >>> curves, bounds = Curves(1.0, 1, degree=1, kind="bernstein"), np.array([[0.0], [1.0]])
    >>> bound_within_a_layer(curves, np.array([[[0.0], [1.0]]]), bounds, ("u",))[:45]
    'A bound of u becomes active within a layer: t'
    >>> bound_within_a_layer(curves, np.array([[[1.0], [1.0]]]), bounds, ("u",)) is None
    True
    """
    if curves.degree == 0:
        return None
    near = ON_BOUND * (np.abs(control).max() + np.abs(np.where(np.isfinite(bounds), bounds, 0.0)))
    for low_or_high, close in zip(bounds, near, strict=True):
        held = np.abs(control - np.where(np.isfinite(low_or_high), low_or_high, np.inf)) <= close
        mixed = (held.any(axis=1) & ~held.all(axis=1)).any(axis=0)
        if mixed.any():
            which = ", ".join(name for name, inside in zip(names, mixed, strict=True) if inside)
            return (
                f"A bound of {which} becomes active within a layer: there the optimal control has a kink, and the cost converges "
                "with order 3 at most, whatever the degree. Let a layer end where the bound becomes active, or use more "
                "layers."
            )
    return None


def penalty_term(curves: Curves, control: np.ndarray, penalty_cost: float) -> float:
    """The size of `lambda theta`, from the cost of the penalty: `2 cost max |theta| / int |theta|^2 dt`; 0 for the control zero.

    Parameters
    ----------
    curves, control : see `largest_jump`.
    penalty_cost : `1/2 int lambda |theta|^2 dt`.
    """
    times, weights = curves.quadrature(curves.degree + 1)
    values = curves.values(control, times)
    square = float(weights @ (values**2).sum(axis=1))
    return 2.0 * penalty_cost * float(np.abs(values).max()) / square if square else 0.0
