"""Threads and memory: the same bits whatever their number and whatever is computed again."""

import pickle
import tracemalloc
from math import comb

import numpy as np
import pytest
import skfem
from threadpoolctl import threadpool_limits

import eulerian_mfc as emfc
from eulerian_mfc.continuity import FiniteVolume, euler_step
from eulerian_mfc.errors import ArgumentError, NonFiniteError
from eulerian_mfc.fields import Direction
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.kernels.tanh import tanh
from eulerian_mfc.kernels.team import MET, SIZE, meet, take
from eulerian_mfc.kernels.threads import VARIABLE, Workers, default_threads
from eulerian_mfc.system.reverse_sweep import backwards, split, states_within

from .conftest import toy_line, toy_mesh
from .test_fields import CASES


def system(cells=(150, 120), layers=3, std=0.3, **options):
    """A plane with more nodes than a block."""
    problem = emfc.Problem(
        emfc.fields.NeuralField(2),
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], std), [[-2.0, -2.0], [2.0, 2.0]]),
        emfc.losses.SquaredLoss(),
        penalty=0.2,
        horizon=1.0,
        running=emfc.losses.SquaredLoss(),
    )
    return emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.0, 4.0)] * 2, cells), layers, **options)


def control(layers=3):
    return np.random.default_rng(0).normal(size=(layers, 6))


def everything(threads):
    """A gradient, a Hessian product, densities, potentials and the Hamiltonian of a layer."""
    given, theta = system(threads=threads), control()
    cost, gradient = given.cost_and_gradient(theta)
    product = given.hessian(theta).product(theta[::-1])
    hamiltonian = given.layer_updates(theta)[2][1]
    value, slope = hamiltonian(theta[0])
    return np.concatenate(
        [part.ravel() for part in (np.array([cost, value]), gradient, product, slope, hamiltonian.hessian(theta[0]))]
        + [given.masses(theta)[0].ravel(), given.potentials(theta).ravel()]
    )


def test_any_number_of_threads_gives_the_same_bits():
    one = everything(1)
    assert np.isfinite(one).all()
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(everything(threads), one)


@pytest.mark.parametrize(
    ("mesh", "options"),
    [
        (emfc.CartesianMesh([(-4.0, 4.0)] * 2, (150, 120)), {}),
        (emfc.CartesianMesh([(-4.0, 4.0)] * 2, (150, 120)), {"continuity": FiniteVolume()}),
        (emfc.SimplexMesh(skfem.MeshTri.init_tensor(*[np.linspace(-4.0, 4.0, 111)] * 2)), {}),
    ],
)
def test_threads_of_blas_do_not_change_the_bits(mesh, options):
    """Sums by BLAS would, and its threads spin on, so that a team of two was slower than one thread."""
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            given = emfc.OptimalitySystem(system().problem, mesh, 3, **options)
            assert given.initial_masses.size > 30_000
            cost, gradient = given.cost_and_gradient(control())
            results.append([cost, given.cost(control()).total, *gradient.ravel()])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("name", [name for name in CASES if "jacobians" not in name])  # these are slow, point by point
def test_threads_of_blas_do_not_change_the_bits_of_a_field(name):
    """The sums over points of its slopes, and their derivatives."""
    field, rng = CASES[name][0], np.random.default_rng(3)
    theta, dtheta = rng.normal(size=(2, field.parameters))
    x, p, dx, dp = (np.asfortranarray(v) for v in rng.normal(size=(4, 50_001, field.dim)))
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            at = field.at(0.3, theta, x)
            _, slope = field.pullback(at, p)
            _, change = field.pullback_tangent(at, p, Direction(dtheta, dx), dp)
            results.append([*slope, *change])
    np.testing.assert_array_equal(*results)


def test_nodes_without_mass_add_nothing_but_round_off(monkeypatch):
    """The gradient with every node pushed forward and pulled back, block by block, against that without the massless ones."""
    from eulerian_mfc.transport import semi_lagrangian

    given, theta = system((200, 180), std=0.15), control()
    assert semi_lagrangian.nodes_above_roundoff(given.initial_masses.reshape(3, -1)).mean() < 0.7
    cost, gradient = given.cost_and_gradient(theta)
    given.pair.transport._compiled = None
    monkeypatch.setattr(semi_lagrangian, "nodes_above_roundoff", lambda rows: np.ones(rows.shape[1], dtype=bool))
    full_cost, full_gradient = given.cost_and_gradient(theta)
    np.testing.assert_allclose(cost, full_cost, rtol=1e-13)
    np.testing.assert_allclose(gradient, full_gradient, rtol=0, atol=1e-13 * np.abs(full_gradient).max())


