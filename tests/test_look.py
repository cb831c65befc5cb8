"""The look off the mesh: wrong costs are not called converged, right ones are, and the certificate says how right they are."""

import json
import warnings

import h5py
import numpy as np
import pytest
from scipy.stats import norm

import eulerian_mfc as emfc
from eulerian_mfc import errors
from eulerian_mfc.diagnostics.certificate import check
from eulerian_mfc.diagnostics.off_mesh import look, share_beyond
from eulerian_mfc.results.certificate import MEANINGS
from eulerian_mfc.results.look import TOLD, WRONG, Look
from eulerian_mfc.storage.solution_file import HEAD, head

from .conftest import toy_line, toy_mesh

quiet = pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
Squared = emfc.losses.SquaredLoss


def square_by_label(labels):
    return emfc.losses.LabelLoss(lambda x, y: ((x - y) ** 2)[:, 0], labels)


def steep(loss, scale=1.0):
    """`scale tanh(theta x / scale)`, a normal law cut off at a fifth of its deviation, penalty 0.01, cells as wide as the law."""
    law = emfc.laws.Labelled(
        emfc.laws.Gaussian([0.0], scale, truncation=0.2 * scale), lambda x: scale * np.sign(x), breaks=[0.0]
    )
    field = emfc.fields.NeuralField(1, bias=False)
    if scale != 1.0:
        field = emfc.fields.CustomField(lambda t, theta, x: scale * np.tanh(theta[0] * x / scale), dim=1, size=1)
    problem = emfc.Problem(field, law, loss, 0.01 * scale**2, 1.0)
    mesh = emfc.CartesianMesh([(-2.0 * scale, 2.0 * scale)], 24)
    return emfc.solve(problem, mesh, 20, transport=emfc.transport.SemiLagrangian(7), initial=3.0)


def dense(solution, count=100_000, half=0.2):
    """The cost of a solution's control by midpoints of a law that is cut off at `half` of its deviation."""
    problem, scale = solution.system.problem, solution.mesh.bounds[0][1] / 2
    x = scale * half * (-1 + 2 * (np.arange(count) + 0.5) / count)[:, None]
    w = np.exp(-0.5 * (x[:, 0] / scale) ** 2)
    rule = emfc.laws.LabelledRule(x, w / w.sum(), scale * np.sign(x))
    return emfc.ParticleSystem(problem, solution.layers, rule=rule).cost(solution.control).total


@quiet
@pytest.mark.parametrize(
    ("loss", "scale"),
    [(square_by_label([-1.0, 1.0]), 1.0), (Squared(), 1.0), (Squared(), 1e-5)],
    ids=["a label loss", "own", "small"],
)
def test_costs_that_the_mesh_makes_up_are_not_called_converged(loss, scale):
    """Below zero for a square, whatever the units, and for a user's loss as for the package's; the message says how far off."""
    solution = steep(loss, scale)
    true = dense(solution)
    assert solution.cost / scale**2 == pytest.approx(-0.98, abs=0.01)
    assert true / scale**2 == pytest.approx(0.3146, abs=1e-3)
    assert not solution.converged
    assert solution.solved
    assert solution.look.cost == pytest.approx(true, rel=1e-4)
    assert solution.message.startswith(f"not converged: the cost on the mesh is {solution.cost:.4g}")
    assert f"without a mesh the same control costs {true:.4g}" in solution.message


@quiet
def test_the_verdict_of_a_wrong_cost_does_not_contradict_itself():
    """The discrete system is solved and its cost is wrong: no sentence denies the first, and none says that the costs agree."""
    wrong, right = steep(Squared()), emfc.solve(toy_line(), toy_mesh(), 4)
    words = " ".join(wrong.verdict())
    assert words.startswith("Not converged: the cost on the mesh")
    assert "of the discrete cost" in words
    assert "ot a critical point" not in words
    assert "Without a mesh the same control has another cost: the two costs differ by" in words
    assert "is the same with and without a mesh, up to" not in words
    assert "is the same with and without a mesh, up to" in " ".join(right.verdict())


