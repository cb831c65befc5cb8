"""What fields, losses and laws owe, over every registry: something registered and not listed here fails."""

import json
import pickle
import sys
from itertools import pairwise

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import fields, laws, losses
from eulerian_mfc.derivatives.differences import along
from eulerian_mfc.errors import ArgumentError, FileFormatError
from eulerian_mfc.fields import Direction
from eulerian_mfc.laws import LabelledLaw, ProductRule, refined_rule

from .test_fields import CASES, sample

# --- fields


def test_every_field_is_tested():
    assert {type(case[0]) for case in CASES.values()} == set(fields.REGISTRY.values())


@pytest.mark.parametrize("name", CASES)
def test_pullbacks_are_dual_to_tangents(name):
    """`<p, DF (dtheta, dx)> = <D_x F^T p, dx> + <D_theta F^T p, dtheta>`, to round-off, and the same one derivative higher."""
    case, rng = sample(name), np.random.default_rng(7)
    at = case.field.at(case.t, case.theta, case.x)
    move = Direction(rng.normal(size=case.theta.shape), rng.normal(size=case.x.shape))
    px, ptheta = case.field.pullback(at, case.p)
    one = float((case.p * case.field.tangent(at, move)).sum())
    other = float((px * move.x).sum() + ptheta @ move.theta)
    size = np.abs(px * move.x).sum() + np.abs(ptheta * move.theta).sum()
    assert abs(one - other) <= 1e-13 * size
    # The second derivative is symmetric in its two directions.
    second = Direction(rng.normal(size=case.theta.shape), rng.normal(size=case.x.shape))
    still = np.zeros_like(case.p)
    pairs = []
    for a, b in ((move, second), (second, move)):
        change = case.field.pullback_tangent(at, case.p, a, still)
        pairs.append(float((change[0] * b.x).sum() + change[1] @ b.theta))
    assert abs(pairs[0] - pairs[1]) <= 1e-8 * (np.abs(pairs).max() + 1)


@pytest.mark.parametrize("name", CASES)
def test_fields_keep_what_they_say(name):
    """Bounds of the speed, no dependence on time, linearity in theta, finite starts, points one by one."""
    case = sample(name)
    field, rng = case.field, np.random.default_rng(1)
    theta, eta = 30.0 * rng.normal(size=(2, field.parameters))
    with np.errstate(over="ignore"):
        value = field(case.t, theta, case.x)
        if field.speed_bound is not None and name != "custom-jacobians":  # whose bound is the user's
            assert np.abs(value).max() <= field.speed_bound
        if field.autonomous:
            np.testing.assert_array_equal(field(7.3, theta, case.x), value)
        if field.control_linear:
            both = field(case.t, theta + 2.0 * eta, case.x)
            np.testing.assert_allclose(both, value + 2.0 * field(case.t, eta, case.x), rtol=1e-10, atol=1e-9)
    start = field.start(np.zeros(field.dim), np.ones(field.dim), 1.0)
    assert start.shape == (field.parameters,)
    assert np.isfinite(start).all()
    alone = np.concatenate([field(case.t, case.theta, row[None]) for row in case.x])
    np.testing.assert_allclose(alone, field(case.t, case.theta, case.x), rtol=1e-13, atol=1e-14)


# --- losses

READOUT, LABELS = np.array([[1.0, -0.5], [0.3, 2.0]]), [[-1.0, 0.0], [1.0, 0.5]]


def robust(x, y):
    return np.log1p(((x - y) ** 2).sum(axis=1))


#: by name: the loss in units (a state of 1 is written as `unit`), and the power of the unit that its value has
LOSSES = {
    "squared": (lambda unit: losses.SquaredLoss(), 2),
    "squared, read out": (lambda unit: losses.SquaredLoss(losses.Readout(READOUT, [0.1 * unit, 0.2 * unit])), 2),
    "cross-entropy": (lambda unit: losses.CrossEntropy(np.multiply(LABELS, unit), losses.Readout(READOUT / unit)), 0),
    "hinge": (lambda unit: losses.Hinge(np.multiply(LABELS, unit), losses.Readout(READOUT / unit), [1.0, 3.0]), 0),
    "hinge of power 1": (lambda unit: losses.Hinge(np.multiply(LABELS, unit), losses.Readout(READOUT / unit), power=1), 0),
    "huber": (lambda unit: losses.Huber(np.multiply(LABELS, unit), threshold=0.7 * unit), 2),
    "label": (lambda unit: losses.LabelLoss(lambda x, y: robust(x / unit, y / unit), np.multiply(LABELS, unit)), 0),
    "first coordinates": (lambda unit: losses.FirstCoordinates(losses.SquaredLoss(), 2), 2),
    "state": (lambda unit: losses.StateLoss(lambda x: robust(x / unit, 0.2)), 0),
    "sum": (lambda unit: losses.SquaredLoss() + 0.3 * losses.StateLoss(lambda x: (x**2).sum(axis=1)), 2),
}  # fmt: skip


