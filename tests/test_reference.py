"""The public reference optima, from spectral quadrature of the law and no mesh at all."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from benchmarks import three
from eulerian_mfc.run.case import Case

from .conftest import REFERENCE, ROOT, toy_line, toy_mesh

# name, case file, settings, largest error in J, largest error in theta
OPTIMA = [
    ("toy_line_nobias_1", "toy_line", {}, 1e-9, 1e-7),
    ("toy_line_bias_1", "toy_line", {"bias": True}, 1e-9, 1e-7),
    ("truncated_bimodal_1d_0.2", "truncated_bimodal_1d", {}, 1e-8, 1e-6),
    ("truncated_unimodal_1d_0.2", "truncated_unimodal_1d", {}, 1e-8, 1e-6),
    ("bimodal_2d_0.2", "bimodal_2d", {}, 1e-7, 2e-6),
    ("diffeo_as_2d_0.1", "learn_map_2d", {}, 1e-8, 1e-6),
]


@pytest.mark.parametrize(
    ("name", "file", "settings", "cost_error", "control_error"), OPTIMA, ids=[o[0] for o in OPTIMA]
)
def test_default_solver_reaches_the_reference(name, file, settings, cost_error, control_error):
    """Quintic splines, 160 cells on a line and 96^2 in the plane, from a constant control."""
    problem, options = Case.load(ROOT / "cases" / f"{file}.py").with_settings(settings).build()
    assert options["mesh"].shape in {(160,), (96, 96)}
    solution = emfc.solve(problem, options.pop("mesh"), options.pop("layers"), **options)
    reference = REFERENCE[name]
    assert solution.converged, solution.message
    assert abs(solution.cost - reference["cost"]) <= cost_error
    assert np.abs(solution.control - reference["control"]).max() <= control_error
    assert solution.checks.mass_drift <= 1e-12
    assert solution.checks.duality_drift <= 1e-12


def test_bimodal_line_without_truncation():
    problem = emfc.Problem(
        emfc.fields.NeuralField(dim=1, bias=False),
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0]),
        emfc.losses.SquaredLoss(),
        penalty=0.2,
        horizon=1.0,
    )
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 160), layers=20)
    assert abs(solution.cost - REFERENCE["bimodal_1d_0.2"]["cost"]) <= 1e-8
    assert np.abs(solution.control - REFERENCE["bimodal_1d_0.2"]["control"]).max() <= 1e-7


@pytest.mark.parametrize("cells", [40, 160])
def test_error_against_the_reference_falls_with_the_mesh(cells):
    """The design's prototypes: quintic splines 4.3e-10 in J at 40 cells, round-off at 160; cubic 8.3e-7 and 5.6e-9."""
    bounds = {(3, 40): 1e-6, (3, 160): 1e-8, (5, 40): 1e-9, (5, 160): 2e-12}
    for degree in (3, 5):
        transport = emfc.transport.SemiLagrangian(degree)
        solution = emfc.solve(toy_line(), toy_mesh(cells), layers=20, transport=transport)
        assert abs(solution.cost - REFERENCE["toy_line_nobias_1"]["cost"]) <= bounds[degree, cells]


@pytest.mark.parametrize("name", ["toy_line_nobias_1", "toy_line_bias_1"])
def test_particles_on_the_quadrature_rule_are_the_mean_field_problem(name):
    """No mesh: the law's own quadrature gives the reference cost to round-off, and its control is stationary."""
    problem = toy_line(bias="nobias" not in name)
    system = emfc.ParticleSystem(problem, 20, layer_map=emfc.LayerMap("rk4", substeps=4))
    cost, gradient = system.cost_and_gradient(np.array(REFERENCE[name]["control"]))
    assert abs(cost - REFERENCE[name]["cost"]) <= 1e-12
    assert (
        system.residual(np.array(REFERENCE[name]["control"]), gradient) <= 1e-8
    )  # the reference stores ten digits of its control


SOLVERS = {
    **{f"shooting, {name}": emfc.solvers.Shooting(**options) for name, options in {
        "relaxation 0.5": {"relaxation": 0.5}, "auto": {"relaxation": "auto"}, "anderson": {"anderson": 3}}.items()},
    "gradient flow, armijo": emfc.solvers.GradientFlow(rule="armijo"),
    "gradient flow, barzilai-borwein": emfc.solvers.GradientFlow(),
    "successive approximations": emfc.solvers.SuccessiveApproximations(),
    "lbfgs": emfc.solvers.LBFGS(),
    "newton_krylov": emfc.solvers.NewtonKrylov(),
    "newton_cg": emfc.solvers.NewtonCG(),
    "proximal gradient": emfc.solvers.ProximalGradient(),
    **{f"direct, {method}": emfc.solvers.Direct(method=method) for method in ("trust-constr", "L-BFGS-B", "SLSQP")},
}  # fmt: skip


def test_every_registered_solver_meets_the_references():
    assert {type(s) for s in SOLVERS.values()} == set(emfc.solvers.REGISTRY.values())


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize(
    ("name", "file", "settings"),
    [
        ("toy_line_nobias_1", "toy_line", {}),
        ("toy_line_bias_1", "toy_line", {"bias": True, "cells": 80}),
        ("truncated_bimodal_1d_0.2", "truncated_bimodal_1d", {}),
        ("truncated_unimodal_1d_0.2", "truncated_unimodal_1d", {}),
    ],
)
def test_all_solvers_agree_on_the_references(solver, name, file, settings):
    """Cost to 1e-8, whichever method; the Newton methods to a residual of 1e-11."""
    problem, options = Case.load(ROOT / "cases" / f"{file}.py").with_settings(settings).build()
    solution = emfc.solve(problem, options.pop("mesh"), options.pop("layers"), **{**options, "solver": solver})
    assert solution.converged, solution.message
    assert abs(solution.cost - REFERENCE[name]["cost"]) <= 1e-8
    if isinstance(solver, emfc.solvers.NewtonCG | emfc.solvers.NewtonKrylov):
        assert solution.residual <= 1e-11


def test_reference_in_space_is_that_of_particles_at_the_points_of_a_rule():
    """Gauss-Hermite points, 10 an axis, RK4 with 4 substeps, from a constant control."""
    cost, control = three.reference(points=10)
    assert cost == pytest.approx(0.40533480, abs=5e-9, rel=0)
    assert cost == pytest.approx(REFERENCE["bimodal_3d_0.5"]["cost"], abs=1e-12, rel=0)
    assert np.abs(control - REFERENCE["bimodal_3d_0.5"]["control"]).max() <= 1e-9
