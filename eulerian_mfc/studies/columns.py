"""Columns that several studies have, and the notes that go with their runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .references import Errors
from .study_data import Column, ErrorColumn

STATE, TIME = "state", "time"  # units of the user's problem
COST = Column("cost", "optimal cost J", digits=12)
RESIDUAL = Column("residual", "optimality residual", digits=2)
CONVERGED = Column("converged", "whether the residual is below the solver's tolerance")
ERROR_J = Column("error J", "error of the optimal cost", digits=3)
ERROR_THETA = Column("error theta", "largest error of the optimal control", digits=3)
DT = Column("dt", "length of a layer", TIME)
LAYERS = Column("layers", "number of layers")


def error_columns(of_cost: Errors, of_control: Errors, theory: str) -> tuple[ErrorColumn, ...]:
    """The columns of those errors that have values.

    Parameters
    ----------
    of_cost, of_control : the errors of the cost and of the control.
    theory : the order that theory predicts, in words.
    """
    pairs = ((ERROR_J.name, of_cost), (ERROR_THETA.name, of_control))
    return tuple(
        ErrorColumn(name, e.against, theory, e.floor, e.spent)
        for name, e in pairs
        if any(v is not None for v in e.values)
    )


class Ended(Protocol):
    """A run that has ended: whether its solver reached its tolerance, and its warnings."""

    @property
    def solved(self) -> bool:
        """Whether the solver reached its tolerance."""

    @property
    def warnings(self) -> str:
        """All warnings, in one text."""


def run_notes(runs: Sequence[Ended], twins: Sequence[Ended] = ()) -> tuple[str, ...]:
    """Notes that say how many runs did not converge, and how many warned.

    Parameters
    ----------
    runs : on meshes.
    twins : the particle twins of these runs.
    """
    lost = sum(not e.solved for e in twins)
    told = [r.warnings for r in runs if r.warnings]
    stuck = sum(not r.solved for r in runs)
    return (
        *([f"{stuck} run(s) did not converge: these runs are not used for the orders"] if stuck else []),
        *([f"{lost} particle twin(s) did not converge: the runs of these twins have no errors"] if lost else []),
        *([f"{len(told)} run(s) gave warnings; the first of them: {told[0]}"] if told else []),
    )
