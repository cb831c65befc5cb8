"""Controlled fields: values against formulas written out point by point, pull-backs against their complex steps."""

import cmath
import json
from types import SimpleNamespace

import numpy as np
import pytest

from eulerian_mfc.errors import ArgumentError, NotAnalyticError
from eulerian_mfc.fields import (
    ACTIVATIONS,
    REGISTRY,
    AffineField,
    AgrachevSarychevField,
    CustomField,
    Field,
    LinearControlField,
    NeuralField,
)

#: the activations in scalar complex arithmetic
SCALAR = {
    "tanh": cmath.tanh,
    "sigmoid": lambda z: 1 / (1 + cmath.exp(-z)),
    "relu": lambda z: z if z.real > 0 else 0j,
    "softplus": lambda z: cmath.log(1 + cmath.exp(z)),
    "swish": lambda z: z / (1 + cmath.exp(-z)),
    "sin": cmath.sin,
}


def affine_rows(matrix, bias, dim):
    """`z_i = sum_j W_ij x_j + b_i`, theta = (W row by row, b)."""

    def row(t, theta, x):
        out = []
        for i in range(dim):
            z = sum(theta[i * dim + j] * x[j] for j in range(dim)) if matrix else 0j
            out.append(z + (theta[(dim * dim if matrix else 0) + i] if bias else 0j))
        return out

    return row


def neural_rows(activation, bias, dim):
    argument = affine_rows(True, bias, dim)
    return lambda t, theta, x: [SCALAR[activation](complex(z)) for z in argument(t, theta, x)]


def agrachev_sarychev_rows(dim):
    return lambda t, theta, x: [
        theta[i] + theta[dim + i] * cmath.exp(-sum(x[k] ** 2 for k in range(dim))) for i in range(dim)
    ]


# A control-linear field in the plane: u1 (sin x2, x1 x2) + u2 (1, exp(-x1^2)) + u3 (x1, x2).
LINEAR = [
    lambda x: np.stack([np.sin(x[:, 1]), x[:, 0] * x[:, 1]], axis=1),
    lambda x: np.stack([np.ones_like(x[:, 0]), np.exp(-(x[:, 0] ** 2))], axis=1),
    lambda x: x,
]
LINEAR_JACOBIANS = [
    lambda x: np.array([[[0.0, np.cos(b)], [b, a]] for a, b in x]),
    lambda x: np.array([[[0.0, 0.0], [-2 * a * np.exp(-(a**2)), 0.0]] for a, b in x]),
    lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)),
]


def linear_rows(t, u, x):
    a, b = x
    return [u[0] * cmath.sin(b) + u[1] + u[2] * a, u[0] * a * b + u[1] * cmath.exp(-a * a) + u[2] * b]


def custom(t, theta, x):
    """A field that depends on time, and on its parameters nonlinearly."""
    a, b = x[:, 0], x[:, 1]
    return np.stack([np.sin(theta[0] * a + t) * b, theta[1] * np.exp(-t * b**2) + theta[2] ** 2 * a], axis=1)


def custom_rows(t, theta, x):
    a, b = x
    return [cmath.sin(theta[0] * a + t) * b, theta[1] * cmath.exp(-t * b * b) + theta[2] ** 2 * a]


def custom_state_jacobian(t, theta, x):
    p, q, r = theta
    return np.array(
        [[[p * b * np.cos(p * a + t), np.sin(p * a + t)], [r**2, -2 * t * b * q * np.exp(-t * b * b)]] for a, b in x]
    )


def custom_parameter_jacobian(t, theta, x):
    p, _, r = theta
    return np.array([[[a * b * np.cos(p * a + t), 0, 0], [0, np.exp(-t * b * b), 2 * r * a]] for a, b in x])


