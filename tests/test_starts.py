"""First controls: small and the same as ever, but hidden units start apart; symmetric ones are told."""

import warnings

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, SymmetricStartWarning
from eulerian_mfc.fields import (
    REGISTRY,
    AffineField,
    AgrachevSarychevField,
    BottleneckField,
    CustomField,
    GradientField,
    LinearControlField,
    NeuralField,
    PolynomialField,
    PotentialField,
    RadialBasisField,
    ScaledField,
    SumField,
)
from eulerian_mfc.fields.twins import twins

LAW = emfc.laws.Labelled(emfc.laws.Uniform([(-2.0, 2.0)]), lambda x: np.tanh(3 * x[:, 0]))
MESH = emfc.CartesianMesh([(-4.0, 4.0)], 64)


def problem(field, law=LAW, penalty=0.01, **changes):
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty, changes.pop("horizon", 1.0), **changes)


def law_of(dim, scale=1.0, shift=0.0):
    return emfc.laws.Labelled(emfc.laws.Gaussian([shift] * dim, scale), lambda x: x)


def two_units(t, u, x):
    return u[0] * np.tanh(u[1] * x + u[2]) + u[3] * np.tanh(u[4] * x + u[5])


AS_EVER = {
    "neural": NeuralField(2),
    "neural relu": NeuralField(3, "relu", bias=False),
    "one unit": BottleneckField(2, 1),
    "affine": AffineField(2),
    "polynomial": PolynomialField(2, 3),
    "agrachev_sarychev": AgrachevSarychevField(2),
    "radial_basis": RadialBasisField([[0.0], [1.0]], 0.01),
    "linear_control": LinearControlField([np.sin, np.sin, np.ones_like], 1),
    "gradient": GradientField([lambda x: np.cos(x[:, 0]), lambda x: np.cos(x[:, 0])], 1),
    "potential": PotentialField(lambda x: np.cos(x).sum(axis=1), 1) + AffineField(1),
    "custom": CustomField(lambda t, u, x: np.tanh(u[0] * x + u[1]) + np.cos(t) * u[2] * x, 1, 3),
    "sum": NeuralField(1) + AffineField(1) + AffineField(1),
    "scaled": ScaledField(NeuralField(2), np.cos),
}


@pytest.mark.parametrize("name", AS_EVER)
def test_fields_without_parts_that_can_be_exchanged_start_at_one_tenth_as_ever(name):
    """Redundant parameters, such as two equal linear fields, are no reason: the penalty makes them equal."""
    field = AS_EVER[name]
    assert (problem(field, law_of(field.dim)).start == 0.1).all()


def test_every_registered_field_is_here():
    fields = [*AS_EVER.values(), *(field for field, _ in PARTS.values())]
    parts = [part for field in fields if isinstance(field, SumField) for part in field.fields]
    assert {type(field) for field in (*fields, *parts)} == set(REGISTRY.values())


PARTS = {
    "bottleneck": (BottleneckField(1, 4), [[f"W1_{k},1", f"b1_{k}", f"W2_1,{k}"] for k in (1, 2, 3, 4)]),
    "bottleneck of the plane": (
        BottleneckField(2, 3, "relu"),
        [[f"W1_{k},1", f"W1_{k},2", f"b1_{k}", f"W2_1,{k}", f"W2_2,{k}"] for k in (1, 2, 3)],
    ),
    "equal fields": (NeuralField(1) + NeuralField(1), [["W (1)", "b (1)"], ["W (2)", "b (2)"]]),
    "behind a scaling": (
        ScaledField(NeuralField(1, bias=False) + NeuralField(1, bias=False), np.cos), [["W (1)"], ["W (2)"]]
    ),
    "equal sums": (
        SumField([BottleneckField(1, 2), BottleneckField(1, 2)]),
        [[f"W1_{k},1 ({j})", f"b1_{k} ({j})", f"W2_1,{k} ({j})"] for k in (1, 2) for j in (1, 2)],
    ),
    "a user's own": (CustomField(two_units, 1, 6), [["theta1", "theta2", "theta3"], ["theta4", "theta5", "theta6"]]),
    "a product": (CustomField(lambda t, u, x: u[0] * u[1] * x, 1, 2), [["theta1"], ["theta2"]]),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1e6, 3e6)])