def test_an_error_in_one_block_ends_the_others_and_is_raised():
    done = []

    def work(k):
        if k == 3:
            raise NonFiniteError("here")
        done.append(k)
        return k

    with pytest.raises(NonFiniteError, match="here"):
        list(Workers(2).map(work, range(100)))
    assert len(done) < 20


def test_a_member_of_a_team_that_fails_or_an_interrupt_ends_all():
    """Who waits at a barrier is let go, and the threads serve the next call."""

    def kernel(who, error, member, members, sync):
        if member == who:
            raise error("here")
        meet(members, sync)

    for who, error in ((0, KeyboardInterrupt), (1, MemoryError), (2, ValueError)):
        with pytest.raises(error, match="here"):
            Workers(3).together(lambda *a, who=who, error=error: kernel(who, error, *a))
    met = Workers(3).together(lambda member, members, sync: meet(members, sync))
    assert met[MET] == 3


@pytest.mark.parametrize("tasks", [0, 2, 3, 10])
def test_every_task_is_taken_once_and_own_ones_first(tasks):
    members = 3
    sync = np.zeros(SIZE + members, np.int64)
    shares = [range(m * tasks // members, (m + 1) * tasks // members) for m in range(members)]
    own = [take(1, members, sync, tasks) for _ in shares[1]]
    assert own == list(shares[1])
    others = [take(1, members, sync, tasks) for _ in range(tasks - len(own) - len(shares[0]))]
    assert others == list(shares[2])
    assert [take(2, members, sync, tasks) for _ in shares[0]] == list(shares[0])
    assert [take(m, members, sync, tasks) for m in range(members)] == [-1] * members


def test_maps_inside_maps():
    """A helper that waits for its own items does not wait for a thread."""
    found = Workers(2).map(lambda k: sum(Workers(2).map(lambda i: k * i, range(5))), range(6))
    assert list(found) == [10 * k for k in range(6)]


def test_the_environment_sets_the_number_of_threads(monkeypatch):
    monkeypatch.setenv(VARIABLE, "3")
    assert default_threads() == Workers().threads == 3
    for wrong in ("0", "many", "-1"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ArgumentError, match=VARIABLE):
            default_threads()
    monkeypatch.delenv(VARIABLE)
    assert default_threads() == Workers().threads == 1


@pytest.mark.parametrize("states", [1, 2, 3, 5, 7, 8, 30])
def test_less_memory_gives_the_same_bits(states):
    layers = 8
    given, theta = system((24, 24), layers), control(layers)
    assert given.kept_states > layers
    cost, gradient = given.cost_and_gradient(theta)
    given.kept_states = states
    again = given.cost_and_gradient(theta)
    assert again[0] == cost
    np.testing.assert_array_equal(again[1], gradient)
    assert cost == given.cost(theta).total


def least_steps(layers, states):
    """The fewest steps that reverse a sweep, by trying every place for the next state that is kept."""
    table = {}

    def steps(left, free):
        if left == 1:
            return 0
        if not free:
            return left * (left - 1) // 2
        key = left, free
        if key not in table:
            table[key] = min(k + steps(left - k, free - 1) + steps(k, free) for k in range(1, left))
        return table[key]

    return steps(layers, states)


@pytest.mark.parametrize("layers", [1, 2, 5, 13, 40])
@pytest.mark.parametrize("states", [0, 1, 2, 3, 6, 50])
def test_backwards_takes_the_fewest_steps_and_keeps_no_more_states(layers, states):
    """State n is n: every step must start from the right one; the number of states alive is counted."""
    taken = []

    def advance(n, state):
        assert state[0] == n
        taken.append(n)
        return state + 1.0

    seen = [(n, float(state[0])) for n, state in backwards(advance, np.zeros(1), layers, states, "double")]
    assert seen == [(n, float(n)) for n in range(layers - 1, -1, -1)]
    assert len(taken) == least_steps(layers, min(states, layers - 1))
    if states:
        repeats = next(r for r in range(100) if comb(states + 1 + r, r) >= layers)
        assert max((taken.count(n) for n in set(taken)), default=0) <= max(repeats, 1)


def test_split_is_within_the_layers():
    for layers in range(2, 60):
        for states in range(1, 12):
            assert 1 <= split(layers, states) < layers


def test_a_system_that_is_sent_elsewhere_keeps_its_limits():
    given, theta = system((24, 24), 8, threads=2, memory=30_000, precision="single"), control(8)
    again = pickle.loads(pickle.dumps(given))
    assert again.kept_states == given.kept_states < 8
    assert again.flow.workers == given.flow.workers == Workers(2)
    np.testing.assert_array_equal(again.cost_and_gradient(theta)[1], given.cost_and_gradient(theta)[1])
    assert (again.cost_and_gradient(theta)[1] != system((24, 24), 8).cost_and_gradient(theta)[1]).any()


def test_memory_in_bytes_and_shares():
    assert states_within(1000, 100) == 10
    assert states_within(1, 100) == 1
    assert states_within(1.0, 2**20) > 100
    for wrong in (0, -1, 0.0, 1.5, True, "1GB", None):
        with pytest.raises(ArgumentError, match="memory"):
            states_within(wrong, 1)
    with pytest.raises(ArgumentError, match="precision"):
        system((8, 8), precision="half")


def test_single_precision_changes_the_gradient_by_its_round_off_and_the_cost_not_at_all():
    theta = control()
    cost, gradient = system((48, 48)).cost_and_gradient(theta)
    rounded = system((48, 48), precision="single").cost_and_gradient(theta)
    np.testing.assert_allclose(rounded[0], cost, rtol=1e-6)
    gap = np.abs(rounded[1] - gradient).max()
    assert 0.0 < gap <= 2.0**-23 * np.abs(gradient).max()


def test_single_precision_takes_half_the_memory():
    """Of all densities of a gradient, measured; and `memory` holds as many more of them."""
    peaks = {}
    for storage in ("double", "single"):
        given, theta = system(cells=(96, 96), layers=20, precision=storage), control(20)
        given.cost_and_gradient(theta)
        tracemalloc.start()
        given.cost_and_gradient(theta)
        peaks[storage] = tracemalloc.get_traced_memory()[1] / given.initial_masses.nbytes
        tracemalloc.stop()
    assert peaks["double"] - peaks["single"] >= 0.4 * 20, peaks


def test_solving_in_single_precision():
    double, single = (emfc.solve(toy_line(), toy_mesh(80), 10, precision=storage) for storage in ("double", "single"))
    assert single.converged, single.message
    np.testing.assert_allclose(single.cost, double.cost, rtol=1e-12)
    np.testing.assert_allclose(single.control, double.control, rtol=0, atol=1e-6)


def test_tanh_against_numpy():
    """Two units in the last place, the sign of zero, subnormal numbers, infinities, NaN."""
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.normal(size=3000), rng.choice([-1, 1], 3000) * 10.0 ** rng.uniform(-320, 3, 3000), [0.0, -0.0, 20, -20]]
    )
    value = x.copy()
    tanh(value)
    exact = np.tanh(x)
    assert np.abs(value - exact).max() <= 4 * np.finfo(float).eps
    assert (np.abs(value - exact) <= 3 * np.spacing(np.abs(exact))).all()
    assert (np.signbit(value) == np.signbit(x)).all()
    special = np.array([np.inf, -np.inf, np.nan])
    tanh(special)
    np.testing.assert_array_equal(special, [1.0, -1.0, np.nan])


