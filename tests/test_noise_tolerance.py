"""One tolerance for problems with noise: claims against known optima, caps, and what is given."""

from __future__ import annotations

import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError
from tests.test_noise import LINE, TRIANGLES, affine, exact_affine, problem


@pytest.mark.parametrize("tol", [1e-3, 1e-5])
@pytest.mark.parametrize("given", [{}, {"noise": 0.19, "penalty": 0.315, "sigma": 0.57}])
def test_claims_are_true(tol, given):
    best, _ = exact_affine(**given)
    solution = emfc.solve(affine(**given), tol=tol)
    error = solution.error
    assert error.met
    assert solution.converged
    assert abs(solution.cost - best) <= error.cost <= error.tolerance
    assert error.bracket[0] <= best <= error.bracket[1]
    assert set(error.sources) == {"mesh", "box", "splitting", "levels", "time"}
    assert solution.tolerance_rounds[-1].error == error.cost


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_a_given_mesh_is_kept_and_its_error_counts():
    coarse = emfc.CartesianMesh([(-4.0, 5.0)], 16)
    solution = emfc.solve(affine(), coarse, tol=1e-5)
    assert solution.mesh.shape == (16,)
    assert not solution.error.met
    assert "mesh" in solution.error.stopped_by
    best, _ = exact_affine()
    assert abs(solution.cost - best) <= solution.error.cost


def test_a_cap_of_seconds_is_told():
    solution = emfc.solve(affine(), tol=1e-9, seconds=0.3)
    assert not solution.error.met
    assert "seconds" in solution.error.stopped_by


def test_a_box_that_was_given_too_small_is_told():
    with pytest.warns(emfc.errors.BoundaryMassWarning):
        solution = emfc.solve(affine(noise=1.0, sigma=0.2), emfc.CartesianMesh([(-1.5, 2.5)], 60), tol=1e-4, seconds=5)
    assert not solution.error.met
    assert abs(solution.error.sources["box"]) > solution.error.tolerance


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="CartesianMesh"):
        emfc.solve(problem(2), TRIANGLES, tol=1e-2)
    with pytest.raises(ArgumentError, match="starts"):
        emfc.solve(affine(), LINE, tol=1e-2, starts=3)