def test_parts_that_can_be_exchanged_start_apart(name, scale, shift):
    """No two of them are equal or opposite at the start, whatever the unit of x; at 0.1 everywhere all are."""
    field, parts = PARTS[name]
    if scale > 1 and "bottleneck" not in name and name not in ("a product", "equal sums"):
        return  # tanh(0.1 x) is a step in that unit: without a derivative at 0.1 everywhere
    made = problem(field, law_of(field.dim, scale, shift))
    index = {name: i for i, name in enumerate(field.parameter_names)}
    units = np.array([[made.start[index[name]] for name in part] for part in parts])
    for i in range(len(units)):
        for j in range(i):
            for sign in (1.0, -1.0):
                assert np.abs(units[i] - sign * units[j]).max() > 1e-3 * np.abs(units).max(axis=0).min()
    assert not twins(field, made.start, *made.probes)
    if scale == 1:
        alike = twins(field, np.full(field.parameters, 0.1), *made.probes)
        assert {frozenset(g.tolist()) for g in alike} == {
            frozenset(index[part[k]] for part in parts) for k in range(len(parts[0]))
        }
    assert (problem(field, law_of(field.dim, scale, shift)).start == made.start).all()  # the same in every run


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_starts_of_hidden_units_have_the_units_of_the_law(unit):
    """`W2 tanh(W1 x + b1) + b2` moves states of another unit, in another unit of time, by the same share of their spread."""
    field = BottleneckField(2, 5)
    x = np.random.default_rng(0).normal(size=(50, 2))
    plain = problem(field, law_of(2))
    other = problem(field, law_of(2, unit, 3 * unit), horizon=7.0)
    moves = 7.0 * field(0.0, other.start, unit * (x + 3.0)) / unit
    np.testing.assert_allclose(moves, field(0.0, plain.start, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("penalty", "bound"), [(0.01, 0.07), (0.002, 0.02)])
def test_four_units_find_what_random_starts_find(penalty, bound):
    """From 0.1 everywhere four units are one, J = 0.1225 and 0.1193, twice and six times as much.

    One unit is among what four can do. Random starts of the particle twin, which has no mesh, are the truth to compare with.
    """
    four, one = (problem(BottleneckField(1, width), penalty=penalty) for width in (4, 1))
    solver = emfc.solvers.LBFGS(tol=1e-3, max_iterations=200)
    mesh = emfc.CartesianMesh(MESH.bounds, 128)  # on 64 cells an optimiser finds errors of the mesh
    found = emfc.solve(four, mesh, 10, solver=solver, layer_map="midpoint")
    single = emfc.solve(one, mesh, 10, solver=solver, layer_map="midpoint")
    twin = emfc.ParticleSystem(four, 10, layer_map="midpoint")
    rng = np.random.default_rng(0)
    ends = [solver.solve(twin, rng.normal(size=(10, four.parameters))).control for _ in range(3)]
    assert found.cost < bound
    assert found.cost < 1.25 * np.median([twin.cost(end).total for end in ends])
    assert found.cost < 1.01 * single.cost
    assert twin.cost(found.control).total == pytest.approx(found.cost, rel=0.05)


def test_no_start_and_the_documented_start_are_one():
    for field in (BottleneckField(1, 3), NeuralField(1)):
        made = problem(field)
        default = emfc.solve(made, MESH, 3)
        told = emfc.solve(made, MESH, 3, initial=made.start)
        assert (default.control == told.control).all()
        first = emfc.OptimalitySystem(made, MESH, 3).cost(made.start).total
        assert default.history[0].cost == first


def test_checkpoints_without_a_start_are_those_from_one_tenth(tmp_path):
    """As they always were: one run has one name, and a file of either is gone on with by the other."""
    made, path = problem(NeuralField(1)), tmp_path / "run.checkpoint"
    first = emfc.solve(made, MESH, 2, checkpoint=path)
    again = emfc.solve(made, MESH, 2, initial=0.1, checkpoint=path)
    assert (again.control == first.control).all()
    with pytest.raises(emfc.errors.FileFormatError):
        emfc.solve(made, MESH, 2, initial=0.2, checkpoint=path)


def test_continuation_and_studies_start_there_too():
    made = problem(BottleneckField(1, 2))
    (point,) = emfc.continuation(made, MESH, 3, penalties=[0.01])
    assert (point.control == emfc.solve(made, MESH, 3).control).all()
    sweep = emfc.studies.penalty_sweep(made, MESH, 3, [0.01, 1.0], reference="particles")
    assert f"{point.cost:.4g}"[:5] in sweep.table()


@pytest.mark.parametrize(
    ("field", "initial", "named"),
    [
        (BottleneckField(1, 3), 0.1, "W1_1,1, W1_2,1, W1_3,1"),
        (BottleneckField(1, 2), [1.0, -1.0, 0.5, -0.5, 0.3, -0.3, 0.0], "W1_1,1, W1_2,1"),  # opposite, which is the same
        (BottleneckField(1, 2), 0.0, "W1_1,1, W1_2,1, b1_1, b1_2"),
        (NeuralField(1) + NeuralField(1), 0.3, r"W \(1\), W \(2\)"),
        (NeuralField(1, "relu"), 0.0, "W, b"),
        (CustomField(two_units, 1, 6), 0.2, "theta[123], theta[456]"),
    ],
)  # fmt: skip
def test_symmetric_starts_that_the_solver_cannot_leave_are_told(field, initial, named):
    why = "have no influence" if initial == 0.0 else "are equivalent"
    with pytest.warns(SymmetricStartWarning, match=f"the parameters {named}.* of layer 1 {why}.*another control"):
        emfc.solve(problem(field), MESH, 2, initial=initial)


def test_one_layer_that_starts_alike_is_told():
    start = np.random.default_rng(0).normal(size=(3, 7))
    start[2] = 0.1
    with pytest.warns(SymmetricStartWarning, match="W1_1,1, W1_2,1 of layer 3"):
        emfc.solve(problem(BottleneckField(1, 2)), MESH, 3, initial=start)


def test_zero_of_a_symmetric_problem_is_told_where_it_is_no_minimum():
    """Translations of a law around 0 with the loss `(x^2 - 4)^2 / 16`: J is even in theta, with a maximum at zero."""
    law = emfc.laws.Labelled(emfc.laws.Uniform([(-0.5, 0.5)]), [[0.0]])
    wells = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] ** 2 - 4.0) ** 2 / 16, [0.0])
    made = emfc.Problem(AffineField(1, matrix=False), law, wells, 0.01, 1.0)
    told = "the first control is zero.*saddle point of index.*other controls may be better"
    with pytest.warns(SymmetricStartWarning, match=told):
        stuck = emfc.solve(made, MESH, 2, initial=0.0, solver=emfc.solvers.Shooting())
    with pytest.warns(emfc.errors.EulerianWarning):
        assert stuck.certificate.kind.startswith("saddle point")
    assert stuck.cost > 0.9
    assert emfc.solve(made, MESH, 2).cost < 0.2


