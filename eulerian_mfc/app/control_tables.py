"""The tables of a control that `emfc run` writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..files.atomic import together
from ..results.sampled_control import SampledControl
from ..results.solution_data import SolutionData
from .run_folder import RunFolder

#: number of times per layer at which a control of degree 1 or more is sampled, both ends of the layer included
SAMPLES = 33


def write_control(solution: SolutionData, folder: RunFolder) -> None:
    """Write the control as tables, with one column per parameter.

    * Degree 0: `control.csv` has one row per layer, with the columns `t_start` and `t_end`.
    * Degree 1 or more: `control.csv` has samples of the control, with the column `t`: 33 equally spaced times per layer, both
      ends included. A time at which one layer ends and the next one begins has two rows: the value before it, and the value after
      it. `control_coefficients.csv` has one row per layer and coefficient, with the columns `t_start`, `t_end`, `basis` and
      `coefficient`, the number i of the polynomial; the bases are those of `control.curves.Curves`.

    Parameters
    ----------
    solution : the solution.
    folder : the folder of the files. Coefficients of an earlier run are removed if the degree is 0.
    """
    tables = {folder.control: _steps(solution)}
    if solution.numerics.curves.degree:
        tables = {folder.control: _samples(solution), folder.coefficients: _coefficients(solution)}
    with together() as put:
        for path, text in tables.items():
            put(path, text.encode())
    if folder.coefficients not in tables:
        folder.coefficients.unlink(missing_ok=True)


def _steps(solution: SolutionData) -> str:
    ends = solution.numerics.curves.ends.tolist()
    rows = ([ends[n], ends[n + 1], *row] for n, row in enumerate(solution.control.tolist()))
    return table(["t_start", "t_end", *solution.parameter_names], rows)


def _samples(solution: SolutionData) -> str:
    found = SampledControl.on_layers(solution.numerics.curves, solution.control, SAMPLES)
    values = found.values.reshape(-1, found.values.shape[-1]).tolist()
    rows = ([t, *row] for t, row in zip(found.times.ravel().tolist(), values, strict=True))
    return table(["t", *solution.parameter_names], rows)


def _coefficients(solution: SolutionData) -> str:
    curves = solution.numerics.curves
    ends, kind = curves.ends.tolist(), curves.basis.kind
    rows = (
        [ends[n], ends[n + 1], kind, i, *row]
        for n, layer in enumerate(solution.control.tolist())
        for i, row in enumerate(layer)
    )
    return table(["t_start", "t_end", "basis", "coefficient", *solution.parameter_names], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[float | str]]) -> str:
    """The text of a CSV file; numbers have all their digits.

    Parameters
    ----------
    head : the names of the columns.
    rows : the entries of each row.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([entry if isinstance(entry, str) else repr(entry) for entry in row] for row in rows)
    return text.getvalue()