def pairs(unit=1.0):
    """States `(n, d)` and labels `(n, 2)`."""
    rng = np.random.default_rng(0)
    return unit * rng.normal(size=(60, 2)), unit * np.array(LABELS)[rng.integers(2, size=60)]


def test_every_loss_is_tested():
    """Costs of the density have their own tests, see test_density_costs.py."""
    linear = {kind for kind in losses.REGISTRY.values() if not issubclass(kind, losses.DensityCost)}
    assert {type(make(1.0)) for make, _ in LOSSES.values()} == linear


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_losses(name):
    """Against differences, also those of the final potentials."""
    loss, (x, y) = LOSSES[name][0](1.0), pairs()
    form = loss.separate(2, 2, np.array(LABELS), "auto")
    for k, e in enumerate(np.eye(2)):

        def moved(s, e=e):
            return loss.value(x + s * e, y)[:, None], *form.terminal(x + s * e)[..., None]

        value, *potentials = along(moved, 1.0)
        np.testing.assert_allclose(loss.gradient(x, y)[:, k], value[:, 0], rtol=0, atol=1e-8)
        np.testing.assert_allclose(form.terminal_gradient(x)[..., k], [p[:, 0] for p in potentials], rtol=0, atol=1e-8)


#: losses that have a form by moments
MOMENTS = (losses.SquaredLoss, losses.FirstCoordinates, losses.StateLoss, losses.CompositeLoss)