@quiet
def test_a_running_cost_that_the_mesh_makes_up_is_seen():
    """Positive in all its parts, and by a tenth too small."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=0.3), np.sign, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, Squared(), 0.1, 1.0, running=Squared())
    mesh = emfc.CartesianMesh([(-2.0, 2.0)], 24)
    solution = emfc.solve(problem, mesh, 6, transport=emfc.transport.SemiLagrangian(7), initial=3.0)
    assert min(solution.terminal_cost, solution.running_cost) > 0
    true = dense(solution, half=0.3)
    assert solution.cost < 0.9 * true
    assert not solution.converged
    assert solution.look.cost == pytest.approx(true, rel=1e-4)


@quiet
@pytest.mark.parametrize(("distance", "wrong"), [(2.0, False), (1e4, True), (1e5, True)])
def test_mass_far_outside_the_box_counts_by_its_cost(distance, wrong):
    """9e-9 of the mass, which the box is allowed to miss: at a distance of 1e4 its loss is 0.9."""
    share = 9e-9
    law = emfc.laws.Labelled(
        emfc.laws.GaussianMixture([[0.0], [8.0 + distance]], 0.5, [1 - share, share]), [[0.5], [0.5]]
    )
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, Squared(), 1.0, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 80), 4)
    assert solution.converged is not wrong
    if wrong:
        assert "use a larger box" in solution.message
        np.testing.assert_allclose(solution.look.difference, -share * distance**2, rtol=0.01)


def drifting(loss):
    """A drift by 3 to the right, to one unit, two deviations, before the end of the box."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[2.0]])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, loss, 0.01, 1.0, bounds=(3.0, 3.0))
    return emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 160), 5, initial=3.0)


@quiet
def test_lost_mass_counts_by_its_effect_on_the_cost():
    """A fortieth of the mass crosses: a loss that hardly sees where it is is right, one that grows with the square is not."""
    flat = drifting(emfc.losses.LabelLoss(lambda x, y: 3.0 + np.tanh(x[:, 0]), [[2.0]]))
    far = drifting(emfc.losses.LabelLoss(lambda x, y: np.maximum(x[:, 0] - 3.5, 0.0) ** 2, [[2.0]]))
    for solution in (flat, far):
        assert solution.checks.mass_crossed == pytest.approx(norm.sf(2.0), rel=0.05)
    assert flat.converged
    assert abs(flat.checks.cost_error) <= TOLD
    assert not far.converged
    assert far.look.cause == "box"


def test_lost_mass_of_little_effect_is_warned_of():
    loss = emfc.losses.LabelLoss(lambda x, y: 3.0 + np.tanh(x[:, 0]), [[2.0]])
    with pytest.warns(errors.BoundaryMassWarning):
        assert drifting(loss).converged