def test_studies_tell_jobs_apart_by_storage_and_not_by_threads_and_memory(tmp_path):
    for options in ({}, {"threads": 2, "memory": 10**6}, {"precision": "single"}):
        emfc.studies.sweep(toy_line(), toy_mesh(16), 2, {"penalty": [1.0]}, folder=tmp_path, **options)
        stored = len(list(tmp_path.glob("*.npz")))
        assert stored == (2 if "precision" in options else 1)


@pytest.mark.parametrize("reconstruction", ["upwind", "muscl", "weno5"])
def test_finite_volumes_give_the_same_bits_in_any_number_of_threads_and_parts(reconstruction, monkeypatch):
    """Threads that read what others write would show, and so would wrong ends of parts."""
    mesh, theta = emfc.CartesianMesh([(-2.0, 2.0)] * 3, (24, 36, 31)), np.random.default_rng(1).normal(size=12)
    masses = np.exp(-4 * (mesh.centres**2).sum(axis=1)).reshape(1, *mesh.shape)
    masses[:, 5:9] = 0.0  # with jumps, so that limiters work
    found = []
    monkeypatch.setattr(euler_step, "PART", 1)
    for threads in (1, 3, 8):
        flow = Flow(emfc.fields.NeuralField(3), emfc.LayerMap(), Workers(threads))
        operator = emfc.continuity.FiniteVolume(reconstruction, substeps=1).on(mesh, flow)
        found.append(np.concatenate([a.ravel() for a in operator.step(Layer(0.0, 0.005, theta), masses)]))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
