"""Derivatives of users' functions, compared with central differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from .._validate import mismatch, own
from ..errors import ArgumentError, NotAnalyticError
from .complex_step import COMPLEX_STEP, not_analytic

#: a function of points `(n, m)` whose values are `(n, d)`
Function = Callable[[np.ndarray], np.ndarray]

#: steps of the differences, relative to the scale of an argument; the first one is enough at nearly every point
STEPS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-3, 1e-2)
#: how far a derivative may be from a difference, relative to the larger of the two
AGREEMENT = 1e-4
#: the same near zeros of a derivative: relative to its largest value; and to the function's largest value over the scale
NEAR_ZERO, OF_VALUE = 1e-5, 2e-8
#: round-off of a function's value, in units of the last place
LAST_PLACES = 16.0
#: largest round-off of a difference, relative to the derivative, with which the difference is still used
RESOLVED = 1e-2
#: derivatives below this size are lost in the complex step
SMALLEST = np.finfo(float).tiny / COMPLEX_STEP
#: share of the points that may lie next to kinks
FEW = 0.1
#: change of an argument, relative to its scale, that double precision resolves and single precision does not
FINE = 1e-9

#: advice in the error for a function that is not analytic
PASS_THEM = "pass its derivatives"


def check_derivative(
    name: str,
    function: Function,
    jacobian: np.ndarray | Callable[[], np.ndarray],
    x: np.ndarray,
    given: bool,
    scale: np.ndarray | None = None,
    where: str = "",
    components: int | None = None,
) -> None:
    """Compare derivatives of a user's function with central differences.

    A point passes if the difference of any of several steps agrees, relative to the derivative there. A stiff function needs
    short steps, and a function of large values needs long ones. Next to a kink of a function that is analytic on both sides,
    only steps that do not reach the kink are meaningful.

    Parameters
    ----------
    name : name of the user's argument, for messages.
    function : points `(n, m)` -> values `(n, d)`.
    jacobian : `(n, d, m)`, or a function without arguments that computes it.
    x : the points `(n, m)`; they should not be special ones, such as zero.
    given : whether the user passed the derivative: the error is then an ArgumentError, otherwise a NotAnalyticError.
    scale : `(m,)`, lengths over which the function may vary; by default the size of the points.
    where : the function's other arguments, for messages.
    components : the d values repeat after this many components, which may have different units; by default d.
    """
    if not len(x):
        return
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # A function that casts complex numbers to real ones is not analytic; the checks below report it.
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        value = np.asarray(function(own(x)))
        jacobian = np.asarray(jacobian() if callable(jacobian) else jacobian)
        expected = (*value.shape, x.shape[1])
        if jacobian.shape != expected:
            raise mismatch(name, f"a derivative of shape {jacobian.shape}", f"the shape {expected}")
        if value.dtype in (np.float32, np.float16):
            raise _too_coarse(name, f"its values are {value.dtype} numbers", given)
        size = np.abs(x).max(axis=0) if scale is None else np.asarray(scale)
        size = np.where(size > 0, size, 1.0)
        # Points at which the function or its derivative is not finite are left out.
        finite = np.isfinite(value).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
        kept, slope, value = x[finite], jacobian[finite], value[finite]
        for k in range(x.shape[1] if len(kept) else 0):
            length = float(size[k])
            gap, difference = _disagreement(function, slope[:, :, k], kept, value, k, length, components)
            bad = (gap > 0).any(axis=1)
            known = np.where(gap > 0, difference, slope[:, :, k])
            judged = bad if bad.any() else ~bad
            if _coarse(function, known[judged], kept[judged], value[judged], k, length):
                raise _too_coarse(name, "a small change of its argument does not change the value", given)
            if bad.any():
                at = np.unravel_index(int(gap.argmax()), gap.shape)
                told = (
                    f"{slope[*at, k]:.6g} where the finite difference is {difference[at]:.6g}, at x = "
                    f"{kept[at[0]].tolist()}{where}"
                )
                raise _differs(name, k, float(gap[at]), told, given)


def _disagreement(
    function: Function,
    slope: np.ndarray,
    x: np.ndarray,
    value: np.ndarray,
    k: int,
    scale: float,
    components: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """`(n, d)` each: distance of derivatives in argument k to the nearest difference (0 if they agree), and that difference."""
    passed, still = np.zeros(slope.shape, dtype=bool), np.zeros(slope.shape, dtype=bool)
    least, nearest = np.full(slope.shape, np.inf), np.full(slope.shape, np.nan)
    count = components or slope.shape[1]
    largest = (np.abs(a).reshape(-1, count).max(axis=0) for a in (slope, value))
    floor = NEAR_ZERO * next(largest) + OF_VALUE * next(largest) / scale + SMALLEST
    floor = np.tile(floor, slope.shape[1] // count)
    for length in STEPS:
        rows = np.flatnonzero(~passed.all(axis=1))
        if not len(rows):
            break
        shift = np.zeros(x.shape[1])
        shift[k] = length * scale
        ends = [np.asarray(function(own(x[rows] + c * shift)), dtype=np.float64) for c in (1.0, -1.0, 2.0, -2.0)]
        width = (x[rows] + shift - (x[rows] - shift))[:, k, None]  # as floating point has it
        difference, here = (8.0 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (6.0 * width), slope[rows]
        largest, gap = np.maximum(np.abs(here), np.abs(difference)), np.abs(difference - here)
        sizes = np.abs(ends).max(axis=0) + largest * np.abs(x[rows, k, None])
        noise = LAST_PLACES * np.finfo(float).eps * sizes / width
        tells = np.isfinite(difference) & (noise <= RESOLVED * largest)
        equal = (difference == 0.0) & (here == 0.0) & (length < STEPS[0])
        still[rows] |= equal
        passed[rows] |= (gap <= np.where(tells, AGREEMENT * largest + noise, 0.0) + floor) & ~equal
        nearer = tells & (gap < least[rows])
        least[rows] = np.where(nearer, gap, least[rows])
        nearest[rows] = np.where(nearer, difference, nearest[rows])
    # Equal values at short steps: at few points if there is a kink, at many points if the function rounds.
    passed |= still & (still.mean() <= FEW)
    # Derivatives that no step resolves, because of round-off, count as correct.
    return np.where(passed | np.isinf(least), 0.0, least), nearest


def _coarse(function: Function, slope: np.ndarray, x: np.ndarray, value: np.ndarray, k: int, scale: float) -> bool:
    """Whether most of the values `(n, d)` ignore a change of argument k that double precision resolves."""
    shift = np.zeros(x.shape[1])
    shift[k] = FINE * scale
    ulps = LAST_PLACES * np.finfo(float).eps
    # Relative to the largest value: a small value may be the difference of two large ones.
    seen = (np.abs(slope) * shift[k] > ulps * np.abs(value).max(axis=0)) & (shift[k] > ulps * np.abs(x[:, k, None]))
    return bool(seen.any()) and bool((np.asarray(function(own(x + shift))) == value)[seen].mean() > 0.5)


def _differs(name: str, k: int, gap: float, told: str, given: bool) -> ArgumentError | NotAnalyticError:
    if given:
        return mismatch(
            name,
            f"a derivative that differs from a finite difference by {gap:.1e} (argument {k}: {told})",
            "the derivative of the function",
        )
    return not_analytic(name, f"derivative {k} differs from a finite difference by {gap:.1e} ({told})")


def _too_coarse(name: str, reason: str, given: bool) -> ArgumentError | NotAnalyticError:
    """The exception for a function that does not compute in double precision."""
    told = f"{reason}: the function computes in single precision, or it rounds"
    advice = (
        "Compute in double precision throughout (float64, and complex128 for complex arguments), without "
        "astype(float32), float32 tables, float32 networks or rounding"
    )
    if given:
        return ArgumentError(
            f"{name}: got a function that is not accurate enough for its derivative: {told}. {advice}."
        )
    return NotAnalyticError(
        f"{name} cannot be differentiated to the accuracy that solvers need, since {told}. {advice}."
    )
