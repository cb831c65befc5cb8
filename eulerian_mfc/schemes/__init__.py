"""Contracts of schemes: the properties that a scheme declares, the methods of its operator, and its transpose."""

from .adjoint import adjoint_of as adjoint_of
from .continuity import ContinuityOperator as ContinuityOperator
from .continuity import ContinuityScheme as ContinuityScheme
from .declared import Boundary as Boundary
from .declared import Scheme as Scheme
from .interpolant import Interpolant as Interpolant
from .interpolant import TangentInterpolant as TangentInterpolant
from .measure import Measure as Measure
from .operators import AdjointOperator as AdjointOperator
from .operators import TangentOperator as TangentOperator
from .operators import TransportOperator as TransportOperator
from .operators import TransposableOperator as TransposableOperator
from .pairing import Pairing as Pairing
from .transport import TransportScheme as TransportScheme

__all__ = [
    "AdjointOperator",
    "Boundary",
    "ContinuityOperator",
    "ContinuityScheme",
    "Interpolant",
    "Measure",
    "Pairing",
    "Scheme",
    "TangentInterpolant",
    "TangentOperator",
    "TransportOperator",
    "TransportScheme",
    "TransposableOperator",
    "adjoint_of",
]