def test_starts_that_are_fine_are_not_warned_of():
    """Zero that is the minimum, solutions that start others, and hidden units that a penalty makes equal, by dying out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SymmetricStartWarning)
        warnings.simplefilter("ignore", emfc.errors.BoundaryMassWarning)
        unmoved = emfc.Problem(NeuralField(1), law_of(1, 0.5), emfc.losses.SquaredLoss(), 1.0, 1.0)
        assert np.abs(emfc.solve(unmoved, MESH, 2, initial=0.0).control).max() < 1e-12
        few = problem(BottleneckField(1, 3))
        first = emfc.solve(few, MESH, 2)
        emfc.solve(few, MESH, 4, initial=first)
        emfc.solve(problem(BottleneckField(1, 3), penalty=10.0), MESH, 2)
        emfc.solve(problem(AffineField(1) + AffineField(1)), MESH, 2, initial=0.1)
        # Two of six rectified units are zero on all of the mass, at the start and for ever: the others do the work.
        start = np.concatenate([np.ones(6), [0.3, -0.3, 1.0, -1.0, -9.0, -9.0], 0.1 * np.arange(1.0, 8.0)])
        emfc.solve(problem(BottleneckField(1, 6, "relu")), MESH, 2, initial=start)


def test_random_starts_of_other_entries_have_units_of_their_own():
    """Multistart's, steering's and the estimators' are random in every parameter."""
    made = problem(BottleneckField(1, 3))
    system = emfc.OptimalitySystem(made, MESH, 2)
    from eulerian_mfc.controllability.continuation import random_start
    from eulerian_mfc.controllability.dynamics import Dynamics, transfer_of
    from eulerian_mfc.run.random_controls import random_controls

    x = np.array([[0.0], [1.0]])
    transfer = transfer_of(x, x, np.full(2, 0.5), Dynamics(made.field, 2, 1.0, "rk4"))
    for control in [*random_controls(system, 4), random_start(transfer, 0)]:
        for n in range(2):
            assert not twins(made.field, control[n], *made.probes)


def test_a_users_own_start_is_taken_and_checked():
    class Mine(AffineField):
        def start(self, centre, spread, horizon, seed=0):
            return np.array([0.5, float(centre[0])])

    assert problem(Mine(1), law_of(1, 1.0, 2.0)).start.tolist() == [0.5, 2.0]

    class Short(AffineField):
        def start(self, centre, spread, horizon, seed=0):
            return np.zeros(1)

    with pytest.raises(ArgumentError, match=r"field.start: got an array of shape \(1,\), expected 2 finite numbers"):
        _ = problem(Short(1)).start
