"""Solvers of the discrete optimality system: one file per method. A method uses `protocol.DiscreteProblem` and no more."""

from .base import Solver as Solver
from .default import default_solver as default_solver
from .direct import Direct as Direct
from .gradient_flow import GradientFlow as GradientFlow
from .lbfgs import LBFGS as LBFGS
from .newton_cg import NewtonCG as NewtonCG
from .newton_krylov import NewtonKrylov as NewtonKrylov
from .protocol import DiscreteProblem as DiscreteProblem
from .protocol import LayeredProblem as LayeredProblem
from .proximal_gradient import ProximalGradient as ProximalGradient
from .record import Iteration as Iteration
from .record import Outcome as Outcome
from .recorder import Recorder as Recorder
from .shooting import Shooting as Shooting
from .status import CONVERGED as CONVERGED
from .status import Ending as Ending
from .status import Status as Status
from .status import limit_reached as limit_reached
from .status import stalled as stalled
from .successive_approximations import SuccessiveApproximations as SuccessiveApproximations

REGISTRY: dict[str, type[Solver]] = {
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
    "CONVERGED",
    "LBFGS",
    "REGISTRY",
    "Direct",
    "DiscreteProblem",
    "Ending",
    "GradientFlow",
    "Iteration",
    "LayeredProblem",
    "NewtonCG",
    "NewtonKrylov",
    "Outcome",
    "ProximalGradient",
    "Recorder",
    "Shooting",
    "Solver",
    "Status",
    "SuccessiveApproximations",
    "default_solver",
    "limit_reached",
    "stalled",
]
