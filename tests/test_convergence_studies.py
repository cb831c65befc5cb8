"""Convergence as measured: against references, Richardson's estimates, layers, Dirac data (reduced forms of docs/studies.py)."""

import dataclasses
import warnings

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

from .conftest import REFERENCE, ROOT, toy_line

SL = emfc.transport.SemiLagrangian
RK4 = emfc.LayerMap("rk4", 4)  # as the references
studies = emfc.studies


def case(name, **settings):
    return Case.load(ROOT / "cases" / f"{name}.py").with_settings(settings).build()


def reference(name, **floors):
    return {**REFERENCE[name], "source": name, **floors}


def test_the_script_of_the_design():
    study = studies.mesh_convergence(toy_line(), cells=[40, 80, 160, 320], layers=20, bounds=[(-8.0, 8.0)])
    table = study.table()
    assert all(word in table for word in ("h [state]", "cost", "error J", "order", "fitted order", "Richardson"))
    assert study.values("h").tolist() == [0.4, 0.2, 0.1, 0.05]
    exact = REFERENCE["toy_line_nobias_1"]["cost"]
    np.testing.assert_allclose(study.values("cost"), exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "degree", "cells", "order"),
    [
        ("toy_line", 3, [40, 80, 160, 320], (3.0, 4.0)),
        ("toy_line", 5, [40, 56, 80, 112, 160], (4.7, 6.3)),
        ("bimodal_1d", 3, [40, 60, 80, 120, 160, 240], (3.0, 4.5)),
        ("bimodal_1d", 5, [40, 60, 80, 120, 160], (5.0, 7.5)),
    ],
)
def test_mesh_orders_against_the_reference(name, degree, cells, order):
    """Fitted order of the cost, beside p to p + 1 of theory for these Courant numbers; errors of splines oscillate."""
    problem, options = case(name)
    entry = {"toy_line": "toy_line_nobias_1", "bimodal_1d": "bimodal_1d_0.2"}[name]
    study = studies.mesh_convergence(
        problem,
        cells,
        20,
        options["mesh"].bounds,
        reference=reference(entry, cost_floor=1e-13, control_floor=1e-8),
        transport=SL(degree),
        layer_map=RK4,
        initial=0.9 if name == "bimodal_1d" else 0.1,
    )
    assert study.values("converged").all()
    assert order[0] <= study.fit("error J").order <= order[1]
    assert f"{degree}" in study.error_column("error J").theory
    assert "Courant numbers" in study.error_column("error J").theory


@pytest.mark.parametrize(
    ("name", "degree", "cells"), [("toy_line", 3, [40, 80, 160, 320]), ("bimodal_1d", 3, [40, 80, 160, 320])]
)
def test_richardson_estimates_the_true_errors(name, degree, cells):
    """Without a reference: every estimated error within a factor 2 of that against no mesh at all."""
    problem, options = case(name)
    numerics = {"transport": SL(degree), "layer_map": RK4, "initial": 0.9 if name == "bimodal_1d" else 0.1}
    bounds = options["mesh"].bounds
    estimated = studies.mesh_convergence(problem, cells, 20, bounds, **numerics)
    true = studies.mesh_convergence(problem, cells, 20, bounds, reference="particles", **numerics)
    assert "Richardson" in estimated.error_column("error J").against
    ratio = estimated.values("error J") / true.values("error J")
    assert (ratio >= 0.5).all()
    assert (ratio <= 2).all()


def test_particles_as_reference_agree_with_the_given_one():
    """No mesh at all is the reference's own method: errors agree where they are above its digits."""
    problem, options = case("toy_line")
    numerics = {"transport": SL(3), "layer_map": RK4}
    given, twins = (
        studies.mesh_convergence(problem, [40, 80], 20, options["mesh"].bounds, reference=r, **numerics)
        for r in (reference("toy_line_nobias_1"), "particles")
    )
    np.testing.assert_allclose(given.values("error J"), twins.values("error J"), rtol=0, atol=2e-13)


