"""What a control costs without a mesh, beside what it costs on one: a plain record."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..laws import LabelledRule

#: error of the cost, as a share of the sum of the sizes of its terms, above which it is told
TOLD = 1e-2
#: the same, above which the answer is not called converged
WRONG = 5e-2


class Look(NamedTuple):
    """What the control of a solution costs without a mesh.

    Attributes
    ----------
    cost : of the control, by particles on a rule of the law that is refined for it; NaN where they do not stay finite.
    error : the estimated error of that, by the rule.
    difference : the cost on the mesh minus this one.
    scale : what errors are relative to: the sum of the sizes of the cost's terms at this control; or a thousandth of the cost
        of states that do not move, or 1e-11 of the terms that cancel in the cost on the mesh, where these are larger.
    cause : where the difference is to be told: "box", "quadrature" or "cells"; else "". Where there is no cost: what failed.
    rule : the points, where they were asked for by a limit of their number.

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

    @property
    def share(self) -> float:
        """The difference, relative to the scale."""
        return self.difference / self.scale

    @property
    def tolerance(self) -> float:
        """The look's own error, relative to the scale."""
        return self.error / self.scale

    @property
    def finite(self) -> bool:
        """Whether the particles stay finite."""
        return bool(np.isfinite(self.cost))

    @property
    def told(self) -> bool:
        """Whether the difference, or what is not known of it, is large enough to be told."""
        return not self.finite or abs(self.share) + self.tolerance > TOLD

    @property
    def wrong(self) -> bool:
        """Whether the answer is not to be called converged."""
        return not self.finite or abs(self.share) - self.tolerance > WRONG

    @property
    def words(self) -> str:
        """By how much the cost on the mesh is off, and what to do."""
        if not self.finite and self.cause:
            return f"without a mesh the cost of this control cannot be evaluated: {self.cause}"
        if not self.finite:
            return "without a mesh, states at this control do not stay finite: use a larger penalty, or another field"
        if self.tolerance > abs(self.share):
            return (
                f"the cost could be checked without a mesh to {self.tolerance:.1%} only, since the law's integrals are not "
                "resolved there: declare the jumps of its labels in `breaks`, or use a smoother label"
            )
        advice = {
            "box": "use a larger box: mass beyond its boundary is moved onto it, or lost",
            "quadrature": "declare the jumps of the labels in `breaks`: the law's integrals on the mesh are not resolved",
            "cells": "use more cells, a scheme of higher order, fewer layers, or a larger penalty",
        }[self.cause]
        return (
            f"the cost on the mesh is {self.difference + self.cost:.4g}, without a mesh the same control costs {self.cost:.4g}: "
            f"{self.share:+.1%} of the sum of the sizes of its terms; {advice}"
        )
