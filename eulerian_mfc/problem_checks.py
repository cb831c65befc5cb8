"""Checks of the parts of a problem: their kinds, and the field's values and derivatives at points of the law."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ._validate import fail
from .control.regulariser import Regulariser
from .fields import Field
from .laws import LabelledLaw, Law
from .losses import Loss

#: derivatives are checked at CHECKED_POINTS samples of the law, and at as many points of a box that holds all mass but
#: CHECKED_MASS
CHECKED_POINTS, CHECKED_MASS = 32, 1e-4
#: examples of the first arguments, for messages
EXAMPLES = {
    "field": "fields.NeuralField(1)",
    "law": "laws.Labelled(laws.Gaussian([0.0], 1.0), numpy.sign)",
    "loss": "losses.SquaredLoss()",
}
#: a coordinate counts as constant if it varies by less than this share of its size
CONSTANT = 1e-12
#: derivatives are checked at these pairs (time as a share of the horizon, size of random parameters); for fields that do not
#: depend on time, the first three
CHECKED_AT = ((0.03, 0.1), (0.17, 1.0), (0.29, 10.0), (0.44, 1.0), (0.61, 10.0), (0.78, 1.0), (0.97, 1.0))


def check_kinds(field: object, law: object, loss: object, others: Iterable[object]) -> None:
    """Check the types of field, law and loss.

    Parameters
    ----------
    field, law, loss : the first arguments of a problem.
    others : the arguments that follow.

    Raises
    ------
    ArgumentError
        If one of them has a wrong type, for example because of the order of the arguments.
    """
    given: tuple[tuple[str, object, type], ...] = (
        ("field", field, Field),
        ("law", law, LabelledLaw),
        ("loss", loss, Loss),
    )
    for name, value, kind in given:
        if isinstance(value, kind):
            continue
        expected = f"a {kind.__name__}, such as {EXAMPLES[name]}"
        if name == "law" and isinstance(value, Law):
            expected = "a law with labels: write laws.Labelled(law, label), such as " + EXAMPLES[name]
        elif isinstance(value, type) and issubclass(value, kind):
            expected = f"a {kind.__name__}, not a class: write {value.__name__}(...), such as {EXAMPLES[name]}"
        elif any(isinstance(other, kind) for other in (field, law, loss, *others)):
            expected += "; the order of the arguments is Problem(field, law, loss, penalty, horizon)"
        raise fail(name, value, expected)


def checked_points(law: LabelledLaw, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Points `(n, d)` in the region of the mass, and the lengths `(d,)` of this region.

    Small random shifts avoid special points, such as zero, at which a wrong derivative may happen to be right.

    Parameters
    ----------
    law : the law.
    dim : its dimension d.
    """
    rng = np.random.default_rng(0)
    low, high = law.box(CHECKED_MASS).T
    width = lengths_of(low, high)
    inside = low + rng.uniform(0.01, 0.99, size=(CHECKED_POINTS, dim)) * (high - low)
    x = np.concatenate([law.sample(CHECKED_POINTS, 0)[0], inside])
    return np.asfortranarray(x + 1e-3 * width * rng.normal(size=x.shape)), width


def check_values(field: Field, regulariser: Regulariser, points: np.ndarray) -> None:
    """Check that the field's values are finite and its functions analytic, at points `(n, d)` of the law.

    Parameters
    ----------
    field : the field.
    regulariser : with the bounds of the parameters.
    points : the points.

    Raises
    ------
    ArgumentError, NotAnalyticError
        If they are not.
    """
    rng = np.random.default_rng(0)
    theta = rng.normal(size=field.parameters)
    field.check(points[::2], np.stack([_inside(regulariser, row, rng) for row in (theta, np.abs(theta))]))


def check_derivatives(
    field: Field, regulariser: Regulariser, horizon: float, points: tuple[np.ndarray, np.ndarray]
) -> None:
    """Compare the field's derivatives with differences at points of the law, for several times and parameters.

    Parameters
    ----------
    field : the field.
    regulariser : with the bounds of the parameters.
    horizon : the final time.
    points : points `(n, d)` and the lengths `(d,)` of their region, see `checked_points`.

    Raises
    ------
    ArgumentError
        If a derivative is wrong.
    """
    rng = np.random.default_rng(0)
    for share, size in CHECKED_AT[: 3 if field.autonomous else None]:
        theta = _inside(regulariser, size * rng.normal(size=field.parameters), rng)
        field.check_derivatives(0.0 if field.autonomous else share * horizon, theta, *points)


def _inside(regulariser: Regulariser, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parameters `(m,)` within the bounds; parameters with two finite bounds are strictly between them."""
    box = np.stack([regulariser.lower, regulariser.upper])
    between = np.isfinite(box).all(axis=0)
    low, high = np.where(between, box, 0.0)
    inside = low + rng.uniform(0.01, 0.99, len(theta)) * (high - low)
    return np.where(between, inside, regulariser.project(theta))


def lengths_of(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The lengths `(d,)` of a box, each in its own unit; constant coordinates get the largest of the lengths.

    Parameters
    ----------
    low, high : `(d,)`, its corners.

    Examples
    --------
    >>> lengths_of(np.array([0.0, 1.0]), np.array([3.0, 1.0])).tolist()
    [3.0, 3.0]
    """
    lengths = high - low
    varying = lengths > CONSTANT * np.maximum(np.abs(low), np.abs(high))
    return np.where(varying, lengths, lengths.max() or 1.0)
