"""Studies whose controls have a degree in time, or whose layers are given by their times."""

import dataclasses
from functools import cache

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import studies
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.studies.references import averaged

MESH = emfc.CartesianMesh([(-4.0, 4.0)], 40)
GRID = [0.0, 0.25, 1.0]
BOX = [(-4.0, 4.0)]
BOUNDS = pytest.mark.parametrize("bounds", [None, (-2.0, 2.0)], ids=["legendre", "bernstein"])


def problem(bounds=None):
    """With a rate that depends on time, so that the control does too."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    field = emfc.fields.CustomField(lambda t, theta, x: (1.5 - t) * theta[0] * x, 1, 1)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.1, 1.0, bounds=bounds)


def on_samples(given, layers, **options):
    return studies.sample_convergence(given, MESH, [20], 2, layers, methods=["particles"], **options)


def test_averages_over_unequal_layers():
    """The means of t, of which the old layers know their means only if their ends are ends of the new ones."""
    ends, new = np.array([0.0, 0.1, 0.4, 0.5, 1.0]), [0.0, 0.4, 1.0]
    control = 0.5 * (ends[1:] + ends[:-1])[:, None]
    np.testing.assert_allclose(averaged(control, new, ends), [[0.2], [0.7]], rtol=1e-14)
    np.testing.assert_allclose(
        averaged(control, [0.0, 0.8, 2.0], 2 * ends), [[0.2], [0.7]], rtol=1e-14
    )  # any unit of time
    np.testing.assert_allclose(averaged(control, 1, ends), [[0.5]], rtol=1e-14)
    assert averaged(control, ends.tolist(), ends) is control


@cache
def references(bounds):
    """The optimum, linear in time, on layers whose ends include those of the studies: their means are exact."""
    grid = [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.6, 2 / 3, 1.0]
    return [emfc.solve(problem(bounds), MESH, n, control_degree=k) for n, k in ((12, 1), (grid, 2))]


@BOUNDS
@pytest.mark.parametrize(("layers", "degree"), [(2, 0), (GRID, 0), (2, 1), (3, 1), (GRID, 2)], ids=str)
def test_samples_against_a_reference_that_is_given(bounds, layers, degree):
    """A reference of another degree, on other layers, changes the errors by no more than its own error.

    They used to be differences between coefficients and means: as large as the control itself.
    """
    given, options = problem(bounds), {"control_degree": degree}
    own = on_samples(given, layers, **options).values("error particles")
    assert own.min() > 1e-3
    for reference in references(bounds):
        curves = reference.numerics.curves
        known = studies.Reference(
            control=curves.means(reference.control), grid=curves.grid if not curves.equal else None
        )
        for form in (reference, known):
            found = on_samples(given, layers, reference=form, **options)
            np.testing.assert_allclose(found.values("error particles"), own, rtol=0, atol=1e-6 if degree else 1e-2)


def test_studies_with_times_of_layers():
    """Equal layers by their times are those by their number, in every study that takes times."""
    given, equal = problem(), np.linspace(0.0, 1.0, 4).tolist()
    for study in (
        lambda layers: on_samples(given, layers),
        lambda layers: studies.sweep(given, MESH, layers, {"penalty": [0.2, 0.1]}),
        lambda layers: studies.penalty_sweep(given, MESH, layers, [0.2, 0.1]),
        lambda layers: studies.coupled_descent(given, MESH, [20], layers=layers, repeats=2),
    ):
        one, other = study(3), study(equal)
        for record, twin in zip(one.records, other.records, strict=True):
            assert record.keys() == twin.keys()
            for name, value in record.items():
                if isinstance(value, float):
                    assert twin[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_layers_vary_between_numbers_and_times():
    study = studies.sweep(problem(), MESH, 2, {"layers": [1, GRID, [0.0, 1.0]], "control_degree": [0]})
    assert [r["layers"] for r in study.records] == [1, str(GRID), "[0.0, 1.0]"]
    costs = study.values("cost")
    assert costs[1] < costs[0]
    assert costs[2] == pytest.approx(costs[0], rel=1e-12)


@pytest.mark.parametrize(
    ("study", "told"),
    [
        (
            lambda: studies.mesh_convergence(problem(), [20, 30, 40], [0, 0.5, 1.0], bounds=BOX),
            r"layers: got \[0, 0.5, 1.0\], .*3 numbers",
        ),
        (
            lambda: studies.mesh_convergence(problem(), [20, 30], [GRID, GRID], bounds=BOX),
            r"layers: got \[\[.*, expected one number, or 2 ",
        ),
        (
            lambda: studies.mesh_convergence(problem(), [20, 30], "3", bounds=BOX),
            r"layers: got '3', expected an integer",
        ),
        (
            lambda: studies.layer_convergence(problem(), MESH, [GRID, GRID]),
            r"layers: got .*that are not lists themselves",
        ),
        (
            lambda: studies.crossover(problem(), [20, 40], [16, 24], layers=GRID, bounds=BOX),
            r"layers: got \[0.0, .* one per mesh \(times",
        ),
        (
            lambda: on_samples(problem(), [0.0, 0.5, 0.2]),
            r"layers: got \[0.0, 0.5, 0.2\], expected .* increasing times",
        ),
        (lambda: studies.Reference(control=[[1.0]], grid=GRID), r"reference.grid: got 2 layers, expected the 1 layers"),
        (lambda: studies.sweep(problem(), MESH, 2, {"layers": GRID[:0]}), r"vary: got .*, expected a dict"),
        (lambda: studies.sweep(problem(), MESH, 2, {"layers": 3}), r"vary: got .*, expected a dict"),
    ],
)
def test_what_is_not_taken_is_told(study, told):
    with pytest.raises(ArgumentError, match=f"^{told}"):
        study()


def test_a_reference_that_is_replaced_keeps_its_layers():
    known = studies.Reference(control=[[1.0], [2.0]], grid=GRID)
    assert dataclasses.replace(known, cost=1.0).grid == tuple(GRID)
