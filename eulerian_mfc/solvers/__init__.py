"""Solvers of the discrete optimality system: one file a method, each sees only the system."""

from typing import Any

from .base import Iteration as Iteration
from .base import Outcome as Outcome
from .base import Solver as Solver
from .direct import Direct as Direct
from .gradient_flow import GradientFlow as GradientFlow
from .lbfgs import LBFGS as LBFGS
from .newton_cg import NewtonCG as NewtonCG
from .newton_krylov import NewtonKrylov as NewtonKrylov
from .proximal_gradient import ProximalGradient as ProximalGradient
from .shooting import Shooting as Shooting
from .successive_approximations import SuccessiveApproximations as SuccessiveApproximations

REGISTRY = {
    "lbfgs": LBFGS,
    "shooting": Shooting,
    "gradient_flow": GradientFlow,
    "successive_approximations": SuccessiveApproximations,
    "newton_cg": NewtonCG,
    "newton_krylov": NewtonKrylov,
    "direct": Direct,
    "proximal_gradient": ProximalGradient,
}

__all__ = [
    "LBFGS",
    "REGISTRY",
    "Direct",
    "GradientFlow",
    "Iteration",
    "NewtonCG",
    "NewtonKrylov",
    "Outcome",
    "ProximalGradient",
    "Shooting",
    "Solver",
    "SuccessiveApproximations",
]


def minimiser(problem: Any) -> Solver:
    """The method for the discrete cost of a problem on an adjoint pair: LBFGS, where the L1 norm is in it ProximalGradient."""
    return ProximalGradient() if problem.sparse else LBFGS()
