"""Controls that are polynomials in time: bounds, the L1 norm, warm starts, bad input, checkpoints, threads and memory."""

import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.control.regulariser import Regulariser
from eulerian_mfc.control.spaces import control_space
from eulerian_mfc.errors import ArgumentError, FileFormatError
from eulerian_mfc.flow import LayerMap
from eulerian_mfc.run.case import Case
from eulerian_mfc.run.options import what_counts
from eulerian_mfc.run.starts import starting_control
from eulerian_mfc.storage.journal import Checkpoint, Journal

from .conftest import toy_line, toy_mesh

GRID = [0.0, 0.2, 0.5, 1.0]
TIMES = np.linspace(0.0, 1.0, 1000)
RUNNING = emfc.losses.SquaredLoss()


def space(degree, layers=GRID, horizon=1.0, sparsity=0.0, bounds=None, m=2):
    return control_space(Regulariser.of(1.0, sparsity, bounds, m), horizon, layers, degree)


# --- bounds


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_bounds_hold_at_every_time(degree):
    low, high, layers = -0.19, -0.16, [0.0, 0.2, 0.5, 0.8, 1.0]
    problem = toy_line(penalty=0.8, running=RUNNING, bounds=(low, high))
    system = emfc.OptimalitySystem(problem, toy_mesh(32), layers, control_degree=degree)
    outcome = emfc.solvers.LBFGS().solve(system, 0.1)
    assert outcome.converged, outcome.message
    values = system.controls.values(outcome.control, TIMES)
    assert values.min() >= low - 1e-12
    assert values.max() <= high + 1e-12
    # Both bounds are active, and the control moves between them.
    assert (values <= low + 1e-12).mean() > 0.1
    assert (values >= high - 1e-12).mean() > 0.01
    assert ((values > low + 1e-6) & (values < high - 1e-6)).mean() > 0.2


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_controls_that_are_projected_carried_or_random_keep_to_bounds(degree):
    bounds = [(-0.5, 0.3), (None, 0.2)]
    given, rng = space(degree, bounds=bounds), np.random.default_rng(degree)
    free = space(4, [0.0, 0.1, 1.0])
    wild = rng.normal(size=free.shape)
    for control in (
        given.project(rng.normal(size=given.shape)),
        given.carried(wild, free),
        *given.random(6, 0, np.ones(2)),
    ):
        values = given.values(control, TIMES)
        assert (values <= np.array([0.3, 0.2]) + 1e-12).all()
        assert values[:, 0].min() >= -0.5 - 1e-12


# --- the L1 norm


def integral_of_modulus(given, control):
    """`int |theta| dt` per parameter, piece by piece between the roots of the polynomials."""
    out = np.zeros(control.shape[-1])
    x, w = np.polynomial.legendre.leggauss(given.degree + 1)
    for n, (low, high) in enumerate(pairwise(given.ends)):
        for j in range(len(out)):
            nodes = np.linspace(low, high, given.degree + 1)
            rows = np.einsum("tk,k->t", given.basis((nodes - low) / (high - low)), control[n, :, j])
            roots = np.polynomial.Polynomial.fit(nodes, rows, given.degree).roots()
            cuts = [low, *sorted(r.real for r in roots if abs(r.imag) < 1e-9 and low < r.real < high), high]
            for a, b in pairwise(cuts):
                s = (a + (b - a) * (x + 1) / 2 - low) / (high - low)
                out[j] += abs((b - a) / 2 * w @ (given.basis(s) @ control[n, :, j]))
    return out


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_l1_norm_of_coefficients_of_one_sign_is_exact(degree):
    given, rng = space(degree, sparsity=[0.5, 2.0]), np.random.default_rng(degree)
    control = rng.uniform(size=given.shape) * [1.0, -1.0]
    exact = integral_of_modulus(given, control) @ [0.5, 2.0]
    assert given.absolute(control) == pytest.approx(exact, rel=1e-13)
    assert given.cost(control) == pytest.approx(exact + 0.5 * given.square(control), rel=1e-13)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_l1_norm_is_otherwise_too_large_by_what_is_documented(degree):
    for seed in range(20):
        given, rng = space(degree, sparsity=1.0, m=1), np.random.default_rng((seed, degree))
        control = rng.normal(size=given.shape)
        mixed = (np.sign(control).min(axis=1) != np.sign(control).max(axis=1))[:, 0]
        largest = np.abs(control).max(axis=(1, 2))
        error = given.absolute(control) - float(integral_of_modulus(given, control)[0])
        assert -1e-13 <= error <= (given.lengths * largest * mixed).sum() + 1e-13


