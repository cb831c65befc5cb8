"""Users' derivatives are compared with differences where the mass is: what is wrong is refused, what is right never is."""

import copy

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, NotAnalyticError
from eulerian_mfc.fields import (
    AffineField,
    AgrachevSarychevField,
    BottleneckField,
    CustomField,
    LinearControlField,
    NeuralField,
    PolynomialField,
    RadialBasisField,
    ScaledField,
)
from eulerian_mfc.losses import LabelLoss


def problem(field, law=None, **changes):
    law = emfc.laws.Gaussian([0.0] * field.dim, 1.5) if law is None else law
    labelled = emfc.laws.Labelled(law, lambda x: x)
    return emfc.Problem(field, labelled, emfc.losses.SquaredLoss(), 1.0, 1.0, **changes)


def beyond(t, theta, x):
    """`theta max(|x| - 3, 0) sign(x)`: zero, and analytic, at most of the mass."""
    return theta[0] * np.maximum(np.abs(x) - 3.0, 0.0) * np.sign(np.real(x))


NOT_ANALYTIC = {
    "far out": (beyond, r"function \(in x\).*where the finite difference is 0\.0\d+, at x = \[-?[3-6]\.\d+\], t = "),
    "late": (lambda t, u, x: u[0] * (np.abs(x) if t > 0.5 else x), r"\(in x\).*t = 0.61"),
    "in the last layers": (lambda t, u, x: u[0] * (np.abs(x) if t > 0.9 else x), r"\(in x\).*t = 0.97"),
    "large parameters": (
        lambda t, u, x: x * u[0] + x * np.maximum(np.abs(u[0]) - 5.0, 0.0), r"\(in theta\).*at x = \[-\d+\.\d+\] of theta",
    ),
    "small values": (lambda t, u, x: 1e-9 * u[0] * np.abs(x), r"\(in x\).*derivative 0 differs"),
    "large offset": (lambda t, u, x: 1e5 + u[0] + np.abs(x), r"\(in x\).*derivative 0 differs"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_fields_that_are_not_analytic_somewhere_in_the_law_are_refused(name):
    function, pattern = NOT_ANALYTIC[name]
    with pytest.raises(NotAnalyticError, match=pattern):
        problem(CustomField(function, 1, 1))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_check_has_the_units_of_the_law(unit):
    """`s tanh(theta |x| / s)` is refused, and `s tanh(theta x / s)` is not, in every unit s of x."""
    law = emfc.laws.Gaussian([0.0], 1.5 * unit)
    with pytest.raises(NotAnalyticError, match=r"derivative 0 differs"):
        problem(CustomField(lambda t, u, x: unit * np.tanh(u[0] * np.abs(x) / unit + u[1]), 1, 2), law)
    problem(CustomField(lambda t, u, x: unit * np.tanh(u[0] * x / unit + u[1]) * np.cos(30 * t), 1, 2), law)


def test_every_coordinate_has_a_unit_of_its_own():
    """A kink in x2, which is of size 1, beside x1 of size 1e10; and the same without the kink."""
    law = emfc.laws.Gaussian([1e10, 0.0], [1e9, 1.0])

    def pair(bend):
        return CustomField(lambda t, u, x: np.stack([u[0] * x[:, 0], u[1] * np.sin(bend(x[:, 1]))], axis=1), 2, 2)

    problem(pair(lambda z: z), law)
    with pytest.raises(NotAnalyticError, match=r"derivative 1 differs"):
        problem(pair(lambda z: np.maximum(np.abs(z) - 2.0, 0.0)), law)


def test_small_parts_of_sums_are_looked_at_as_well():
    """A part that is a millionth of the other, and one behind a scaling."""
    small = CustomField(lambda t, u, x: 1e-6 * beyond(t, u, x), 1, 1)
    for field in (NeuralField(1) + small, 2.0 * small, ScaledField(NeuralField(1) + small, np.cos)):
        with pytest.raises(NotAnalyticError, match=r"function \(in x\)"):
            problem(field)
    with pytest.raises(NotAnalyticError, match=r"fields\[1\].*at x = \[-?[3-6]"):
        problem(LinearControlField([np.sin, lambda x: beyond(0.0, [1.0], x)], 1))


class Wrong(AffineField):
    """Its pull-back is one per cent too long in x, or in theta."""

    factors = (1.01, 1.0)

    def pullback(self, at, p):
        px, ptheta = super().pullback(at, p)
        return self.factors[0] * px, self.factors[1] * ptheta


@pytest.mark.parametrize(("factors", "where"), [((1.01, 1.0), "in x"), ((1.0, 0.99), "in theta")])
def test_a_wrong_pullback_of_a_users_own_class_is_refused(factors, where, monkeypatch):
    monkeypatch.setattr(Wrong, "factors", factors)
    with pytest.raises(ArgumentError, match=rf"field.pullback \({where}\): got a derivative that differs"):
        problem(Wrong(2))
    monkeypatch.setattr(Wrong, "factors", (1.0, 1.0))
    problem(Wrong(2))


def swirl(t, u, x):
    return np.stack([u[0] * x[:, 1], -u[1] * x[:, 0] * np.cos(t)], axis=1)


OWN = {
    **{f"neural {a}": NeuralField(2, a) for a in emfc.fields.ACTIVATIONS},
    **{f"bottleneck {a}": BottleneckField(1, 5, a) for a in emfc.fields.ACTIVATIONS},
    "affine": AffineField(3),
    "translations": AffineField(2, matrix=False),
    "polynomial": PolynomialField(2, 4),
    "two constants": AgrachevSarychevField(3),
    "narrow bumps": RadialBasisField([[0.0, 0.0], [1.0, 0.0]], 0.01),
    "linear": LinearControlField([np.sin, np.ones_like, lambda x: 1e-9 * x**3], 2),
    "custom": CustomField(swirl, 2, 2),
    "sum": NeuralField(1) + 3.0 * AffineField(1) + ScaledField(BottleneckField(1, 2), np.cos),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_right_fields_are_never_refused(name, unit):
    """The package's own, taken for a user's class, in units of x from 1e-6 to 1e6, on laws far from the origin and lattices."""
    field = copy.copy(OWN[name])
    theirs = type(type(field).__name__, (type(field),), {"__module__": "elsewhere"})
    object.__setattr__(field, "__class__", theirs)
    for law in (emfc.laws.Gaussian([0.3 * unit] * field.dim, unit), emfc.laws.Uniform([(unit, 2 * unit)] * field.dim)):
        made = problem(field, law)
        if field.any_dim:
            made.augmented(1)
    lattice = np.stack(np.meshgrid(*[[0.0, unit, 2 * unit]] * field.dim), axis=-1).reshape(-1, field.dim)
    emfc.Problem(field, emfc.laws.Empirical(lattice, lattice), emfc.losses.SquaredLoss(), 1.0, 1.0, bounds=(0.0, 1.0))


SHAPES = {
    "steps": np.tanh,
    "bumps": lambda z: np.exp(-(z**2)),
    "waves": np.sin,
    "kinks": lambda z: np.where(np.real(z) > 0, z, 0.3 * z),
    "offset": lambda z: 1e8 + np.sin(z),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-4, 1e-6])
def test_stiff_functions_that_are_analytic_are_never_refused(shape, width):
    """Down to a millionth of the law's deviation; and the same far from the origin."""
    centred, far = emfc.laws.Gaussian([0.0], 1.0), emfc.laws.Gaussian([1e6], 1.0)
    f = SHAPES[shape]
    problem(CustomField(lambda t, u, x: u[0] * f(x / width), 1, 1), centred)
    problem(CustomField(lambda t, u, x: u[0] * f((x - 1e6) / max(width, 1e-4)), 1, 1), far)
    problem(CustomField(lambda t, u, x: f(u[0] * x / width), 1, 1), centred)


def test_where_a_function_is_not_finite_nothing_is_compared():
    """`exp(5 theta x)` overflows for the largest parameters; `sqrt(x)` ends at the law's edge."""
    problem(CustomField(lambda t, u, x: np.exp(np.where(np.abs(u[0]) > 5.0, 1e3, 5.0) * u[0] * x), 1, 1))


def single(function):
    """The same, computed with single precision inside."""

    def coarse(z):
        return function(z.astype(np.complex64 if np.iscomplexobj(z) else np.float32))

    return coarse


SINGLE = {
    "values": lambda: CustomField(lambda t, u, x: (u[0] * np.tanh(x)).astype(np.float32), 1, 1),
    "inside": lambda: CustomField(lambda t, u, x: u[0] * single(np.tanh)(x), 1, 1),
    "cast": lambda: CustomField(lambda t, u, x: u[0] * np.tanh(x.astype(np.float32)), 1, 1),
    "small": lambda: CustomField(lambda t, u, x: 1e-8 * u[0] * single(np.tanh)(x), 1, 1),
    "parameters": lambda: CustomField(lambda t, u, x: single(np.sin)(u)[0].astype(np.float64) * x, 1, 1),
    "given": lambda: CustomField(
        lambda t, u, x: u[0] * single(np.sin)(x), 1, 1,
        lambda t, u, x: u[0] * np.cos(x)[:, :, None], lambda t, u, x: np.sin(x)[:, :, None],
    ),
    "loss": lambda: LabelLoss(lambda x, y: single(np.square)(x[:, 0] - y[0]), [0.3]).gradient(
        np.linspace(-1, 1, 9)[:, None], np.full((9, 1), 0.3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.filterwarnings("error")
def test_single_precision_is_called_by_its_name(name):
    with pytest.raises((ArgumentError, NotAnalyticError), match=r"single precision.*float64") as caught:
        SINGLE[name]()
    assert "not analytic" not in str(caught.value)
    assert "abs" not in str(caught.value)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_loss_is_judged_relative_to_its_size(unit):
    """`s |x - y|` is refused in every unit s of the cost, `s (x - y)^2` and squares of `|x| - 1.5` beyond 1.5 are not."""
    x = np.random.default_rng(0).normal(size=(50, 1))
    y = np.full((50, 1), 0.3)
    with pytest.raises(NotAnalyticError, match=r"derivative 0 differs.*label \[0.3\]"):
        LabelLoss(lambda z, y: unit * np.abs(z[:, 0] - y[0]), [0.3]).gradient(x, y)
    with pytest.raises(NotAnalyticError, match=r"at x = \[-?(1\.[5-9]|2)"):
        LabelLoss(lambda z, y: unit * np.maximum(np.abs(z[:, 0]) - 1.5, 0.0), [0.3]).gradient(np.sort(x, axis=0), y)
    smooth = LabelLoss(lambda z, y: unit * (z[:, 0] - y[0]) ** 2, [0.3])
    np.testing.assert_allclose(smooth.gradient(x, y), 2 * unit * (x - y), rtol=1e-12)


def test_particles_do_not_converge_on_a_loss_without_a_derivative():
    """At 1e-6 |x - y| the complex step has the gradient zero, and residual 0 <= 0 was called converged."""
    loss = LabelLoss(lambda x, y: 1e-6 * np.abs(x[:, 0] - y[0]), [0.3])
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), [[0.3]])
    system = emfc.ParticleSystem(emfc.Problem(AffineField(1), law, loss, 1e-6, 1.0), 2)
    with pytest.raises(NotAnalyticError):
        emfc.solvers.LBFGS().solve(system, 0.1)


def test_the_check_costs_little():
    """A few hundred evaluations, whatever the law."""
    calls = []

    def counted(t, u, x):
        calls.append(len(x))
        return np.tanh(u[0] * x + u[1])

    field = CustomField(counted, 1, 2)
    calls.clear()
    problem(field)
    assert len(calls) <= 200
    assert max(calls) <= 100