@pytest.mark.parametrize("representation", ["auto", "moments", "labels"])
@pytest.mark.parametrize("name", LOSSES)
def test_separable_forms_are_the_loss(name, representation):
    """`c_0(y) + sum_r a_r(x) c_r(y)`, and the total mass as a combination of the moments."""
    loss, (x, y) = LOSSES[name][0](1.0), pairs()
    if representation == "moments" and not isinstance(loss, MOMENTS):
        with pytest.raises(ArgumentError, match="representation: got 'moments'"):
            loss.separate(2, 2, np.array(LABELS), representation)
        return
    form = loss.separate(2, 2, np.array(LABELS), representation)
    moments = form.moments(y)
    found = form.offset(y) + (form.terminal(x) * moments).sum(axis=0)
    np.testing.assert_allclose(found, loss.value(x, y), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(form.total @ moments, np.ones(len(y)), rtol=1e-15)
    signed = np.array(form.signed or [False] * len(form.names))
    assert (moments[~signed] >= 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_predictions_use_the_loss_without_weights(name):
    loss, (x, _) = LOSSES[name][0](1.0), pairs()
    weights = [1.0, 3.0] if name == "hinge" else [1.0, 1.0]
    by_label = [loss.value(x, np.tile(label, (len(x), 1))) / w for label, w in zip(LABELS, weights, strict=True)]
    np.testing.assert_allclose(loss.misfit(x, np.array(LABELS)), np.stack(by_label, axis=1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_in_other_units(name, unit):
    make, power = LOSSES[name]
    known, found = make(1.0), make(unit)
    np.testing.assert_allclose(found.value(*pairs(unit)), unit**power * known.value(*pairs()), rtol=1e-11)
    scaled = unit ** (power - 1) * known.gradient(*pairs())
    np.testing.assert_allclose(found.gradient(*pairs(unit)), scaled, rtol=1e-10, atol=1e-12 * np.abs(scaled).max())


@pytest.mark.parametrize("name", LOSSES)
def test_losses_come_back_from_files(name):
    """By their JSON, but for those of a user's function; in other processes all that can be pickled."""
    loss = LOSSES[name][0](1.0)
    if name in ("label", "state", "sum"):
        assert loss.spec() is None
        return
    for back in (losses.from_spec(json.loads(json.dumps(loss.spec()))), pickle.loads(pickle.dumps(loss))):
        np.testing.assert_array_equal(back.value(*pairs()), loss.value(*pairs()))
        assert back.spec() == loss.spec()


@pytest.mark.parametrize("name", ["squared", "cross-entropy", "hinge", "huber"])
def test_second_derivatives_of_trained_losses(name):
    """The curvature in the outputs that Newton's method for a read-out uses, against differences of the slopes."""
    loss = LOSSES[name][0](1.0)
    loss = loss.with_readout(losses.TrainedReadout(0.1))
    assert loss.trained
    heads = loss.separate(2, 2, np.array(LABELS), "auto").training.heads
    rng = np.random.default_rng(2)
    z, count = rng.normal(size=(40, 2)), len(heads.value(np.zeros((1, 2))))
    masses = rng.uniform(size=(count, 40))
    curvature = heads.curvature(z, masses)
    for k, e in enumerate(np.eye(2)):
        (found,) = along(lambda s, e=e: (np.einsum("rn,rnp->np", masses, heads.slope(z + s * e)),), 1.0)
        np.testing.assert_allclose(curvature[:, :, k], found, rtol=0, atol=1e-8)


def test_files_of_unknown_losses():
    with pytest.raises(FileFormatError, match="unknown loss 'magic'"):
        losses.from_spec({"type": "magic"})


# --- laws

RNG = np.random.default_rng(3)
#: by name: the law in units
LAWS = {
    "empirical": lambda u: laws.Empirical(u * np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]]), [1.0, 2.0, 3.0], [0.2, 0.5, 0.3]),
    "gaussian": lambda u: laws.Gaussian([0.5 * u], 0.7 * u),
    "gaussian, cut off": lambda u: laws.Gaussian([0.5 * u, 0.0], 0.7 * u, truncation=1.1 * u),
    "gaussian in space": lambda u: laws.Gaussian([0.5 * u, 0.0, u], [0.7 * u, 0.2 * u, 0.4 * u]),
    "mixture": lambda u: laws.GaussianMixture([[-u, 0.0], [u, u]], 0.4 * u, [0.3, 0.7]),
    "uniform": lambda u: laws.Uniform([(-u, u), (0.0, 3.0 * u)]),
    "ball": lambda u: laws.UniformBall([0.2 * u, 0.0], 1.5 * u),
    "ball in space": lambda u: laws.UniformBall([0.2 * u, 0.0, 0.0], 1.5 * u),
    "labelled": lambda u: laws.Labelled(laws.Gaussian([0.0], u), np.sign, breaks=[0.0]),
    "labelled mixture": lambda u: laws.Labelled(laws.GaussianMixture([[-u], [u]], 0.4 * u), [[-1.0], [1.0]]),
    "augmented": lambda u: laws.Augmented(laws.Labelled(laws.Uniform([(-u, u)]), [[1.0]]), 1),
}  # fmt: skip


def test_every_law_is_tested():
    assert {type(make(1.0)) for make in LAWS.values()} == set(laws.REGISTRY.values())
    abstract = {laws.Law, LabelledLaw}
    public = [value for value in map(vars(laws).get, laws.__all__) if isinstance(value, type)]
    assert {kind for kind in public if issubclass(kind, tuple(abstract))} - abstract == set(laws.REGISTRY.values())


def observed(x):
    """Bounded functions of the inputs, `(4, n)`."""
    return np.stack([np.cos(x.sum(axis=1)), np.sin(2.0 * x[:, 0]), np.exp(-(x**2).sum(axis=1)), np.tanh(x[:, -1])])


@pytest.mark.parametrize("name", LAWS)
def test_quadrature_against_sampling(name):
    """Means of four functions by the rule and by 200,000 samples, within five standard errors; labels too."""
    law = LAWS[name](1.0)
    rule, drawn = law.quadrature(), law.sample(200_000, 0)
    x, y = drawn if isinstance(law, LabelledLaw) else (drawn, None)
    assert abs(rule.w.sum() - 1.0) <= 1e-12
    values = observed(x)
    errors = np.abs(values.mean(axis=1) - observed(rule.x) @ rule.w)
    assert (errors <= 5.0 * values.std(axis=1) / np.sqrt(len(x)) + 1e-12).all()
    if y is not None:
        labels = np.abs(y.mean(axis=0) - rule.w @ rule.y)
        assert (labels <= 5.0 * y.std(axis=0) / np.sqrt(len(y)) + 1e-12).all()


@pytest.mark.parametrize("name", LAWS)
def test_boxes_of_laws_hold_their_mass(name):
    law = LAWS[name](1.0)
    drawn = law.sample(50_000, 1)
    x = drawn[0] if isinstance(law, LabelledLaw) else drawn
    for tolerance in (1e-1, 1e-3):
        low, high = law.box(tolerance).T
        assert ((x < low) | (x > high)).any(axis=1).mean() <= tolerance + 5.0 * np.sqrt(tolerance / len(x))


@pytest.mark.parametrize("name", LAWS)
def test_rules_of_laws_agree(name):
    """Lines refine the rule; its pieces and products are it; a rule refined for a function integrates that as well."""
    law, dim = LAWS[name](1.0), LAWS[name](1.0).dim
    rule, fine = law.quadrature(), law.quadrature([np.linspace(-3.0, 4.0, 12)] * dim)
    expected = observed(rule.x) @ rule.w
    np.testing.assert_allclose(observed(fine.x) @ fine.w, expected, rtol=0, atol=1e-7)
    if not isinstance(law, LabelledLaw):
        blocks = [observed(b.x) @ b.w for b in law.blocks()]
        np.testing.assert_allclose(np.sum(blocks, axis=0), expected, rtol=0, atol=1e-12)
        return
    total = np.zeros(4)
    for piece in law.pieces(products=True):
        if isinstance(piece, ProductRule):
            x = np.stack([g.ravel() for g in np.meshgrid(*[a for a, _ in piece.axes], indexing="ij")], axis=1)
            w = np.prod(np.meshgrid(*[a for _, a in piece.axes], indexing="ij"), axis=0).ravel() * piece.w
        else:
            x, w = piece.x, piece.w
        total += observed(x) @ w
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-8)
    refined = refined_rule(law, lambda x, y: observed(x)[0], 1e-10)
    assert abs(refined.integral - expected[0]) <= 1e-9
    assert refined.error <= 1e-10


