"""Solutions: parts of the cost, flow and prediction, certificate, files."""

import dataclasses
import json
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, BoundaryMassWarning, EulerianError, FileFormatError
from eulerian_mfc.results.solution_data import SolutionData
from eulerian_mfc.storage import solution_file
from eulerian_mfc.storage.solution_file import HEAD, head

from .conftest import toy_line, toy_mesh


def map_problem():
    return emfc.Problem(
        emfc.fields.LinearControlField([np.sin, np.ones_like], 2),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.3), label=lambda x: x + 0.3 * np.sin(x)),
        emfc.losses.SquaredLoss(),
        0.1,
        1.0,
    )


@pytest.fixture(scope="module")
def map_solution():
    return emfc.solve(map_problem(), emfc.CartesianMesh([(-3, 3), (-3.5, 3.5)], (30, 36)), layers=4)


def test_flow_is_the_exact_tanh_flow(toy_solution):
    """Layer after layer `sinh(theta x) -> exp(theta dt) sinh(theta x)`, to RK4's error (0.05^4 times small constants)."""
    x = np.linspace(-2, 2, 9)
    exact = x.copy()
    for theta in toy_solution.control[:, 0]:
        exact = np.arcsinh(np.exp(theta * 0.05) * np.sinh(theta * exact)) / theta
    np.testing.assert_allclose(toy_solution.flow(x)[:, 0], exact, rtol=0, atol=1e-11)
    paths = toy_solution.trajectories(x)
    assert paths.shape == (21, 9, 1)
    assert np.array_equal(paths[0][:, 0], x)


def test_prediction(toy_solution, map_solution):
    """Finite labels: the nearest label to X(T); regression: X(T) itself."""
    x = np.array([[-0.7], [0.2], [1.5]])
    assert toy_solution.predict(x).tolist() == [[-1.0], [1.0], [1.0]]
    points = np.array([[0.1, 0.2], [-0.3, 0.4]])
    assert np.array_equal(map_solution.predict(points), map_solution.flow(points))


