"""The cost of a control without a mesh, compared with that on the mesh: a plain record."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..laws import LabelledRule

#: a larger error of the cost, relative to the sum of the sizes of its terms, is reported
TOLD = 1e-2
#: with a larger error, on the same scale, the solution does not count as converged
WRONG = 5e-2


class Look(NamedTuple):
    """The cost of a solution's control without a mesh.

    Attributes
    ----------
    cost : the cost by particles on a rule of the law that is refined for it; NaN if they do not stay finite.
    error : the estimated quadrature error of this cost.
    difference : the cost on the mesh minus this cost.
    scale : the scale of relative errors: the largest of the sum of the sizes of the cost's terms at this control, a thousandth
        of the cost of states that do not move, and 1e-11 of the terms that cancel in the cost on the mesh.
    cause : the source of a difference that is reported: "box", "quadrature" or "cells"; otherwise "". If the cost is NaN because
        a function raised an error, this error.
    rule : the points, if the look was called with a limit of their number; else None.
    finer_mesh : whether the other cost is that on a finer mesh of a larger box, because there is none without a mesh.

    Examples
    --------
    >>> Look(cost=1.0, error=0.0, difference=0.1, scale=1.0, cause="cells").wrong
    True
    """

    cost: float
    error: float
    difference: float
    scale: float
    cause: str = ""
    rule: LabelledRule | None = None
    finer_mesh: bool = False

    @property
    def share(self) -> float:
        """The difference, relative to the scale."""
        return self.difference / self.scale

    @property
    def tolerance(self) -> float:
        """The estimated error of the look itself, relative to the scale."""
        return self.error / self.scale

    @property
    def finite(self) -> bool:
        """Whether the particles stay finite."""
        return bool(np.isfinite(self.cost))

    @property
    def told(self) -> bool:
        """Whether the difference, or its uncertainty, is large enough to be reported."""
        return not self.finite or abs(self.share) + self.tolerance > TOLD

    @property
    def wrong(self) -> bool:
        """Whether the difference is so large that the solution must not count as converged."""
        return not self.finite or abs(self.share) - self.tolerance > WRONG

    @property
    def words(self) -> str:
        """The error of the cost on the mesh, in words, with advice."""
        if not self.finite and self.cause:
            return f"without a mesh the cost of this control cannot be evaluated: {self.cause}"
        if not self.finite:
            return (
                "without a mesh, the states at this control do not stay finite: use a larger penalty, or another field"
            )
        if self.tolerance > abs(self.share):
            return (
                f"the cost could be checked without a mesh only to {self.tolerance:.1%}, since the integrals "
                "of the law are not resolved: declare the jumps of its labels in `breaks`, or use smoother "
                "labels"
            )
        advice = {
            "": "this is small enough",
            "box": "use a larger box: mass that crosses the boundary of the box is moved onto the boundary, or lost",
            "quadrature": "declare the jumps of the labels in `breaks`: the law's integrals on the mesh are not resolved",
            "cells": "use more cells, a scheme of higher order, fewer layers, or a larger penalty",
        }[self.cause]
        where = "on a finer mesh of a larger box" if self.finer_mesh else "without a mesh"
        return (
            f"the cost on the mesh is {self.difference + self.cost:.4g}, {where} the same control costs {self.cost:.4g}: "
            f"{self.share:+.1%} of the sum of the sizes of its terms; {advice}"
        )