def test_the_error_of_the_l1_norm_falls_with_the_square_of_the_layers():
    errors = []
    for layers in (3, 9, 27):  # the root 1/2 is always in the middle of a layer
        given = space(2, layers, sparsity=1.0, m=1)
        nodes = np.linspace(0.0, 1.0, 3)
        values = np.array([[[np.exp(t) - np.exp(0.5)] for t in low + nodes / layers] for low in given.ends[:-1]])
        control = np.linalg.solve(given.basis(nodes), values)
        errors.append(given.absolute(control) - float(integral_of_modulus(given, control)[0]))
    rates = np.log(np.array(errors[:-1]) / errors[1:]) / np.log(3.0)
    assert np.abs(rates - 2.0).max() <= 0.1, errors


# --- warm starts


@pytest.mark.parametrize("bounds", [None, (-50.0, 50.0)], ids=["legendre", "bernstein"])
@pytest.mark.parametrize(
    ("coarse", "fine"),
    [((2, 1), (4, 1)), ((GRID, 2), ([0.0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0], 2)), ((3, 1), (3, 4)), ((GRID, 0), (GRID, 3))],
)
def test_nested_layers_carry_the_same_function_there_and_back(coarse, fine, bounds):
    first, second = (space(degree, layers, bounds=bounds) for layers, degree in (coarse, fine))
    control = np.random.default_rng(0).normal(size=first.shape)
    moved = second.carried(control, first)
    np.testing.assert_allclose(second.values(moved, TIMES), first.values(control, TIMES), rtol=0, atol=1e-12)
    assert second.cost(moved) == pytest.approx(first.cost(control), rel=1e-13)
    np.testing.assert_allclose(first.carried(moved, second), control, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("source", "target"), [((20, 0), (4, 2)), ((7, 3), ([0.0, 0.33, 1.0], 2)), ((4, 3), (3, 0))])
def test_other_layers_take_the_nearest_function(source, target):
    """The error of the projection is orthogonal to the space, and the horizon is scaled."""
    first, second = space(source[1], source[0], horizon=3.0), space(target[1], target[0])
    control = np.random.default_rng(1).normal(size=first.shape)
    moved = second.carried(control, first)
    breaks = np.unique(np.concatenate([first.ends / 3.0, second.ends]))
    breaks = breaks[np.append(True, np.diff(breaks) > 1e-12)]
    x, w = np.polynomial.legendre.leggauss(6)
    low, length = breaks[:-1, None], np.diff(breaks)[:, None]
    times, weights = (low + length * (x + 1) / 2).ravel(), (length * w / 2).ravel()
    error = second.values(moved, times) - first.values(control, 3.0 * times)
    other = np.random.default_rng(2).normal(size=second.shape)
    assert abs((weights[:, None] * error * second.values(other, times)).sum()) <= 1e-13 * len(times)
    assert np.abs(error).max() > 1e-3


