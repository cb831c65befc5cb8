"""`python -m benchmarks.claims` solves the random problems to tolerances and judges what is claimed by their truths.

The claims are kept in `claims.json` beside this file, after each one, and a later run goes on with those that are missing. The
table is written to `docs/tables/random_claims.md`, and the claims that are not true to `docs/tables/random_failures.md`.

A truth belongs to a valley of the cost. Where a claim disagrees with it, the truth is sought again from the control of the
solution: if that agrees with the claim, the solution lies in another valley.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.errors import EulerianError, EulerianWarning

from . import truths
from .random_problems import drawn
from .truth import truth

FILE = Path(__file__).with_suffix(".json")
TABLES = Path(__file__).parents[1] / "docs" / "tables"
#: the tolerances by dimension, and the seconds that one solve may take
TOLERANCES = {1: (1e-2, 1e-4, 1e-6, 1e-8, 1e-10), 2: (1e-2, 1e-4, 1e-6), 3: (1e-2, 1e-4)}
SECONDS = {1: 60.0, 2: 60.0, 3: 30.0}
#: a truth judges a claim if its error is at most this share of the claim
SHARP = 0.2


class Claim(NamedTuple):
    """What a solve to a tolerance claims, and what is true.

    Attributes
    ----------
    cost, claimed, asked : J, the bound of `|J - J*|`, and what was asked for.
    low, high : the bracket of J*.
    met : whether the tolerance is called met.
    stopped_by : why it is not met; None if it is.
    cells, layers, degree : what was chosen.
    seconds : how long it took.
    truth, error : J* and its error, of the problem, or of the solution's valley if `own_valley`.
    own_valley : whether the truth was sought from the solution's control, because that of the problem disagreed.
    """

    cost: float
    claimed: float
    asked: float
    low: float
    high: float
    met: bool
    stopped_by: str | None
    cells: list[int]
    layers: int
    degree: int
    seconds: float
    truth: float
    error: float
    own_valley: bool

    @property
    def true(self) -> float:
        """`|J - J*|`."""
        return abs(self.cost - self.truth)

    @property
    def holds(self) -> bool:
        """Whether the bound is true, up to the error of the truth."""
        return self.true <= self.claimed + self.error

    @property
    def false(self) -> bool:
        """Whether the tolerance is called met and is not."""
        return self.met and self.true > self.asked + self.error


def claim(number: int, tol: float, kept: truths.Kept, seconds: float) -> Claim | None:
    """The claim for one problem and tolerance; None if there is no truth that is sharp enough to judge it."""
    problem, _ = drawn(number)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EulerianWarning)
        solution = emfc.solve(problem, tol=tol, seconds=seconds)
    took, error = round(time.perf_counter() - begin, 2), solution.error
    assert error is not None
    assert kept.cost is not None
    assert kept.error is not None
    found = Claim(
        solution.cost,
        error.cost,
        error.tolerance,
        *error.bracket,
        error.met,
        error.stopped_by,
        list(solution.mesh.shape),
        solution.layers,
        solution.numerics.curves.degree,
        took,
        kept.cost,
        kept.error,
        own_valley=False,
    )
    if not found.holds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EulerianWarning)
            own = truth(problem, start=solution.theta, seconds=truths.SECONDS)
        found = found._replace(truth=own.cost, error=own.error, own_valley=True)
    return found if found.error <= SHARP * found.claimed + 1e-12 * abs(found.cost) or not found.holds else None


def table(path: Path = FILE) -> dict[str, Claim]:
    """The claims that are kept, by `NUMBER TOL`."""
    if not path.exists():
        return {}
    return {key: Claim(**row) for key, row in json.loads(path.read_text(encoding="utf-8")).items()}


def save(rows: dict[str, Claim], path: Path = FILE) -> None:
    """One line per claim."""
    lines = [f"{json.dumps(key)}: {json.dumps(row._asdict())}" for key, row in rows.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def summary(rows: dict[str, Claim], kept: dict[int, truths.Kept]) -> str:
    """Per dimension and tolerance: how many claims are true, how sharp they are, how many are met, and the time."""
    out = [
        "| dimension | tol | problems | claims that are true | claimed / true, median | met | met and false | seconds, median |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dim, tolerances in TOLERANCES.items():
        for tol in tolerances:
            here = [
                row
                for key, row in rows.items()
                if key.endswith(f" {tol:g}") and kept[int(key.split()[0])].name.startswith(f"{dim}D")
            ]
            if not here:
                continue
            ratios = [row.claimed / row.true for row in here if row.true > row.error]
            true, met, false = (sum(values) for values in zip(*((r.holds, r.met, r.false) for r in here), strict=True))
            seconds = float(np.median([row.seconds for row in here]))
            exponent = round(float(np.log10(tol)))
            out.append(
                f"| {dim} | $10^{{{exponent}}}$ | {len(here)} | {true} ({100 * true / len(here):.1f} %) "
                f"| {np.median(ratios):.2f} | {met} | {false} | {seconds:.1f} |"
            )
    return "\n".join(out) + "\n"


def failures(rows: dict[str, Claim], kept: dict[int, truths.Kept]) -> str:
    """The claims that are not true, and the solutions that lie in another valley than the truth that was known."""
    out = [
        "| number, tol | problem | true | claimed | asked | met | in its own valley |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, row in rows.items():
        if row.own_valley:
            number, tol = key.split()
            known = kept[int(number)].cost
            assert known is not None
            true = f"{row.true:.1e}" if not row.holds else f"{abs(row.cost - known):.1e}"
            out.append(
                f"| {number}, {tol} | {kept[int(number)].name} | {true} | {row.claimed:.1e} | {row.asked:.1e} "
                f"| {'yes' if row.met else 'no'} | {'true' if row.holds else '**not true**'} |"
            )
    return "\n".join(out) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=truths.COUNT - 1)
    parser.add_argument("--tol", type=float, nargs="*", default=[], help="only these tolerances")
    parser.add_argument("--dim", type=int, nargs="*", default=[1, 2, 3], help="only these dimensions")
    parser.add_argument("--seconds", type=float, help="the cap of one solve; by default 60, and 30 in space")
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args(arguments)
    kept, rows = truths.table(), table(given.file)
    for number, known in kept.items():
        dim = int(known.name[0])
        if known.cost is None or known.error is None or not given.first <= number <= given.last or dim not in given.dim:
            continue
        for tol in TOLERANCES[dim]:
            key = f"{number} {tol:g}"
            # A truth that is less accurate than the tolerance cannot judge what is met.
            blunt = known.error > tol * max(1.0, abs(known.cost))
            if key in rows or blunt or (given.tol and tol not in given.tol):
                continue
            try:
                found = claim(number, tol, known, given.seconds or SECONDS[dim])
            except EulerianError as error:
                print(f"{key}: {type(error).__name__}: {error}", flush=True)
                continue
            if found is not None:
                rows[key] = found
                save(rows, given.file)
                word = "FALSE" if found.false else "true" if found.holds else "NOT TRUE"
                print(f"{key}: {word} {found.true:.1e} claimed {found.claimed:.1e} in {found.seconds} s", flush=True)
    (TABLES / "random_claims.md").write_text(summary(rows, kept), encoding="utf-8")
    (TABLES / "random_failures.md").write_text(failures(rows, kept), encoding="utf-8")
    print(summary(rows, kept) + failures(rows, kept))
    return 0


if __name__ == "__main__":
    sys.exit(main())