@pytest.mark.parametrize("name", LAWS)
def test_laws_in_other_units(name):
    """A law of lengths times 1000 has points, samples and boxes times 1000."""
    law, larger = LAWS[name](1.0), LAWS[name](1000.0)
    (known, found), (a, b) = (m.quadrature() for m in (law, larger)), (m.sample(20, 5) for m in (law, larger))
    np.testing.assert_allclose(found.x, 1000.0 * known.x, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.w, known.w, rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(larger.box(1e-3), 1000.0 * law.box(1e-3), rtol=1e-12)
    a, b = (m[0] if isinstance(law, LabelledLaw) else m for m in (a, b))
    np.testing.assert_allclose(b, 1000.0 * a, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_samples_of_laws_follow_their_seed_also_in_other_processes(name):
    law = LAWS[name](1.0)
    back = pickle.loads(pickle.dumps(law))
    draws = [m.sample(7, 11) if isinstance(law, LabelledLaw) else (m.sample(7, 11),) for m in (law, law, back)]
    for a, b in pairwise(draws):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)


# --- a user's own, in a file of her own

MINE = """
import numpy as np
from eulerian_mfc.fields import Field
from eulerian_mfc.laws import Law, LabelledLaw, LabelledRule, Rule
from eulerian_mfc.losses import Loss

class Drift(Field):
    dim, parameters = 1, 2

    def __call__(self, t, theta, x):
        return np.tanh(theta[0] * x + theta[1])

    def pullback(self, at, p):
        q = (1.0 - at.value**2) * p
        return at.theta[0] * q, np.array([(q * at.x).sum(), q.sum()])

class Distance(Loss):
    def value(self, x, y):
        return FACTOR * ((x - y) ** 2).sum(axis=1)

    def gradient(self, x, y):
        return 2.0 * FACTOR * (x - y)

class Interval(Law):
    dim = 1

    def quadrature(self, lines=None, breaks=None):
        ends = np.unique(np.concatenate([[-1.0, 1.0], *(np.clip(l[0], -1.0, 1.0) for l in (lines, breaks) if l is not None)]))
        nodes, weights = np.polynomial.legendre.leggauss(8)
        half = np.diff(ends)[:, None] / 2
        x, w = (ends[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel() / 2
        return Rule(x[:, None], w, np.zeros(len(w), dtype=int))

    def draw(self, n, rng):
        return rng.uniform(-1.0, 1.0, size=(n, 1)), np.zeros(n, dtype=int)

    def box(self, tolerance):
        return np.array([[-1.0, 1.0]])

class Two(LabelledLaw):
    dim, label_dim = 1, 1

    def quadrature(self, lines=None):
        return LabelledRule(np.array([[-0.5], [0.5]]), np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]))

    def sample(self, n, seed=None):
        sign = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, 1))
        return 0.5 * sign, sign

    def box(self, tolerance):
        return np.array([[-0.5, 0.5]])

FACTOR = {factor}
"""


@pytest.fixture(autouse=True)
def no_byte_code(monkeypatch):
    """Files that change within a second, and keep their size, would else be read from the byte code of before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Makes a module of the user's file, with a factor of the loss."""
    import importlib.util

    def make(factor=1.0):
        path = tmp_path / "my_parts.py"
        path.write_text(MINE.replace("{factor}", str(factor)))
        spec = importlib.util.spec_from_file_location("my_parts", path)
        found = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "my_parts", found)
        spec.loader.exec_module(found)
        return found

    return make