def test_solutions_start_solves_on_other_layers_and_degrees():
    problem, mesh, solver = toy_line(penalty=0.8, running=RUNNING), toy_mesh(32), emfc.solvers.LBFGS()
    constant = emfc.solve(problem, mesh, 20, solver=solver)
    curved = emfc.solve(problem, mesh, 4, control_degree=2, initial=constant, solver=solver)
    cold = emfc.solve(problem, mesh, 4, control_degree=2, solver=solver)
    assert curved.cost == pytest.approx(cold.cost, rel=1e-12)
    assert len(curved.history) < len(cold.history)
    back = emfc.solve(problem, mesh, 20, initial=curved, solver=solver)
    assert back.cost == pytest.approx(constant.cost, rel=1e-12)
    assert len(back.history) < len(constant.history)
    # Nested layers: the first control is the same function, so that J differs by errors of the layer maps alone.
    finer = emfc.solve(problem, mesh, [0.0, 0.25, 0.4, 0.5, 0.75, 1.0], control_degree=3, initial=curved, solver=solver)
    assert finer.history[0].cost == pytest.approx(curved.cost, rel=1e-5)
    np.testing.assert_allclose(finer.theta(TIMES), curved.theta(TIMES), rtol=0, atol=1e-3)


def test_the_first_control_of_a_solution_is_its_function():
    """Without a mesh and with small steps, J at the carried control is J itself."""
    problem = toy_line(penalty=0.8)
    solution = emfc.solve(problem, toy_mesh(32), GRID, control_degree=2, solver=emfc.solvers.LBFGS(tol=1e-4))
    systems = [
        emfc.ParticleSystem(problem, layers, control_degree=degree, layer_map=LayerMap("dop853", 2))
        for layers, degree in ((GRID, 2), ([0.0, 0.1, 0.2, 0.5, 0.7, 1.0], 2), (GRID, 4))
    ]
    costs = [system.cost(starting_control(system, solution)).total for system in systems]
    assert np.ptp(costs) <= 1e-13


def test_arrays_of_all_shapes_start():
    system = emfc.ParticleSystem(toy_line(bias=True), GRID, control_degree=2)
    rows = np.arange(6.0).reshape(3, 2)
    for given, expected in ((2.0, np.full((3, 2), 2.0)), ([1.0, 2.0], np.tile([1.0, 2.0], (3, 1))), (rows, rows)):
        control = starting_control(system, given)
        assert control.shape == (3, 3, 2)
        values = system.controls.values(control, np.array([0.0, 0.1, 0.2, 0.4, 0.5, 1.0]))
        np.testing.assert_allclose(values, np.repeat(expected, 2, axis=0), atol=1e-15)
    whole = np.random.default_rng(0).normal(size=(3, 3, 2))
    assert np.array_equal(starting_control(system, whole), whole)
    assert not np.shares_memory(starting_control(system, whole), whole)


@pytest.mark.parametrize(
    "bad",
    [
        np.ones(3),
        np.ones((2, 2)),
        np.ones((3, 2, 2)),
        np.ones((3, 4, 2)),
        np.ones((1, 3, 3, 2)),
        "x",
        [[np.nan, 0.0]] * 3,
    ],
    ids=lambda bad: str(np.shape(bad)),
)
def test_other_arrays_are_refused(bad):
    system = emfc.ParticleSystem(toy_line(bias=True), GRID, control_degree=2)
    with pytest.raises(ArgumentError, match="initial: got"):
        starting_control(system, bad)
    with pytest.raises(ArgumentError, match=r"initial: got an array of shape \(3, 3, 2\)|initial: got"):
        starting_control(emfc.ParticleSystem(toy_line(bias=True), GRID), np.ones((3, 3, 2)))


# --- bad input

GRIDS = [
    ([0.0, 0.5, 0.5, 1.0], "increasing times"),
    ([0.0, 0.7, 0.5, 1.0], "increasing times"),
    ([0.1, 0.5, 1.0], "begin with 0"),
    ([0.0], "increasing times"),
    ([], "increasing times"),
    ([0.0, -1.0], "increasing times"),
    ([0.0, 1e-12, 1.0], "increasing times"),
    ([0.0, 0.5], "horizon, 1"),
    ([0.0, 0.5, 1.1], "horizon, 1"),
    ([0.0, np.nan, 1.0], "finite"),
    ([0.0, np.inf], "finite"),
    ([[0.0, 1.0]], "1 dimension"),
    ([[0.0], [0.0, 1.0]], "array of real numbers"),
    (["0", "1"], "array of real numbers"),
    ("4", "integer"),
    (2.0, "integer"),
    (0, "integer"),
    (True, "integer"),
    (None, "integer"),
]


