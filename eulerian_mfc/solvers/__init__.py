"""Solvers of the discrete optimality system: one file a method, each sees only the system."""

from .base import Iteration as Iteration
from .base import Outcome as Outcome
from .base import Solver as Solver
from .lbfgs import LBFGS as LBFGS
from .shooting import Shooting as Shooting

REGISTRY = {"lbfgs": LBFGS, "shooting": Shooting}

__all__ = ["LBFGS", "REGISTRY", "Iteration", "Outcome", "Shooting", "Solver"]
