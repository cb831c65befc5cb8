"""The law on a mesh: masses at time 0, the constant part of the cost, and checks that the mesh can represent both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from .._validate import mismatch
from ..errors import DomainError, NonFiniteError
from ..laws import LabelledRule, ProductRule
from ..losses import Separable
from ..meshes import Mesh
from ..problem import Problem
from .pairs import Pair

#: share of the law's mass that may lie outside the mesh
MASS_TOLERANCE = 1e-8
#: largest allowed value of a loss on the mesh
LARGEST_VALUE = 1e100


class Initial(NamedTuple):
    """The law on a mesh.

    Attributes
    ----------
    masses : `(R, *mass_shape)`, at time 0.
    offset : the constant part of the terminal cost, E[c_0(Y)].
    running_offset : the constant part of the running loss; 0 without a running loss.
    """

    masses: np.ndarray
    offset: float
    running_offset: float


def initial_of(problem: Problem, pair: Pair) -> Initial:
    """The representation of the law on the mesh of a pair.

    Parameters
    ----------
    problem : the control problem.
    pair : the schemes.

    Raises
    ------
    DomainError
        If more than `MASS_TOLERANCE` of the law lies outside the mesh.
    NonFiniteError
        If a loss is not finite at the law's labels or on the mesh.
    ArgumentError
        If a loss is too large there.
    """
    separable, running, mesh = problem.separable, problem.separable_running, pair.mesh
    masses = np.zeros((len(separable.names), *mesh.mass_shape))
    offset = outside = running_offset = 0.0
    for rule in problem.law.pieces(pair.lines, products=pair.continuity.products):
        outside += outside_of(mesh, rule)
        if outside > MASS_TOLERANCE:
            continue
        _check_sizes(problem, "at the law's labels", partial(_at_labels, rule.y))
        offset += float(rule.w @ separable.offset(rule.y))
        masses += pair.initial(rule, separable.moments(rule.y))
        if running is not None:
            running_offset += float(rule.w @ running.offset(rule.y))
    if outside > MASS_TOLERANCE:
        raise _not_held(problem, mesh, outside)
    _check_sizes(problem, "on the mesh", lambda form: (form.terminal(mesh.centres),))
    return Initial(masses, offset, running_offset)


def outside_of(mesh: Mesh, rule: LabelledRule | ProductRule) -> float:
    """The weight of a rule's points that lie outside the mesh.

    Parameters
    ----------
    mesh : the mesh.
    rule : the rule of a law.
    """
    if isinstance(rule, LabelledRule):
        return float(rule.w[~mesh.contains(rule.x)].sum())
    shares = [w[(low <= x) & (x <= high)].sum() for (x, w), (low, high) in zip(rule.axes, mesh.bounds, strict=True)]
    return float(rule.w[0] * (1.0 - np.prod(shares)))


def _not_held(problem: Problem, mesh: Mesh, outside: float) -> DomainError:
    where = f"box {mesh.bounds}" if mesh.kind == "cartesian" else f"mesh ({mesh.title})"
    needed = ", ".join(f"[{a:.4g}, {b:.4g}]" for a, b in problem.law.box(MASS_TOLERANCE))
    return DomainError(
        f"mesh: {outside:.2e} of the law's mass lies outside the {where}, expected at most "
        f"{MASS_TOLERANCE:g}: the law at time zero alone needs {needed}, and the flow moves it by up to T "
        "sup|F|; use a larger mesh, for example from CartesianMesh.covering"
    )


def _at_labels(y: np.ndarray, form: Separable) -> tuple[np.ndarray, ...]:
    return form.offset(y), form.moments(y)


def _check_sizes(problem: Problem, where: str, values_of: Callable[[Separable], tuple[np.ndarray, ...]]) -> None:
    """Raise an error unless the values of the losses are finite and small enough: solvers square them."""
    for name, form in (("loss", problem.separable), ("running", problem.separable_running)):
        if form is None or form.training is not None:  # without its trained read-out, the loss has no values yet
            continue
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            values = values_of(form)
        if not all(np.isfinite(v).all() for v in values):
            raise NonFiniteError(f"the {name} is not finite {where}")
        largest = max(float(np.abs(v).max(initial=0.0)) for v in values)
        if largest > LARGEST_VALUE:
            raise mismatch(name, f"values of size {largest:.1e} {where}", f"at most {LARGEST_VALUE:g}: use other units")