MESH = emfc.CartesianMesh([(-3.0, 3.0)], 60)


def known(**changes):
    """A problem of the package's own parts, or with others."""
    parts = {
        "field": fields.NeuralField(1),
        "law": laws.Labelled(laws.Uniform([(-1.0, 1.0)]), np.sign, breaks=[0.0]),
        "loss": losses.SquaredLoss(), "penalty": 0.5, "horizon": 1.0, "representation": "labels",
    }  # fmt: skip
    return emfc.Problem(**(parts | changes))


#: by the name of the part: its argument, made of the module
OWN = {
    "field": lambda m: {"field": m.Drift()},
    "loss": lambda m: {"loss": m.Distance()},
    "law": lambda m: {"law": laws.Labelled(m.Interval(), np.sign, breaks=[0.0])},
}


@pytest.mark.parametrize("part", OWN)
def test_parts_of_a_users_own_solve_as_the_packages(part, mine, tmp_path):
    """The same optimum, and a file that comes back with the problem."""
    problem = known(**OWN[part](mine()))
    solution, expected = (emfc.solve(p, MESH, layers=4) for p in (problem, known()))
    assert solution.converged
    assert abs(solution.cost - expected.cost) <= 1e-11
    np.testing.assert_allclose(solution.control, expected.control, rtol=0, atol=1e-7)
    assert 1.9 < solution.taylor_slope() < 2.1
    solution.save(tmp_path / "a.h5")
    back = emfc.Solution.load(tmp_path / "a.h5")
    assert back.cost == solution.cost
    back = emfc.Solution.load(tmp_path / "a.h5", problem)
    x = np.linspace(-1.0, 1.0, 9)[:, None]
    np.testing.assert_array_equal(back.flow(x), solution.flow(x))
    if part == "loss":
        with pytest.raises(ArgumentError, match="problem: got a problem whose cost"):
            emfc.Solution.load(tmp_path / "a.h5", known(loss=mine(3.0).Distance()))


def test_a_law_of_pairs_of_a_users_own(mine):
    two = laws.Empirical([-0.5, 0.5], [-1.0, 1.0])
    found, expected = (emfc.solve(known(law=law), MESH, layers=4) for law in (mine().Two(), two))
    assert abs(found.cost - expected.cost) <= 1e-12


@pytest.mark.parametrize("part", OWN)
def test_studies_of_parts_of_a_users_own(part, mine, tmp_path):
    """Stored by content: done once, and again where the file has changed."""

    def study(problem):
        return emfc.studies.mesh_convergence(
            problem, cells=[30, 45, 60], layers=3, bounds=[(-3.0, 3.0)], folder=tmp_path / "study"
        )  # fmt: skip

    first = study(known(**OWN[part](mine())))
    assert not first.failures
    count = len(list((tmp_path / "study").rglob("*")))
    again = study(known(**OWN[part](mine())))
    assert len(list((tmp_path / "study").rglob("*"))) == count
    assert [r["cost"] for r in again.records] == [r["cost"] for r in first.records]
    if part == "loss":
        other = study(known(loss=mine(3.0).Distance()))
        assert all(a["cost"] != b["cost"] for a, b in zip(other.records, first.records, strict=True))


class NoShape(losses.Loss):
    def value(self, x, y):
        return (x - y) ** 2

    def gradient(self, x, y):
        return 2 * (x - y)


def test_a_loss_of_a_users_own_with_another_shape_is_refused():
    with pytest.raises(ArgumentError, match=r"loss.value: got an array of shape \(2, 1\) for 2 states"):
        known(loss=NoShape())
    with pytest.raises(ArgumentError, match="more than 64 distinct labels"):
        NoShape().separate(1, 1, None, "auto")
    with pytest.raises(ArgumentError, match="representation: got 'moments'"):
        known(loss=NoShape(), representation="moments")