CASES = {
    **{
        f"neural-{name}-{dim}d-{'bias' if bias else 'nobias'}": (
            NeuralField(dim, name, bias), neural_rows(name, bias, dim), dim * dim + dim * bias,
        )
        for name in ACTIVATIONS for dim in (1, 2, 3) for bias in (True, False)
    },
    **{
        f"affine-{dim}d-{matrix}-{bias}": (
            AffineField(dim, matrix, bias), affine_rows(matrix, bias, dim), dim * dim * matrix + dim * bias,
        )
        for dim in (1, 2, 3) for matrix, bias in ((True, True), (True, False), (False, True))
    },
    **{f"as-{dim}d": (AgrachevSarychevField(dim), agrachev_sarychev_rows(dim), 2 * dim) for dim in (1, 2, 3)},
    "linear-complex-step": (LinearControlField(LINEAR, 2), linear_rows, 3),
    "linear-jacobians": (LinearControlField(LINEAR, 2, LINEAR_JACOBIANS), linear_rows, 3),
    "custom-complex-step": (CustomField(custom, 2, 3), custom_rows, 3),
    "custom-jacobians": (
        CustomField(custom, 2, 3, custom_state_jacobian, custom_parameter_jacobian, speed=7.0), custom_rows, 3,
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", CASES)


def sample(name):
    """A field, its formula, a time, parameters, points and covectors."""
    field, rows, size = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    x, p = rng.normal(size=(2, 7, field.dim))
    return SimpleNamespace(field=field, rows=rows, t=0.63, theta=rng.normal(size=size), x=x, p=p)


def direct(case, theta, x):
    """The formula, row by row, complex."""
    return np.array([case.rows(case.t, list(theta), list(row)) for row in x], dtype=complex)


def test_every_registered_field_and_activation_is_here():
    """A field added to the registry, or an activation, needs a formula in this file."""
    assert {type(field) for field, _, _ in CASES.values()} == set(REGISTRY.values())
    assert set(ACTIVATIONS) == set(SCALAR)


@EACH
@pytest.mark.parametrize("order", ["C", "F"])
def test_value(name, order):
    """F(t, theta, x) equals the formula at every point (1e-14), for both memory orders of the points."""
    case = sample(name)
    value = case.field(case.t, case.theta, np.array(case.x, order=order))
    assert value.shape == case.x.shape
    assert value.dtype == np.float64
    np.testing.assert_allclose(value, direct(case, case.theta, case.x).real, rtol=1e-13, atol=1e-14)


@EACH
def test_pullback(name):
    """`D_x F^T p` and `sum_j D_theta F^T p` equal complex steps of the formula (1e-12); no argument is overwritten."""
    case = sample(name)
    if "relu" in name:
        away = affine_rows(True, case.field.bias, case.field.dim)
        assert min(abs(z) for row in case.x for z in away(0.0, case.theta, row)) > 1e-6
    step = 1e-30
    units = 1j * step * np.eye(case.field.dim), 1j * step * np.eye(len(case.theta))
    in_x = np.stack([(case.p * direct(case, case.theta, case.x + e).imag).sum(axis=1) / step for e in units[0]], axis=1)
    in_theta = np.array([(case.p * direct(case, case.theta + e, case.x).imag).sum() / step for e in units[1]])
    arguments = (case.theta, case.x, np.array(case.field(case.t, case.theta, case.x)), case.p)
    kept = [a.copy() for a in arguments]
    px, ptheta = case.field.pullback(case.t, *arguments)
    assert all(np.array_equal(before, after) for before, after in zip(kept, arguments, strict=True))
    assert (px.shape, ptheta.shape) == (in_x.shape, in_theta.shape)
    np.testing.assert_allclose(px, in_x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ptheta, in_theta, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "values", "slopes"),
    [
        ("tanh", (-1, 1), (0, 0)), ("sigmoid", (0, 1), (0, 0)), ("relu", (0, 800), (0, 1)),
        ("softplus", (0, 800), (0, 1)), ("swish", (0, 800), (0, 1)),
    ],
)  # fmt: skip
def test_far_arguments(activation, values, slopes):
    """At z = -800 and 800 values and slopes are the limits, without overflow warnings."""
    field, x, theta = NeuralField(1, activation, bias=False), np.array([[-800.0], [800.0]]), np.ones(1)
    value = field(0.0, theta, x)
    assert value[:, 0].tolist() == list(values)
    assert field.pullback(0.0, theta, x, value, np.ones((2, 1)))[0][:, 0].tolist() == list(slopes)


@EACH
def test_counts_and_spec(name):
    """As many parameters and names as the formula has; JSON and the registry rebuild built-in fields only."""
    field, _, size = CASES[name]
    assert field.parameters == size == len(field.parameter_names) == len(set(field.parameter_names))
    field.check()
    if isinstance(field, CustomField | LinearControlField):
        assert field.spec() is None
    else:
        spec = json.loads(json.dumps(field.spec()))
        assert REGISTRY[spec.pop("type")](**spec) == field


def test_parameter_names():
    """The order of names is that of theta: W row by row, then b; u_1..u_2d; the user's own."""
    assert NeuralField(2).parameter_names == ("W11", "W12", "W21", "W22", "b1", "b2")
    assert NeuralField(1, bias=False).parameter_names == ("W",)
    assert AffineField(2, matrix=False).parameter_names == ("b1", "b2")
    assert AffineField(1).parameter_names == ("W", "b")
    assert AgrachevSarychevField(1).parameter_names == ("u1", "u2")
    assert CustomField(custom, 2, 3, names=["p", "q", "r"]).parameter_names == ("p", "q", "r")
    assert CustomField(custom, 2, 3).parameter_names == ("theta1", "theta2", "theta3")


@EACH
def test_speed_bound(name):
    """`|F_i| <= speed_bound`, and comes within 2 % of it; without a bound some velocity exceeds 1000."""
    field, _, size = CASES[name]
    rng = np.random.default_rng(0)
    theta, x = 1e4 * rng.normal(size=(200, size)), rng.normal(size=(20, field.dim))
    if isinstance(field, CustomField):
        assert field.speed_bound == (7.0 if name == "custom-jacobians" else None)  # the user's word
        return
    largest = max(np.abs(field(0.0, row, x)).max() for row in theta)
    if field.speed_bound is None:
        assert largest > 1e3
    else:
        assert 0.98 * field.speed_bound < largest <= field.speed_bound


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: CustomField(lambda t, w, x: w[0] * np.abs(x), 1, 1), r"function \(in x\).*derivative 0 differs"),
        (lambda: CustomField(lambda t, w, x: w[0] * np.real(x), 2, 1), r"function \(in x\).*derivative 0 differs"),
        (lambda: CustomField(lambda t, w, x: w[0] * np.conj(x), 1, 1), r"function \(in x\).*derivative 0 differs"),
        (lambda: CustomField(lambda t, w, x: x + np.abs(w), 2, 2), r"function \(in theta\).*derivative 0 differs"),
        (lambda: CustomField(lambda t, w, x: w[0] * x + np.real(w[1]), 1, 2), r"\(in theta\).*derivative 1 differs"),
        (lambda: CustomField(lambda t, w, x: w[0] * np.cbrt(x), 1, 1), r"function \(in x\).*refuses complex"),
        (lambda: LinearControlField([np.sin, np.abs], 1), r"fields\[1\].*derivative 0 differs"),
        (lambda: LinearControlField([np.real], 2), r"fields\[0\].*derivative 0 differs"),
        (lambda: LinearControlField([np.cbrt], 1), r"fields\[0\].*refuses complex"),
    ],
)  # fmt: skip
def test_not_analytic(build, pattern):
    """Functions that the complex step cannot differentiate are refused by name."""
    with pytest.raises(NotAnalyticError, match=pattern):
        build()


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: LinearControlField([np.sin], 1, [lambda x: 2 * np.cos(x)[:, None]]), r"jacobians\[0\]"),
        (lambda: CustomField(custom, 2, 3, lambda *a: 0 * custom_state_jacobian(*a)), "state_jacobian"),
        (lambda: CustomField(custom, 2, 3, None, lambda *a: 2 * custom_parameter_jacobian(*a)), "parameter_jacobian"),
    ],
)
def test_wrong_derivatives(build, name):
    """Derivatives that the user passes are compared with differences too, and refused by their argument's name."""
    with pytest.raises(ArgumentError, match=f"{name}: got a derivative that differs from a finite difference"):
        build()