@pytest.mark.parametrize("twin", [False, True])
def test_layers_are_of_order_two(twin):
    """Piecewise-constant controls, 10 to 80 layers: cost and control."""
    problem, _ = case("bimodal_1d")
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 160)
    study = studies.layer_convergence(
        problem, mesh, [10, 20, 40, 80], layer_map=emfc.LayerMap("rk4", 2), initial=0.9, twin=twin
    )
    for error in ("error J", "error theta"):
        assert study.fit(error).order == pytest.approx(2, abs=0.1)
        np.testing.assert_allclose(study.orders(error)[1:], 2, rtol=0, atol=0.1)
    assert "2 (piecewise-constant controls)" in study.table()


def test_euler_layers_are_of_order_one():
    problem, _ = case("bimodal_1d")
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 160)
    study = studies.layer_convergence(problem, mesh, [40, 80, 160], layer_map="euler", initial=0.9, twin=True)
    assert study.fit("error J").order == pytest.approx(1, abs=0.1)
    assert study.error_column("error J").theory.startswith("1 ")


@pytest.mark.parametrize("data", ["50 points", "their law"])
def test_dirac_data_converge_as_smooth_ones(data):
    """Degree 5, cells and layers refined together: order >= 4.85, since samples are deposited with the scheme's basis."""
    problem, _ = case("bimodal_1d")
    if data == "50 points":
        problem = dataclasses.replace(problem, law=emfc.laws.Empirical(*problem.law.sample(50, seed=0)))
    cells = [64, 96, 128, 192, 256]
    study = studies.mesh_convergence(
        problem, cells, [n // 4 for n in cells], [(-5.0, 5.0)], reference="particles", initial=0.9
    )
    assert study.fit("error J").order >= 4.85
    assert study.values("error J")[-1] <= 1e-9
    assert "5, cells and layers refined together" in study.error_column("error J").theory
    courant = study.values("courant")
    assert courant.max() <= 1.2 * courant.min()


def test_finite_volumes_on_dirac_data_are_not_of_that_order():
    problem, _ = case("bimodal_1d")
    problem = dataclasses.replace(problem, law=emfc.laws.Empirical(*problem.law.sample(50, seed=0)))
    study = studies.mesh_convergence(
        problem,
        [64, 96, 128],
        [16, 24, 32],
        [(-5.0, 5.0)],
        reference="particles",
        initial=0.9,
        continuity=emfc.continuity.FiniteVolume("muscl"),
        transport=SL(3),
    )
    assert study.values("error J")[-1] >= 1e-4
    assert study.error_column("error J").theory.startswith("2")


def test_the_courant_number_by_hand():
    """`F = b` moves all mass alike: `max |b| dt / h`; in the plane the larger quotient of the two axes."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.2), lambda x: x + np.array([0.3, 0.8]))
    problem = emfc.Problem(emfc.fields.AffineField(2, matrix=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    study = studies.mesh_convergence(
        problem, [(32, 16), (48, 24)], 10, [(-2.0, 2.0)] * 2, reference="finest", transport=SL(3)
    )
    for record, control, cells in zip(study.records, study.details["controls"], ((32, 16), (48, 24)), strict=True):
        speed = np.abs(control).max(axis=0)
        assert record["courant"] == pytest.approx((speed * 0.1 * np.array(cells) / 4).max(), rel=1e-12)
        assert record["cells"] == f"{cells[0]}x{cells[1]}"
        assert record["h"] == 4 / cells[1]


def test_the_courant_number_counts_mass_where_it_is_fastest():
    """`tanh(theta x)` up to the cells with a millionth of the largest mass, |x| = 5.26 of a standard normal."""
    study = studies.mesh_convergence(toy_line(), [80, 160], 20, [(-8.0, 8.0)], reference="finest")
    theta = np.abs(study.details["controls"][0]).max()
    expected = np.tanh(theta * np.sqrt(2 * np.log(1e6))) * 0.05 / study.values("h")
    np.testing.assert_allclose(study.values("courant"), expected, rtol=0.1)


def test_runs_that_do_not_converge_are_marked_and_not_fitted():
    study = studies.mesh_convergence(
        toy_line(), [40, 80, 160], 5, [(-8.0, 8.0)], solver=emfc.solvers.LBFGS(max_iterations=1)
    )
    assert not study.values("converged").any()
    assert study.errors == ()
    assert "3 run(s) did not converge" in study.table()


@dataclasses.dataclass(frozen=True)
class StopsEarly(emfc.solvers.LBFGS):
    """Two iterations on the finest mesh, or for particles: what they leave is no limit."""

    on: str = "mesh"

    def solve(self, system, initial, callback=None):
        particles = isinstance(system, emfc.ParticleSystem)
        early = particles if self.on == "particles" else not particles and system.mesh.shape[0] >= 80
        chosen = emfc.solvers.LBFGS(max_iterations=2) if early else emfc.solvers.LBFGS()
        return chosen.solve(system, initial, callback)


@pytest.mark.parametrize("against", ["richardson", "finest"])
def test_a_run_that_did_not_converge_is_no_limit(against):
    """The finest of four stops early: errors are against the other three, within a factor 2 of the true ones."""
    options = {"solver": StopsEarly(), "transport": SL(3)}
    study = studies.mesh_convergence(toy_line(), [10, 20, 40, 80], 5, [(-8.0, 8.0)], reference=against, **options)
    true = studies.mesh_convergence(toy_line(), [10, 20, 40], 5, [(-8.0, 8.0)], reference="particles", transport=SL(3))
    ratios = study.values("error J")[:2] / true.values("error J")[:2]
    assert ((ratios > 0.5) & (ratios < 2)).all()
    assert np.isnan(study.values("error J")[3])


def test_a_twin_that_did_not_converge_gives_no_error():
    study = studies.mesh_convergence(
        toy_line(), [20, 40], 5, [(-8.0, 8.0)], reference="particles", solver=StopsEarly(on="particles")
    )
    assert study.errors == ()
    assert "2 particle twin(s) did not converge" in study.table()


def test_samples_against_a_law_that_did_not_converge_are_refused():
    with pytest.raises(
        emfc.errors.EulerianError, match="did not converge, so that errors cannot be measured from its control"
    ):
        studies.sample_convergence(
            toy_line(), emfc.CartesianMesh([(-8, 8)], 80), [10, 20], repeats=2, layers=4, solver=StopsEarly()
        )


def test_richardson_spends_degrees_of_freedom():
    """Three runs give the limit, its order and nothing else: no interval; against particles the same runs have one."""
    given = toy_line(), [16, 23, 32], 5, [(-8.0, 8.0)]
    study = studies.mesh_convergence(*given, transport=SL(3))
    assert study.errors[0].against.startswith("Richardson")
    assert np.isnan(study.fit("error J").low)
    assert np.isfinite(studies.mesh_convergence(*given, transport=SL(3), reference="particles").fit("error J").low)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"control": [[1.0, 2.0], [3.0, 4.0]]}, "2 parameters per layer, expected the problem's 1"),
        ({"cost": np.nan}, "reference.cost: got nan"),
        ({"cost": "abc"}, "reference.cost: got 'abc'"),
        ({"cost": 1.0, "cost_floor": -1.0}, "reference.cost_floor: got -1.0"),
    ],
)
def test_references_that_do_not_fit(reference, message):
    with pytest.raises(emfc.errors.ArgumentError, match=message):
        studies.mesh_convergence(toy_line(), [20, 40], 3, [(-8.0, 8.0)], reference=reference)


def test_studies_on_simplices():
    """Meshes in the place of cells: order 2 at least for quadratic elements; layers of order 2."""
    problem = emfc.Problem(
        emfc.fields.NeuralField(1),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.2], 0.4), np.sin),
        emfc.losses.SquaredLoss(),
        0.3,
        1.0,
    )
    lines = [emfc.SimplexMesh(skfem.MeshLine(np.linspace(-3, 3, n + 1))) for n in (30, 60, 120)]
    study = studies.mesh_convergence(problem, lines, 5, reference="particles")
    np.testing.assert_allclose(study.values("h"), [0.2, 0.1, 0.05])
    assert study.values("converged").all()
    assert study.fit("error J").order >= 1.8
    layers = studies.layer_convergence(problem, lines[2], [2, 4, 8], reference="finest")
    assert np.isfinite(layers.values("error J")[:2]).all()
    solution = emfc.solve(problem, lines[0], 5)
    twin = emfc.ParticleSystem(problem, 5).cost(solution.control).total
    assert solution.error_budget()["mesh"] == pytest.approx(solution.cost - twin, rel=1e-3)


def test_orders_are_read_from_runs_that_end_at_kinks():
    """Linear elements: the floor is how far the gradients nearby tell, not the residual at the kink over the penalty."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [[-2.0], [2.0]])
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    lines = []
    for n in (40, 80, 160):
        x = np.linspace(-5, 5, n + 1)
        x[1:-1] += np.random.default_rng(0).uniform(-0.15, 0.15, n - 1) * 10 / n
        lines.append(emfc.SimplexMesh(skfem.MeshLine(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = studies.mesh_convergence(problem, lines, 5, reference="particles", transport=emfc.transport.Elements(1))
    assert study.values("converged").all()
    assert study.values("residual").max() > 5e-4  # a kink
    assert study.error_column("error theta").floor < 2e-3
    assert study.fitted_points("error theta") == 3
    assert study.fit("error theta").order > 0.9


def test_a_sweep_runs_from_coarse_to_fine():
    with pytest.raises(emfc.errors.ArgumentError, match="values from coarse to fine"):
        studies.sweep(
            toy_line(), emfc.CartesianMesh([(-8, 8)], 40), 3, {"cells": [40, 20]}, parameter="cells", reference="finest"
        )


def test_warnings_of_runs_are_told_in_the_study():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), lambda x: 2 * x)
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    study = studies.mesh_convergence(problem, [24, 32], 4, [(-1.3, 1.3)])
    assert "of the mass came within 3 cells" in study.table()


def test_particles_know_labels_that_the_laws_own_points_do_not():
    """`sin 60 x` on a uniform law: a fine mesh is right to 1e-9 of the cost by midpoints, and so says the study."""
    law = emfc.laws.Labelled(emfc.laws.Uniform([(0.0, 1.0)]), lambda x: np.sin(60 * x))
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), 0.5, 1.0)
    study = studies.mesh_convergence(problem, [80, 480], 2, [(-2.0, 3.0)], reference="particles", initial=0.0)
    # X + c with c = - E(X - Y) / 1.25: J = E (X - Y)^2 - (E(X - Y))^2 / 1.25
    gap = 0.5 - (1 - np.cos(60)) / 60
    square = 1 / 3 - 2 * (np.sin(60) / 3600 - np.cos(60) / 60) + 0.5 - np.sin(120) / 240
    exact = square - gap**2 / 1.25
    true = np.abs(study.values("cost") - exact)
    np.testing.assert_allclose(study.values("error J"), true, rtol=0, atol=1e-11)
    assert true[1] <= 1e-9


def test_studies_of_coarse_meshes_go_on_where_costs_are_not_called_converged():
    """Upwind volumes of order 1: costs off by more than 5 %, which is what the study measures; its notes say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", emfc.errors.EulerianWarning)
        alone = emfc.solve(toy_line(penalty=0.2), emfc.CartesianMesh([(-8.0, 8.0)], 20), 5, **UPWIND)
    assert not alone.converged
    assert alone.solved
    study = studies.mesh_convergence(toy_line(penalty=0.2), [20, 40], 5, [(-8.0, 8.0)], reference="particles", **UPWIND)
    assert study.values("converged").all()
    assert study.values("error J")[0] == pytest.approx(abs(alone.look.difference), rel=0.5)  # at another control
    assert study.values("error J")[0] > study.values("error J")[1] > 0
    assert "without a mesh the same control costs" in study.table()


#: upwind volumes and their transpose: an adjoint pair of order 1
UPWIND = {
    "continuity": emfc.continuity.FiniteVolume("upwind"),
    "transport": emfc.continuity.FiniteVolumeTranspose(emfc.continuity.FiniteVolume("upwind")),
}
