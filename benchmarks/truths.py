"""`python -m benchmarks.truths` finds the truths of random problems, one after another.

They are kept in `truths.json` beside this file, after each problem, and a later run goes on with those that are missing. With
`--worse E`, those with a larger relative error than E are found again, and the better ones kept. `table()` gives the kept ones by
number, `summary()` how accurate they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eulerian_mfc.errors import EulerianError, EulerianWarning

from .random_problems import drawn
from .truth import truth

FILE = Path(__file__).with_suffix(".json")
#: how many problems there are, and the seconds that one may take
COUNT, SECONDS = 230, 60.0


class Kept(NamedTuple):
    """What is kept of one problem.

    Attributes
    ----------
    name : what was drawn.
    cost, error : J* and an estimate of its error; None where not even a first control was found.
    control : theta* at the times 0, T / 2 and T, with six digits: it tells branches apart.
    seconds : how long it took.
    how : how it was found, or why it was not.
    """

    name: str
    cost: float | None
    error: float | None
    control: list[list[float]]
    seconds: float
    how: str


def find(number: int, seconds: float = SECONDS) -> Kept:
    """The truth of one random problem."""
    problem, name = drawn(number)
    begin = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EulerianWarning)
            found = truth(problem, seconds=seconds)
    except (EulerianError, ValueError) as error:
        return Kept(name, None, None, [], round(time.perf_counter() - begin, 1), f"{type(error).__name__}: {error}")
    times = problem.horizon * np.array([0.0, 0.5, 1.0])
    rows = [[float(f"{v:.6g}") for v in row] for row in found.control(times)]
    took = round(time.perf_counter() - begin, 1)
    return Kept(name, found.cost, float(f"{found.error:.2e}"), rows, took, found.how)


def table(path: Path = FILE) -> dict[int, Kept]:
    """The truths that are kept, by the numbers of their problems."""
    if not path.exists():
        return {}
    return {int(number): Kept(**row) for number, row in json.loads(path.read_text(encoding="utf-8")).items()}


def save(rows: dict[int, Kept], path: Path = FILE) -> None:
    """One line per problem."""
    lines = [f"{json.dumps(str(n))}: {json.dumps(row._asdict())}" for n, row in sorted(rows.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def relative(row: Kept) -> float:
    """The relative error of a truth; infinite where there is none."""
    return np.inf if row.error is None or row.cost is None else row.error / max(abs(row.cost), 1e-300)


def summary(rows: dict[int, Kept]) -> str:
    """Per dimension: how many truths have which error, and how long they took."""
    out = []
    for dim in ("1D", "2D", "3D"):
        here = [row for row in rows.values() if row.name.startswith(dim)]
        errors = np.array([relative(row) for row in here])
        reached = ", ".join(f"{int((errors <= bound).sum())} to {bound:.0e}" for bound in (1e-11, 1e-9, 1e-7, 1e-5))
        seconds = [row.seconds for row in here] or [0.0]
        out.append(
            f"{dim}: {len(here)} problems; relative errors {reached}; seconds {np.median(seconds):.1f} (median), "
            f"{max(seconds):.0f} (largest)"
        )
    return "\n".join(out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truths", description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=COUNT - 1)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--worse", type=float, default=np.inf)
    given = parser.parse_args(arguments)
    rows = table(given.file)
    for number in range(given.first, given.last + 1):
        kept = rows.get(number)
        if kept is None or relative(kept) > given.worse:
            found = find(number, given.seconds)
            rows[number] = row = found if kept is None or relative(found) < relative(kept) else kept
            save(rows, given.file)
            print(f"{number}: {row.cost} +- {row.error} in {row.seconds} s; {row.name}; {row.how}", flush=True)
    print(summary(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