def test_errors_between_one_and_five_percent_are_told_with_what_to_do():
    """The variance of a drifting law is too large by about h^2/4 a layer on linear elements: 3 % of the cost here."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[0.0]])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, Squared(), 1.0, 1.0, bounds=(0.1, 0.1))
    with pytest.warns(errors.CostErrorWarning, match=r"the cost on the mesh is .*use more cells"):
        solution = emfc.solve(
            problem, emfc.CartesianMesh([(-4.0, 4.0)], 80), 2, transport=emfc.transport.SemiLagrangian(1)
        )
    assert solution.converged
    assert TOLD < solution.checks.cost_error < WRONG
    # E (X + 0.1)^2 + 0.1^2 / 2
    assert solution.look.cost == pytest.approx(0.25 + 0.01 + 0.005, rel=1e-8)
    assert solution.look.difference == pytest.approx(solution.cost - 0.265, rel=1e-8)


def test_the_certificate_has_the_error_of_the_cost(toy_solution, tmp_path):
    """Against the twin of 100,000 midpoints; stored with the file; older files have none and load."""
    x = -9 + 18 * (np.arange(100_000) + 0.5) / 100_000
    w = np.exp(-(x**2) / 2)
    rule = emfc.laws.LabelledRule(x[:, None], w / w.sum(), np.sign(x)[:, None])
    true = emfc.ParticleSystem(toy_line(), 20, rule=rule).cost(toy_solution.control).total
    assert toy_solution.look.cost == pytest.approx(true, abs=1e-8)
    assert abs(toy_solution.checks.cost_error) <= 1e-9
    assert {"cost_error", "cost_error_tolerance"} <= {name for name, _, _ in toy_solution.certificate.rows()}
    assert set(MEANINGS) >= {"cost_error", "cost_error_tolerance"}
    assert any(
        "The cost of the control is the same with and without a mesh, up to" in line for line in toy_solution.verdict()
    )
    path = tmp_path / "s.h5"
    toy_solution.save(path)
    assert emfc.Solution.load(path).checks == toy_solution.checks
    with h5py.File(path, "r+") as file:
        meta = json.loads(file["metadata"][()] if "metadata" in file else file.attrs["metadata"])
        for name in ("cost_error", "cost_error_tolerance"):
            del meta["checks"][name]
        del file["metadata"]
        file["metadata"] = json.dumps(meta)
    content = path.read_bytes()[HEAD:]
    path.write_bytes(head(content) + content)
    old = emfc.Solution.load(path)
    assert old.checks.cost_error is None
    assert old.converged
    assert not any("Without a mesh" in line for line in old.verdict())


def test_the_look_is_one_pass_of_few_points():
    """Of a smooth problem, no more points than the mesh has cells, twice for the error, and once at rest for the scale."""
    seen = []

    def square(x, y):
        seen.append(len(x))
        return ((x - y) ** 2)[:, 0]

    problem = toy_line(loss=emfc.losses.LabelLoss(square, [-1.0, 1.0]))
    system = emfc.OptimalitySystem(problem, toy_mesh(), 20)
    control = system.control(0.1)
    cost, masses = system.cost(control), system.final_masses(control)
    seen.clear()
    assert look(system, control, cost, masses).finite
    assert sum(seen) <= 3 * 160


@quiet
def test_kinds_of_problems_that_are_right_are_called_converged():
    """Trained read-outs, running losses, samples, more coordinates, simplices, walls, periodic volumes, user's laws."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 1))
    samples = emfc.laws.Empirical(x, np.where(x > 0, 1.0, -1.0))
    trained = emfc.losses.CrossEntropy([-1.0, 1.0], emfc.losses.TrainedReadout(0.1))
    fine = emfc.CartesianMesh([(-6.0, 6.0)], 160)
    neural = emfc.fields.NeuralField(1)
    plain = emfc.Problem(neural, samples, trained, 1.0, 1.0)
    solutions = [
        emfc.solve(plain, fine, 3),
        emfc.solve(emfc.Problem(neural, samples, Squared(), 1.0, 1.0, running=Squared()), fine, 3),
        emfc.solve(toy_line().augmented(1), emfc.CartesianMesh([(-6.5, 6.5), (-2.0, 2.0)], (64, 32)), 2),
    ]
    assert all(s.converged for s in solutions)
    assert all(abs(s.checks.cost_error) <= 1e-3 for s in solutions)
    assert solutions[0].checks.cost_error_tolerance == 0.0  # samples are exact
    # With the read-out of the mesh, on the samples themselves, by a formula: the two-class cross-entropy of A x + b.
    first = solutions[0]
    z = first.readout(first.flow(x))
    index = (x[:, 0] > 0).astype(int)
    terms = np.log(np.exp(z - z[np.arange(40), index][:, None]).sum(axis=1))
    size = (np.square(first.readout.matrix).sum() + np.square(first.readout.bias).sum()) * 0.1 / 2
    assert first.look.cost == pytest.approx(terms.mean() + size + first.penalty_cost, rel=1e-12)