@pytest.mark.parametrize(("layers", "words"), GRIDS, ids=[repr(g[0]) for g in GRIDS])
def test_bad_layers_are_refused(layers, words):
    for make in (
        lambda: emfc.ParticleSystem(toy_line(), layers, control_degree=2),
        lambda: emfc.OptimalitySystem(toy_line(), toy_mesh(20), layers),
        lambda: emfc.solve(toy_line(), toy_mesh(20), layers, control_degree=1),
    )[: 2 if layers is None else 3]:  # without layers, solve chooses them
        with pytest.raises(ArgumentError, match=rf"^layers: got .*{words}"):
            make()


@pytest.mark.parametrize("degree", [-1, 1.0, 2.5, True, "2", None, [1], 11, 10**9])
def test_bad_degrees_are_refused(degree):
    for make in (
        lambda: emfc.ParticleSystem(toy_line(), 2, control_degree=degree),
        lambda: emfc.OptimalitySystem(toy_line(), toy_mesh(20), 2, control_degree=degree),
        lambda: emfc.solve(toy_line(), toy_mesh(20), 2, control_degree=degree),
        lambda: emfc.multistart(toy_line(), toy_mesh(20), 2, control_degree=degree),
    ):
        with pytest.raises(ArgumentError, match=r"^control_degree: got .*expected (an integer >= 0|at most 10)"):
            make()


#: the smallest degree that one step does not resolve: a midpoint sees one value, the rule of order 4 three values
UNRESOLVED = {"euler": 1, "midpoint": 1, "rk4": 2, "dopri5": 3, "dop853": 4}


@pytest.mark.parametrize("degree", range(1, 7))
@pytest.mark.parametrize("method", UNRESOLVED)
def test_layer_maps_that_do_not_resolve_the_degree_name_the_substeps_that_do(method, degree):
    if degree < UNRESOLVED[method]:
        emfc.ParticleSystem(toy_line(), 2, control_degree=degree, layer_map=method)
        return
    with pytest.raises(ArgumentError, match=rf"^layer_map: got '{method}'.*degree {degree}.*substeps=\d+") as caught:
        emfc.ParticleSystem(toy_line(), 2, control_degree=degree, layer_map=method)
    substeps = int(re.search(r"substeps=(\d+)", str(caught.value)).group(1))
    emfc.ParticleSystem(toy_line(), 2, control_degree=degree, layer_map=LayerMap(method, substeps))
    with pytest.raises(ArgumentError, match=f"substeps={substeps}"):
        emfc.ParticleSystem(toy_line(), 2, control_degree=degree, layer_map=LayerMap(method, substeps - 1))


# --- checkpoints and identities


def small(**options):
    options = {"layers": GRID, "control_degree": 2, "solver": emfc.solvers.LBFGS(), **options}
    return emfc.solve(toy_line(penalty=0.5, running=RUNNING), toy_mesh(32), **options)


def bits(solution):
    digest = hashlib.sha256()
    for array in (solution.control, solution.masses, solution.potentials):
        digest.update(array.tobytes())
    digest.update(repr([row[:5] for row in solution.history]).encode())
    return digest.hexdigest()


