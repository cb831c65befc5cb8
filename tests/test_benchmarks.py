"""The benchmarks compute what they say, side by side; bounds on prices, measured in one process on one thread."""

import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from benchmarks import counts, forward, gradient_peers, peers, published, session, swirl, training
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.gradient_functions import FUNCTIONS
from benchmarks.pde_peers import Solve
from benchmarks.result import Table, write

from .conftest import ROOT

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def least(setup, expression, bound, tries):
    """The least of at most so many values of an expression, measured in a process of its own on one thread.

    The machine is noisy, so that one value within the bound is enough: the process does not measure again after it.
    """
    code = f"""
{setup}
best = float("inf")
for _ in range({tries}):
    best = min(best, {expression})
    if best <= {bound}:
        break
print(best)
"""
    environment = {**os.environ, **ONE_THREAD}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return float(out.stdout)


def test_measuring_ends_at_the_first_value_within_the_bound():
    """Of 5, 4, 3, 2 the third is within 3; without one that is, the least of all tries."""
    setup = "values = [2.0, 3.0, 4.0, 5.0]"
    assert least(setup, "values.pop()", 3.0, 4) == 3.0
    assert least(setup, "values.pop()", 1.0, 3) == 3.0


@pytest.mark.alone
@pytest.mark.parametrize(("reconstruction", "bound"), [("muscl", 40), ("weno5", 90)])
def test_finite_volumes_in_copies_of_a_number(reconstruction, bound):
    """512^2 cells, per cell and stage, over copying one float64. Best of five: the machine is noisy.

    The ratio depends on how fast the memory is: of the same code for MUSCL less than 30 on one machine, 33 on another.
    """
    setup = "from benchmarks.finite_volumes import ratio"
    assert least(setup, f"ratio({reconstruction!r})", bound, 5) <= bound


@pytest.mark.alone
def test_gradient_costs_at_most_250_values_of_tanh_a_cell_a_layer():
    """`bimodal_2d`, 256^2 cells, three moments, degree 3, RK4, 20 layers. Best of three: the machine is noisy."""
    assert least("from benchmarks.gradient import ratio", "ratio(3)", 250, 3) <= 250


@pytest.mark.alone
@pytest.mark.parametrize("dim", [2, 3])
def test_location_takes_at_most_a_microsecond_a_point(dim):
    """Walking three widths from the nodes of degree 2, 32,768 triangles or 41,154 tetrahedra."""
    assert least("from benchmarks.location import microseconds", f"microseconds({dim}, 3.0, 5)", 1.0, 3) <= 1.0


@pytest.mark.alone
def test_published_problem_500_times_faster_than_the_published_code():
    """11 s / 500, from the samples to the control; the gap to the optimum is tested below. Best of 20."""
    setup = """
import time
from benchmarks import published
x, y = published.data()
route, solver = published.ROUTES["particles, L-BFGS, tolerance 1e-4"]

def seconds():
    start = time.perf_counter()
    route(x, y, solver)
    return time.perf_counter() - start
"""
    bound = published.PUBLISHED / 500
    assert least(setup, "seconds()", bound, 20) <= bound


def test_every_benchmark_has_tables_and_names_are_checked(capsys):
    assert all(callable(import_module(f"benchmarks.{name}").tables) for name in BENCHMARKS)
    with pytest.raises(SystemExit, match="2"):
        main(["gradients"])
    assert "no benchmark gradients: expected some of gradient" in capsys.readouterr().err


def test_tables_are_markdown_and_json(tmp_path):
    table = Table("What.", {"name": "", "ns": ".1f", "error": ".0e"}, [("a", 1.26, None), ("b", 3.0, 2e-9)], "Note.")
    text = write("one", [table], tmp_path)
    assert text == ("What.\n\n| name | ns | error |\n|---|---|---|\n| a | 1.3 | - |\n| b | 3.0 | 2e-09 |\n\nNote.\n")
    assert (tmp_path / "one.md").read_text() == text
    assert '"error": 2e-09' in (tmp_path / "one.json").read_text()
    with pytest.raises(ValueError, match="a row of 2 values, expected 3"):
        Table("What.", table.columns, [("a", 1.0)])