def test_prediction_by_a_label_loss():
    """Least loss, not least distance: with labels 0 and 1 and a loss that swaps them."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [0.0, 1.0])
    loss = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] - (1 - 2 * y[0])) ** 2, [0.0, 1.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, loss, 1.0, 0.1)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4, 4)], 80), 2)
    assert solution.predict([[-1.0], [1.0]]).tolist() == [[1.0], [0.0]]


def test_cost_parts_and_residual(toy_solution):
    control = toy_solution.control
    assert toy_solution.penalty_cost == pytest.approx(0.5 * 0.05 * (control**2).sum(), rel=1e-14)
    assert toy_solution.cost == toy_solution.terminal_cost + toy_solution.penalty_cost
    _, gradient = toy_solution.system.cost_and_gradient(control)
    assert toy_solution.residual == pytest.approx(np.abs(gradient).max() / 0.05, rel=1e-6)


def test_certificate_sees_what_is_wrong():
    """Mass near and across the boundary; the same run on a large box has neither."""
    problem = emfc.Problem(
        emfc.fields.AffineField(1, matrix=False),
        emfc.laws.Empirical([0.5], [3.0]),
        emfc.losses.SquaredLoss(),
        0.1,
        1.0,
    )
    with pytest.warns(BoundaryMassWarning, match="use a larger box"):
        small = emfc.solve(
            problem, emfc.CartesianMesh([(-1.0, 1.0)], 40), 4, transport=emfc.transport.SemiLagrangian(1)
        )
    assert 0.5 <= small.checks.mass_crossed <= 1.0
    assert not small.converged
    large = emfc.solve(problem, emfc.CartesianMesh([(-6.0, 6.0)], 241), 4, transport=emfc.transport.SemiLagrangian(1))
    assert large.checks.mass_crossed == 0
    assert large.checks.mass_near_boundary == 0
    assert large.checks.most_negative == 0


def test_densities_integrate_to_one_and_follow_the_exact_law(toy_solution):
    """The density at T is that of the pushed normal: mu(T, x) = phi(x0) dx0/dx, away from the jump of the labels."""
    cells = toy_solution.mesh.axis(0)
    back = cells.copy()
    slope = np.ones_like(cells)
    for theta in toy_solution.control[::-1, 0]:
        source = np.arcsinh(np.exp(-theta * 0.05) * np.sinh(theta * back)) / theta
        slope *= np.exp(-theta * 0.05) * np.cosh(theta * back) / np.cosh(theta * source)
        back = source
    exact = np.exp(-(back**2) / 2) / np.sqrt(2 * np.pi) * slope
    np.testing.assert_allclose(toy_solution.total_density[-1], exact, rtol=0, atol=2e-6)
    np.testing.assert_allclose(toy_solution.total_density.sum(axis=1) * toy_solution.mesh.volume, 1.0, rtol=1e-13)


def test_save_and_load(tmp_path, toy_solution):
    path = tmp_path / "deep" / "toy.h5"
    toy_solution.save(path)
    assert [p.name for p in path.parent.iterdir()] == ["toy.h5"]
    loaded = emfc.Solution.load(path)
    for name in ("control", "masses", "potentials", "times", "labels"):
        assert np.array_equal(getattr(loaded, name), getattr(toy_solution, name)), name
    for name in ("cost", "terminal_cost", "residual", "converged", "message", "history", "checks", "names"):
        assert getattr(loaded, name) == getattr(toy_solution, name), name
    assert np.array_equal(loaded.paths.x, toy_solution.paths.x)
    x = np.array([[-1.0], [0.4]])
    assert np.array_equal(loaded.flow(x), toy_solution.flow(x))
    assert np.array_equal(loaded.predict(x), toy_solution.predict(x))
    assert np.array_equal(loaded.velocity(3), toy_solution.velocity(3))


def test_user_functions_need_the_problem_again(tmp_path, map_solution):
    path = tmp_path / "map.h5"
    map_solution.save(path)
    loaded = emfc.Solution.load(path)
    assert np.array_equal(loaded.densities, map_solution.densities)
    with pytest.raises(EulerianError, match=r"Solution.load\(path, problem\)"):
        loaded.flow([[0.0, 0.0]])
    again = emfc.Solution.load(path, map_problem())
    assert np.array_equal(again.flow([[0.1, 0.2]]), map_solution.flow([[0.1, 0.2]]))
    assert again.system.cost(again.control).total == pytest.approx(map_solution.cost, abs=1e-14)


def test_another_problem_is_refused(tmp_path, toy_solution):
    """The problem passed to `load` must give the file's cost at the file's control."""
    toy_solution.save(tmp_path / "toy.h5")
    with pytest.raises(ArgumentError, match="problem: got a problem whose parameter_names"):
        emfc.Solution.load(tmp_path / "toy.h5", toy_line(bias=True))
    with pytest.raises(ArgumentError, match=r"problem: got a problem whose horizon is 2\.0"):
        emfc.Solution.load(tmp_path / "toy.h5", toy_line(horizon=2.0))
    with pytest.raises(ArgumentError, match="problem: got a problem whose cost at the file's control"):
        emfc.Solution.load(tmp_path / "toy.h5", toy_line(penalty=2.0))


def test_saving_again_keeps_the_layer_map(tmp_path):
    """A custom field, Euler layers, saved and loaded without the problem, saved again: still Euler."""
    problem = map_problem()
    solution = emfc.solve(problem, emfc.CartesianMesh([(-3, 3)] * 2, 30), 4, layer_map="euler")
    solution.save(tmp_path / "one.h5")
    emfc.Solution.load(tmp_path / "one.h5").save(tmp_path / "two.h5")
    again = emfc.Solution.load(tmp_path / "two.h5", problem)
    assert np.array_equal(again.flow([[0.7, 0.1]]), solution.flow([[0.7, 0.1]]))


def resealed(path):
    """Write the head that belongs to an altered file, as somebody would who means to alter it."""
    content = path.read_bytes()[HEAD:]
    path.write_bytes(head(content) + content)


def test_files_of_the_schema_before_are_read(tmp_path, toy_solution):
    """Schema 2 had no head, and its metadata in an attribute; schema 1 is told what to do."""
    path = tmp_path / "old.h5"
    toy_solution.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"], file.attrs["metadata"] = 2, file["metadata"][()]
        del file["metadata"]
    old = tmp_path / "schema_2.h5"
    with h5py.File(path) as source, h5py.File(old, "w") as target:
        for key in source:
            source.copy(key, target)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    assert emfc.Solution.load(old).cost == toy_solution.cost
    with h5py.File(old, "r+") as file:
        file.attrs["schema"] = 1
    with pytest.raises(
        FileFormatError, match=r"schema 1, but this version reads 2 and 3: load it with .* or solve again"
    ):
        emfc.Solution.load(old)


def test_files_that_are_not_solutions(tmp_path, toy_solution):
    with pytest.raises(FileNotFoundError, match="no solution file"):
        emfc.Solution.load(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(FileFormatError, match=r"not a solution of eulerian_mfc"):
        emfc.Solution.load(text)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match="not a solution of eulerian_mfc"):
        emfc.Solution.load(other)
    whole = tmp_path / "whole.h5"
    toy_solution.save(whole)
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(FileFormatError, match="damaged"):
        emfc.Solution.load(cut)
    with h5py.File(whole, "a") as file:
        control = file["control"][()]
        del file["control"]
        file["control"] = control[:3]
    with pytest.raises(FileFormatError, match=r"altered, since its checksum is wrong|cut off or too long"):
        emfc.Solution.load(whole)
    resealed(whole)
    with pytest.raises(FileFormatError, match=r"control has shape \(3, 1\), expected \(20, 1\)"):
        emfc.Solution.load(whole)
    with h5py.File(whole, "a") as file:
        file.attrs["schema"] = 99
    resealed(whole)
    with pytest.raises(FileFormatError, match="schema 99"):
        emfc.Solution.load(whole)


def test_a_failed_save_leaves_the_old_file(tmp_path, toy_solution, monkeypatch):
    path = tmp_path / "toy.h5"
    toy_solution.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("eulerian_mfc.storage.solution_file.arrays_of", lambda solution: {"bad": object()})
    with pytest.raises((TypeError, AttributeError)):
        toy_solution.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["toy.h5"]


def test_wrong_points_are_refused(toy_solution, map_solution):
    with pytest.raises(ArgumentError, match=r"x: got .* expected points as rows, an array of shape \(n, 2\)"):
        map_solution.flow([[1.0, 2.0, 3.0]])
    with pytest.raises(ArgumentError, match="x: got nan"):
        toy_solution.flow([np.nan])


def test_same_bits_in_another_process(toy_solution):
    """A fresh interpreter, kernels from the cache: the same control to the last bit."""
    code = (
        "import numpy as np, eulerian_mfc as emfc\n"
        "from tests.conftest import toy_line, toy_mesh\n"
        "print(emfc.solve(toy_line(), toy_mesh(), layers=20).control.tobytes().hex())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=".")
    assert out.stdout.strip() == toy_solution.control.tobytes().hex()


def test_second_order_facts_are_kept_in_files(tmp_path, toy_solution):
    """Once computed they are in the file; else a loaded solution says what it knows, and with its problem all."""
    toy_solution.save(tmp_path / "a.h5")
    fresh = emfc.solve(toy_line(), toy_mesh(), 20, initial=toy_solution)
    fresh.save(tmp_path / "b.h5")
    known = toy_solution.certificate
    toy_solution.save(tmp_path / "a.h5")
    assert emfc.Solution.load(tmp_path / "a.h5").certificate == known
    assert emfc.Solution.load(tmp_path / "a.h5").verdict() == toy_solution.verdict()
    bare = emfc.Solution.load(tmp_path / "b.h5")
    assert not bare.analysed
    assert bare.verdict()[0].startswith("Converged")
    with pytest.raises(emfc.errors.EulerianError, match="second-order analysis"):
        bare.certificate  # noqa: B018
    assert emfc.Solution.load(tmp_path / "b.h5", toy_line()).certificate.index == 0


def test_a_problem_with_other_bounds_is_another_problem(tmp_path):
    bounded = emfc.solve(toy_line(bounds=(-0.05, 0.05)), toy_mesh(80), 4)
    bounded.save(tmp_path / "a.h5")
    assert emfc.Solution.load(tmp_path / "a.h5", toy_line(bounds=(-0.05, 0.05))).converged
    with pytest.raises(ArgumentError, match="problem: got a problem with other bounds"):
        emfc.Solution.load(tmp_path / "a.h5", toy_line())


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        pytest.param("horizon", 10**400, "horizon", id="huge"),
        ("horizon", float("nan"), "horizon"),
        ("bounds", [[float("nan")], [1.0]], "bounds"),
        ("checks", dict.fromkeys(("residual", "mass_drift"), None), "checks"),
        ("checks", {"residual": float("nan")}, "checks"),
        ("kink", "ab", "kink"),
        ("input_dim", 5, "input_dim"),
        ("layer_map", {"method": "rk4", "substeps": 10**9}, "substeps"),
    ],
)
def test_what_a_resealed_file_says_is_checked(tmp_path, toy_solution, key, value, reason):
    path = tmp_path / "toy.h5"
    toy_solution.save(path)
    with h5py.File(path, "r+") as file:
        meta = {**json.loads(file["metadata"][()]), key: value}
        del file["metadata"]
        file["metadata"] = json.dumps(meta)
    resealed(path)
    with pytest.raises(FileFormatError, match=reason):
        emfc.Solution.load(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"control": h5py.ExternalLink("other.h5", "/control")}, "control is a link to another place"),
        ({"paths/y": h5py.SoftLink("/paths/x")}, "paths/y is a link to another place"),
        ({"paths/x": np.zeros((21, 0, 1)), "paths/y": np.zeros((0, 1))}, "no paths"),
    ],
)
def test_files_hold_all_that_is_theirs(tmp_path, toy_solution, changes, reason):
    """No links to other files, of which no checksum is; and paths."""
    path = tmp_path / "toy.h5"
    toy_solution.save(tmp_path / "other.h5")
    toy_solution.save(path)
    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            del file[name]
            file[name] = value
    resealed(path)
    with pytest.raises(FileFormatError, match=reason):
        emfc.Solution.load(path)


def test_a_solution_cannot_be_changed(toy_solution):
    for name, value in (("converged", False), ("message", "no"), ("control", np.zeros((20, 1))), ("description", {})):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(toy_solution, name, value)
    judged = toy_solution.judged(emfc.solvers.Status.COST_WRONG, "not converged: somebody says so")
    assert (judged.converged, judged.solved) == (False, toy_solution.solved)
    assert judged.message == "not converged: somebody says so"
    assert toy_solution.converged  # as before
    assert judged.described(case="x").description == {**toy_solution.description, "case": "x"}


def test_what_is_computed_later_is_computed_once(toy_solution):
    """Also for a copy with another verdict; and a solution can be sent to another process before."""
    solution = dataclasses.replace(toy_solution)
    assert solution.potentials is dataclasses.replace(solution, message="another").potentials
    fresh = emfc.solve(toy_line(), toy_mesh(24), 2)
    sent = pickle.loads(pickle.dumps(fresh))
    assert not sent.analysed
    np.testing.assert_array_equal(sent.potentials, fresh.potentials)
    assert sent.stability == fresh.stability


def test_load_makes_the_class_that_it_is_called_on(tmp_path):
    class Mine(emfc.Solution):
        pass

    emfc.solve(toy_line(), toy_mesh(24), 2).save(tmp_path / "toy.h5")
    assert type(Mine.load(tmp_path / "toy.h5")) is Mine
    plain = solution_file.load(SolutionData, tmp_path / "toy.h5")
    assert type(plain) is SolutionData
    with pytest.raises(EulerianError, match=r"loaded without its problem: use Solution\.load\(path, problem\)"):
        _ = plain.stability
