"""Controls of least norm by continuation: penalised problems, solved one after the other while the penalty falls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validate import array, fail, integer
from .least_squares import Transfer, minimise
from .steering import Step

#: penalties of the continuation
PENALTIES = tuple(10.0**-k for k in range(1, 7))
#: Gauss-Newton steps per penalty
STEPS = 15
#: standard deviation of the random first control
START = 0.5


def random_start(transfer: Transfer, seed: int) -> np.ndarray:
    """A random first control `(layers, m)`."""
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    return START * rng.normal(size=(transfer.layers, transfer.flow.field.parameters)) / transfer.horizon


def checked_penalties(penalties: Sequence[float]) -> list[float]:
    """The penalties as a list; ArgumentError unless they are above zero and fall."""
    values = array("penalties", penalties, ndim=1)
    if not len(values) or not (values > 0).all() or (np.diff(values) >= 0).any():
        raise fail("penalties", penalties, "positive numbers, each smaller than the one before")
    return values.tolist()


def continued(
    transfer: Transfer, control: np.ndarray, penalties: Sequence[float], steps: int = STEPS, fall: float = np.inf
) -> tuple[np.ndarray, list[Step], str]:
    """The last control, one step per penalty, and why the continuation ended early (empty if it did not)."""
    path: list[Step] = []
    before = np.inf
    for penalty in penalties:
        control, solved = minimise(transfer, control, penalty, steps)
        path.append(Step(penalty, float(np.abs(transfer.gap(control)).max()), transfer.norm(control), solved))
        square = transfer.cost(control, 0.0)
        if not solved and square > fall * before and penalty > penalties[-1]:
            return (
                control,
                path,
                f"stopped at the penalty {penalty:.0e}, for which {steps} Levenberg-Marquardt steps did not "
                f"converge: the mean square of the errors fell only from {before:.1e} to {square:.1e}, and "
                f"the norm of the control is {path[-1].norm:.1f}. These fields can hardly reach this target: "
                "use more layers or more fields, or solve with ParticleSystem and solvers.LBFGS()",
            )
        before = square
    return control, path, ""