def test_derivatives_rescue_functions_that_are_not_analytic():
    """`|x|` with its derivative is a field, and its pull-back is the derivative that was passed."""
    field = LinearControlField([np.abs], 1, [lambda x: np.sign(x)[:, :, None]])
    x, p = np.array([[-2.0], [3.0]]), np.array([[5.0], [7.0]])
    px, pu = field.pullback(0.0, np.array([2.0]), x, field(0.0, np.array([2.0]), x), p)
    assert px.tolist() == [[-10.0], [14.0]]
    assert pu.tolist() == [2.0 * 5.0 + 3.0 * 7.0]


class Broken(Field):
    """A user's own subclass whose value or pull-back has a wrong shape or value."""

    dim, parameters = 2, 3

    def __init__(self, value=lambda x: x, px=lambda x: x, ptheta=(0.0, 0.0, 0.0)):
        self.value, self.px, self.ptheta = value, px, np.array(ptheta)

    def __call__(self, t, theta, x):
        return self.value(x)

    def pullback(self, t, theta, x, value, p):
        return self.px(x), self.ptheta


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: CustomField(lambda t, w, x: w[0] * x[:, 0], 2, 1), r"function: got .*\(5,\) at points \(5, 2\)"),
        (lambda: CustomField(lambda t, w, x: w[0] * x.T, 2, 1), r"function: got .*\(2, 5\) at points \(5, 2\)"),
        (lambda: CustomField(custom, 2, 3, names=["p", "q"]), r"names: got \['p', 'q'\], expected 3 names"),
        (lambda: CustomField(3.0, 2, 3), r"function: got 3.0"),
        (lambda: CustomField(custom, 2, 0), r"size: got 0"),
        (lambda: LinearControlField([np.sin, lambda x: x[:, :1]], 2), r"fields\[1\]: got .*\(5, 1\)"),
        (lambda: LinearControlField([], 2), r"fields: got \[\]"),
        (lambda: LinearControlField([np.sin], 1, LINEAR_JACOBIANS), r"jacobians: got 3 functions, expected one for"),
        (lambda: Broken(lambda x: x[:, 0]).check(), r"field: got .*\(5,\) at points \(5, 2\)"),
        (lambda: Broken(lambda x: x * np.nan).check(), r"field: got .*not finite"),
        (lambda: Broken(px=lambda x: x.T).check(), r"field.pullback: got shapes \(2, 5\) and \(3,\)"),
        (lambda: Broken(ptheta=[0.0]).check(), r"field.pullback: got shapes \(5, 2\) and \(1,\)"),
    ],
)  # fmt: skip
def test_wrong_shapes(build, pattern):
    """Wrong shapes and counts are refused, with what came and what was expected."""
    with pytest.raises(ArgumentError, match=pattern):
        build()