class Killed(BaseException):
    """What ends a run between two evaluations."""


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    expected, grown = bits(small()), Journal._grown
    for share in (3, 7):

        def killing(self, size, share=share):
            grown(self, size)
            if len(self) >= share:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "_grown", killing)
            with pytest.raises(Killed):
                small(checkpoint=Checkpoint(tmp_path / "c", every=0.0))
    assert bits(small(checkpoint=tmp_path / "c")) == expected
    for changes in ({"control_degree": 1}, {"control_degree": 3}, {"layers": 3}, {"layers": [0.0, 0.2, 0.6, 1.0]}):
        with pytest.raises(FileFormatError, match="belongs to another run"):
            small(checkpoint=tmp_path / "c", **changes)


def test_the_same_coefficients_on_other_layers_are_another_start(tmp_path):
    """Two solutions with equal arrays are two functions of time if their layers differ."""
    loose = emfc.solvers.LBFGS(tol=1e-2)
    one = emfc.solve(toy_line(), toy_mesh(20), GRID, control_degree=1, solver=loose)
    curves = one.numerics.curves
    other = replace(one, numerics=one.numerics._replace(curves=type(curves)(1.0, 3, 1)))
    assert np.array_equal(one.control, other.control)
    options = {"layers": 4, "control_degree": 1, "solver": loose, "checkpoint": tmp_path / "c"}
    emfc.solve(toy_line(), toy_mesh(20), initial=one, **options)
    with pytest.raises(FileFormatError, match="belongs to another run"):
        emfc.solve(toy_line(), toy_mesh(20), initial=other, **options)
    assert repr(what_counts({"initial": one})) != repr(what_counts({"initial": other}))


# --- threads and memory

FIELDS = {
    "compiled": emfc.fields.NeuralField(2),
    "not compiled": emfc.fields.ScaledField(emfc.fields.PolynomialField(2, 2), np.cos),
}


@pytest.mark.parametrize("running", [None, RUNNING], ids=["", "running"])
@pytest.mark.parametrize("name", FIELDS)
def test_threads_and_memory_do_not_change_the_bits(name, running):
    """A plane with more nodes than a block of points."""
    problem = emfc.Problem(
        FIELDS[name],
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], 0.3), [[-2.0, -2.0], [2.0, 2.0]]),
        emfc.losses.SquaredLoss(),
        penalty=0.2,
        horizon=1.0,
        running=running,
    )
    found = []
    for threads in (1, 2):
        mesh = emfc.CartesianMesh([(-4.0, 4.0)] * 2, (100, 83))
        system = emfc.OptimalitySystem(problem, mesh, [0.0, 0.3, 1.0], control_degree=2, threads=threads)
        assert np.prod(mesh.shape) > 8192
        theta = 0.3 * np.random.default_rng(0).normal(size=system.controls.shape)
        cost, gradient = system.cost_and_gradient(theta)
        parts = [np.array([cost]), gradient, system.hessian(theta).product(theta[::-1]), system.potentials(theta)]
        found.append(np.concatenate([part.ravel() for part in parts]))
        if running is not None:
            assert system.kept_states > system.steps > 4
            system.kept_states = 1
            again = system.cost_and_gradient(theta)
            assert again[0] == cost
            np.testing.assert_array_equal(again[1], gradient)
    np.testing.assert_array_equal(*found)


# --- cases

CASE = """
import numpy as np
import eulerian_mfc as emfc

def problem():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)

def numerics():
    return {"mesh": emfc.CartesianMesh([(-4.0, 4.0)], 40), "layers": LAYERS, "control_degree": 2}
"""


def test_cases_take_the_times_of_layers(tmp_path):
    file = tmp_path / "unequal.py"
    file.write_text(CASE.replace("LAYERS", "[0.0, 0.25, 1.0]"))
    problem, options = Case.load(file).build()
    assert options["layers"] == (0.0, 0.25, 1.0)
    assert emfc.solve(problem, **options).control.shape == (2, 3, 2)
    file.write_text(CASE.replace("LAYERS", "[0.5, 0.25, 1.0]"))
    with pytest.raises(ArgumentError, match=r"unequal.py: numerics: layers: got \[0.5, 0.25, 1.0\], expected .*times"):
        Case.load(file).build()