@quiet
def test_walls_and_periodic_boxes_hold_particles():
    """A drift into a wall at 1, which holds the mass there, and one around a periodic box: costs in closed form."""
    law = emfc.laws.Labelled(emfc.laws.Uniform([(0.0, 0.5)]), [[0.0]])
    problem = emfc.Problem(
        emfc.fields.AffineField(1, matrix=False), law, Squared(), 1e-3, 1.0, bounds=(0.7, 0.7), representation="labels"
    )
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 100)
    shut, around = (
        look(system, system.control(0.7), system.cost(0.7), system.final_masses(0.7)).cost - 0.5e-3 * 0.49
        for system in (
            emfc.OptimalitySystem(problem, mesh, 4, continuity=emfc.continuity.FiniteVolume("muscl", boundary=kind))
            for kind in ("no_flux", "periodic")
        )
    )
    # X(1) = min(X + 0.7, 1), and X + 0.7 modulo 1
    assert shut == pytest.approx(2 * ((1 - 0.7**3) / 3 + 0.2), rel=1e-4)
    assert around == pytest.approx(2 * ((1 - 0.7**3) / 3 + 0.2**3 / 3), rel=1e-4)


def test_particles_that_blow_up_are_no_answer():
    """`x' = theta x^2` blows up in finite time; the box hides it."""
    field = emfc.fields.CustomField(lambda t, theta, x: theta[0] * x**2, dim=1, size=1)
    law = emfc.laws.Labelled(emfc.laws.Gaussian([1.0], 0.1), [[2.0]])
    problem = emfc.Problem(field, law, Squared(), 1e-3, 1.0, bounds=(40.0, 40.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(0.0, 3.0)], 30), 10)
        control = system.control(40.0)
        found = look(system, control, system.cost(control), system.final_masses(control))
    assert not found.finite
    assert found.wrong
    assert "do not stay finite" in found.words


@quiet
def test_a_loss_that_refuses_states_beyond_the_box_does_not_lose_the_solution():
    """Particles go where the mesh has no points: where mass goes there too, what the user's function says is in the message."""

    def careful(x, y):
        if np.abs(x).max() > 4.0:
            raise ValueError("only states within 4 are known")
        return (x[:, 0] - 2.0) ** 2

    def solved(deviation):
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], deviation), [[2.0]])
        loss = emfc.losses.LabelLoss(careful, [[2.0]])
        problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, loss, 0.1, 1.0)
        return emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 80), 3)

    wide = solved(0.6)
    assert not wide.converged
    assert wide.solved
    assert "only states within 4 are known" in wide.message
    assert wide.checks.cost_error is None
    # Of the narrow law 1e-7 is there: min (2 - theta)^2 + 0.4^2 + theta^2 / 20, theta = 40/21.
    narrow = solved(0.4)
    assert narrow.converged, narrow.message
    assert narrow.cost == pytest.approx((2 / 21) ** 2 + 0.16 + (40 / 21) ** 2 / 20, abs=1e-6)
    assert abs(narrow.checks.cost_error) <= 1e-5


@quiet
def test_multistart_looks_too():
    wrong = steep(Squared())
    problem, mesh = wrong.system.problem, wrong.mesh
    found = emfc.multistart(problem, mesh, 20, starts=[3.0], transport=emfc.transport.SemiLagrangian(7))
    assert len(found) == 0
    ((start, message),) = found.failed
    assert start == "start 0"
    assert message.startswith("not converged: the cost on the mesh is -0.98")


