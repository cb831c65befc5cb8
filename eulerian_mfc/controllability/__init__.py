"""Controllability of systems that are linear in the control, `x' = sum_i u_i F_i(x)`: of points, ensembles and maps."""

from .approximation import StrongApproximation as StrongApproximation
from .approximation import strong_approximation_error as strong_approximation_error
from .dynamics import Dynamics as Dynamics
from .families import fold as fold
from .learnt_map import learn_map as learn_map
from .lyndon import bracket_basis as bracket_basis
from .maps import SupError as SupError
from .maps import check_orientation as check_orientation
from .maps import sup_error as sup_error
from .points_to_points import steer as steer
from .rank import BracketRank as BracketRank
from .rank import bracket_rank as bracket_rank
from .steering import Steering as Steering
from .symbolic import bracket as bracket
from .symbolic import fold_expressions as fold_expressions

__all__ = [
    "BracketRank",
    "Dynamics",
    "Steering",
    "StrongApproximation",
    "SupError",
    "bracket",
    "bracket_basis",
    "bracket_rank",
    "check_orientation",
    "fold",
    "fold_expressions",
    "learn_map",
    "steer",
    "strong_approximation_error",
    "sup_error",
]
