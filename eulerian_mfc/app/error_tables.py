"""The tables of the error and of the rounds that `emfc run` writes after a solve to a tolerance."""

from __future__ import annotations

from collections.abc import Iterator

from ..files.atomic import together
from ..results.solution_data import SolutionData
from ..results.solution_error import SolutionError, ToleranceRound
from .control_tables import table
from .run_folder import RunFolder


def write_error(solution: SolutionData, folder: RunFolder) -> None:
    """Write the error and the rounds of a solve to a tolerance as tables.

    * `error.csv` has the columns `quantity` and `value`: J, the bracket, the bounds, what was asked for, the scale of the data to
      which the tolerance refers, whether it is met (1 or 0), what prevented it in words (empty if it is met), and one row per
      source, such as `source: mesh`.
    * `rounds.csv` has one row per round, with the columns of `ToleranceRound`.

    Parameters
    ----------
    solution : the solution.
    folder : the folder of the files. Tables of an earlier run are removed if the solution has no error.
    """
    tables = {}
    if solution.error is not None:
        tables[folder.error] = table(["quantity", "value"], _rows(solution.cost, solution.error))
        tables[folder.rounds] = table(ToleranceRound._fields, solution.tolerance_rounds)
    with together() as put:
        for path, text in tables.items():
            put(path, text.encode())
    for path in (folder.error, folder.rounds):
        if path not in tables:
            path.unlink(missing_ok=True)


def _rows(cost: float, error: SolutionError) -> Iterator[tuple[str, float | str]]:
    yield "J", cost
    yield "J* low", error.bracket[0]
    yield "J* high", error.bracket[1]
    yield "bound of |J - J*|", error.cost
    yield "tolerance of J", error.tolerance
    yield "scale of the data", error.scale
    yield "bound of the control in L2", error.control
    if error.tolerance_control is not None:
        yield "tolerance of the control in L2", error.tolerance_control
    yield "met", int(error.met)
    yield "stopped by", error.stopped_by or ""
    yield f"J, {error.elsewhere.lower()}", error.without_mesh
    for name, value in error.sources.items():
        yield f"source: {name}", value