def test_mass_at_four_walls_in_turn_is_counted_once_each():
    """The law goes round to all four sides of a box, a part of it crosses each: the share is that of the union."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.3), [[0.0, 0.0]])
    problem = emfc.Problem(emfc.fields.AffineField(2, matrix=False), law, Squared(), 1.0, 4.0)
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-2.0, 2.0)] * 2, 40), 4)
    control = np.array([[1.2, 0.0], [-1.2, 1.2], [-1.2, -1.2], [1.2, -1.2]])
    union = 1 - (1 - 2 * norm.sf(0.8 / 0.3)) ** 2
    assert share_beyond(system, control) == pytest.approx(union, rel=0.03)
    masses, crossed = system.masses(control)
    assert check(system, control, masses, crossed).mass_crossed == pytest.approx(union, rel=0.03)
    # Mass that is pushed against one wall for four layers is the same mass.
    control = np.array([[1.2, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert share_beyond(system, control) == pytest.approx(norm.sf(0.8 / 0.3), rel=0.03)


@quiet
def test_an_interrupted_run_says_so_even_where_its_cost_is_wrong():
    """Studies and the command look for the word: a wrong cost must not hide it."""

    def stop(row):
        raise KeyboardInterrupt

    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=0.2), np.sign, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, Squared(), 0.01, 1.0)
    solution = emfc.solve(
        problem,
        emfc.CartesianMesh([(-2.0, 2.0)], 24),
        20,
        callback=stop,
        transport=emfc.transport.SemiLagrangian(7),
        initial=3.0,
    )
    assert solution.look.wrong
    assert solution.message.startswith("not converged: interrupted")


TABLE = np.exp(-np.linspace(-6.0, 6.0, 1201))


def from_a_table(x, y):
    """A smooth loss on [-6, 6], a table elsewhere: there it raises an IndexError."""
    TABLE[np.rint((x[:, 0].real + 6.0) * 100).astype(int)]
    if (np.abs(x[:, 0].real) > 6.0).any():
        raise IndexError("beyond the table")
    return (x[:, 0] - y[0]) ** 2


@quiet
def test_a_users_function_that_refuses_states_beyond_the_mesh_costs_no_solution():
    """The mesh has no such states, and next to no mass of the law is there: the look stays in the mesh."""
    mesh = emfc.CartesianMesh([(-6.0, 6.0)], 96)
    table = toy_line(loss=emfc.losses.LabelLoss(from_a_table, [-1.0, 1.0]))
    plain = toy_line(loss=square_by_label([-1.0, 1.0]))
    found, expected = (emfc.solve(problem, mesh, 3) for problem in (table, plain))
    assert found.converged, found.message
    assert found.cost == pytest.approx(expected.cost, rel=1e-12)
    assert abs(found.checks.cost_error) <= 1e-3
    root = emfc.fields.CustomField(lambda t, theta, x: theta[0] * np.sqrt(x + 8.0), dim=1, size=1)
    narrow = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), [[0.5]])
    problem = emfc.Problem(root, narrow, Squared(), 1.0, 1.0)
    assert emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 96), 3).converged


@quiet
def test_a_box_with_one_wall_is_told_to_be_too_small_on_its_open_side():
    """Mass leaves at the right, the wall is at the left: a wall somewhere does not make the box the problem's own domain."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.4), [[2.0]])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, Squared(), 0.1, 1.0)
    for boundary in ({"x_low": "no_flux"}, "outflow"):
        scheme = emfc.continuity.FiniteVolume("muscl", boundary=boundary)
        solution = emfc.solve(problem, emfc.CartesianMesh([(-3.0, 2.4)], 60), 4, continuity=scheme)
        assert solution.look.cause == "box"
        assert "use a larger box" in solution.message
        assert abs(solution.error_budget()["box"]) > 0.05
    walls = emfc.continuity.FiniteVolume("muscl", boundary="no_flux")
    inside = emfc.solve(problem, emfc.CartesianMesh([(-3.0, 4.4)], 80), 4, continuity=walls)
    assert inside.error_budget()["box"] == 0.0


def test_the_words_are_plain():
    """What a share is of is told in words that need no dictionary."""
    found = Look(1.0, 0.0, 0.1, 2.0, "cells")
    assert "+5.0% of the sum of the sizes of its terms; use more cells" in found.words