def test_missing_peers_are_left_out_by_name(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "FiPy", ("no_such_module", "FiPy"))
    monkeypatch.setitem(peers.PEERS, "PyClaw", ("no_such_package.module", "clawpack"))
    assert peers.installed(["FiPy", "PyClaw"]) == []
    assert peers.left_out(["FiPy"]) == "FiPy left out: no module no_such_module (pip install FiPy)."
    assert not any(name.startswith("FiPy") for name in forward.makers(32))


def test_sessions_are_processes_of_their_own_and_tell_what_failed():
    assert session.fresh("peers.left_out([])") == ""
    with pytest.raises(RuntimeError, match="KeyError: 'nobody'"):
        session.fresh("peers.missing('nobody')")


def test_swirl_keeps_mass_and_the_pairing():
    """Exact solutions: the mass is that of the start, `pi / 4`, and `int psi dmu` is the same at both ends of time."""
    cells, area = 96, (2 * swirl.HALF / 96) ** 2
    density, potential = swirl.values(swirl.density, cells), swirl.values(swirl.potential, cells)
    start = swirl.values(swirl.start, cells)
    assert area * density.sum() == pytest.approx(np.pi / 4, abs=1e-9)
    assert area * (potential * start).sum() == pytest.approx(area * (start * density).sum(), abs=1e-9)


def test_forward_solves_are_compared_before_they_are_timed():
    """At 48^2 cells: the push-forward, then what is no solve of the same problem."""
    exact = swirl.values(swirl.density, 48)
    made = {"push-forward, degree 5": lambda: forward.push_forward(48, 5)}
    ((_, steps, step, stage, solve, first, error),) = forward.measured(made, lambda name: exact, 48, 1)
    assert steps == forward.LAYERS
    assert 0 < step == stage
    assert solve == pytest.approx(step * 48**2 * steps / 1e6)
    assert first > 0
    assert error <= 1e-3
    made["still"] = lambda: Solve(lambda: swirl.values(swirl.start, 48), 1, 1)
    with pytest.raises(AssertionError, match="still computes something else"):
        forward.measured(made, lambda name: exact, 48, 1)


def test_gradients_of_packages_agree(monkeypatch):
    """PyTorch has the twin's gradient (`compared` asserts it of every package), the mesh the mean-field one."""
    monkeypatch.setattr(gradient_peers, "use_processors", lambda count: None)
    torch = {"PyTorch": FUNCTIONS["PyTorch, RK4 written out"]}  # the others compile for long
    rows = {row["name"]: row for row in gradient_peers.compared(1, cells=48, repeats=1, packages=torch)}
    assert rows["PyTorch"]["to_twin"] <= 1e-14
    assert rows["mesh, degree 5"]["to_mean_field"] <= 1e-6 < 1e-4 < rows[gradient_peers.TWIN]["to_mean_field"]
    assert all(row["ns"] > 0 for row in rows.values())


def test_published_problem_is_solved_to_its_optimum():
    """Every route: 1e-8 of the optimum that code independent of the package finds, and no further below it than round-off."""
    for name, _, gap in published.solved(repeats=1):
        assert -1e-12 <= gap <= 1e-8, name


def test_trainings_beyond_the_limit_are_extrapolated():
    """Errors `0.4 N^-1/2`, a millisecond a sample: 1e-2 takes 1,600 samples, 1e-3 takes 160 s and is not run."""
    fitted = [training.Trained("", 2 * n, 0.4 / n**0.5, 1e-3 * n) for n in (100, 10_000)]
    trained = []

    def train(n):
        trained.append(n)
        return training.Trained("run", 2 * n, 0.0, 0.0)

    out = training.to_targets(fitted, train, "theirs")
    assert [how for _, _, how in out] == ["measured", *["extrapolated"] * 3]
    assert trained == pytest.approx([1600], abs=1)
    assert out[1][1].seconds == pytest.approx(160, rel=1e-4)
    assert out[3][1].unknowns == pytest.approx(2 * 1.6e11, rel=1e-4)


def test_operations_of_small_stencils_by_hand():
    """Degree 1 on a line, one field: two weights of one multiply-add each, two products summed."""
    assert counts.stencil(1, 1, 1, slopes=False) == 2 * 2 + 2 * 2
    assert counts.splines(2, 3, 1) == (32.0, 2 * 5)
    one, two, three = (counts.gradient(2, 3, fields).bytes for fields in (1, 2, 3))
    assert three - two == two - one > 0
