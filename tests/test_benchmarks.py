"""The bound on the price of a gradient, measured in one process on one thread."""

import os
import subprocess
import sys

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.alone
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def measured(code):
    """A ratio, measured in a process of its own on one thread."""
    environment = {**os.environ, **ONE_THREAD}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return float(out.stdout)


@pytest.mark.parametrize(("reconstruction", "bound"), [("muscl", 30), ("weno5", 90)])
def test_finite_volumes_in_copies_of_a_number(reconstruction, bound):
    """512^2 cells, a cell a stage, over copying one float64. Best of five: the machine is noisy."""
    code = f"from benchmarks.finite_volumes import ratio; print(min(ratio({reconstruction!r}) for _ in range(5)))"
    assert measured(code) <= bound


def test_gradient_costs_at_most_250_values_of_tanh_a_cell_a_layer():
    """`bimodal_2d`, 256^2 cells, three moments, degree 3, RK4, 20 layers. Best of three: the machine is noisy."""
    assert measured("from benchmarks.gradient import ratio; print(min(ratio(3) for _ in range(3)))") <= 250


@pytest.mark.parametrize("dim", [2, 3])
def test_location_takes_at_most_a_microsecond_a_point(dim):
    """Walking three widths from the nodes of degree 2, 32,768 triangles or 41,154 tetrahedra."""
    assert measured(f"from benchmarks.location import microseconds; print(microseconds({dim}, 3.0, 15))") <= 1.0
