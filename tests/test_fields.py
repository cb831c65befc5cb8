"""Controlled fields: values against formulas written out point by point, pull-backs against their complex steps."""

import cmath
import json
from types import SimpleNamespace

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, FileFormatError, NotAnalyticError
from eulerian_mfc.fields import (
    ACTIVATIONS,
    REGISTRY,
    AffineField,
    AgrachevSarychevField,
    BottleneckField,
    CustomField,
    Direction,
    Field,
    GradientField,
    LinearControlField,
    NeuralField,
    PolynomialField,
    PotentialField,
    RadialBasisField,
    ScaledField,
    SumField,
    from_spec,
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


def bottleneck_rows(activation, width, dim):
    """Theta = (W1 row by row, b1, W2 row by row, b2), unit by unit."""

    def row(t, theta, x):
        inner, shift = theta[: width * dim], theta[width * dim : width * dim + width]
        outer, last = theta[width * dim + width : 2 * width * dim + width], theta[2 * width * dim + width :]
        units = [sum(inner[k * dim + j] * x[j] for j in range(dim)) + shift[k] for k in range(width)]
        hidden = [SCALAR[activation](complex(z)) for z in units]
        return [sum(outer[i * width + k] * hidden[k] for k in range(width)) + last[i] for i in range(dim)]

    return row


#: the monomials of `PolynomialField` in its order, as functions of a point
MONOMIALS = {
    (1, 3): [lambda x: 1, lambda x: x[0], lambda x: x[0] ** 2, lambda x: x[0] ** 3],
    (2, 0): [lambda x: 1],
    (2, 2): [
        lambda x: 1, lambda x: x[0], lambda x: x[1], lambda x: x[0] ** 2, lambda x: x[0] * x[1], lambda x: x[1] ** 2,
    ],
    (3, 1): [lambda x: 1, lambda x: x[0], lambda x: x[1], lambda x: x[2]],
}  # fmt: skip


def spanned_rows(functions, dim):
    """`sum_k b_k(x) u_k`, theta = (u_1, u_2, ..)."""
    return lambda t, u, x: [sum(b(x) * u[k * dim + i] for k, b in enumerate(functions)) for i in range(dim)]


CENTRES = [[0.3, -0.2], [-1.0, 0.5], [0.0, 1.1]]


def bump(centre, width):
    return lambda x: cmath.exp(-sum((x[i] - c) ** 2 for i, c in enumerate(centre)) / width**2)


def sum_rows(*parts):
    """Pairs (rows, size) added, each with its own parameters."""

    def row(t, theta, x):
        out, start = 0, 0
        for rows, size in parts:
            out = out + np.array(rows(t, theta[start : start + size], x), dtype=complex)
            start += size
        return list(out)

    return row


def scaled_rows(scale, rows):
    return lambda t, theta, x: [scale(t) * v for v in rows(t, theta, x)]


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


def wells(x):
    """Two wells, and a coupling of neighbours."""
    return ((x**2 - 1.0) ** 2).sum(axis=1) / 4.0 + np.sin(x[:, 0] * x[:, -1])


def wells_gradient(x):
    out = x**3 - x
    out[:, 0] += x[:, -1] * np.cos(x[:, 0] * x[:, -1])
    out[:, -1] += x[:, 0] * np.cos(x[:, 0] * x[:, -1])
    return out


def wells_rows(strength):
    def rows(t, theta, x):
        a, b = x
        return [-strength * (a**3 - a + b * cmath.cos(a * b)), -strength * (b**3 - b + a * cmath.cos(a * b))]

    return rows


def ring(x):
    return np.exp(-(x**2).sum(axis=1))


def ring_gradient(x):
    return -2.0 * x * ring(x)[:, None]


def gradient_rows(t, theta, x):
    (first,), (second,) = ([u] for u in theta)
    down, bump = wells_rows(-1.0)(t, [], x), -2.0 * cmath.exp(-(x[0] ** 2) - x[1] ** 2)
    return [first * d + second * bump * c for d, c in zip(down, x, strict=True)]


def drift(t, theta, x):
    return custom(t, [0.7, -1.2, 0.4], x)


def drift_rows(t, theta, x):
    return custom_rows(t, [0.7, -1.2, 0.4], x)


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
    **{
        f"bottleneck-{name}-{dim}d-{width}": (
            BottleneckField(dim, width, name), bottleneck_rows(name, width, dim), 2 * width * dim + width + dim,
        )
        for name, dim, width in (("tanh", 2, 5), ("swish", 3, 2), ("sin", 1, 3), ("softplus", 2, 1))
    },
    **{
        f"polynomial-{dim}d-{degree}": (
            PolynomialField(dim, degree), spanned_rows(functions, dim), len(functions) * dim,
        )
        for (dim, degree), functions in MONOMIALS.items()
    },
    "radial-1d": (RadialBasisField([[0.4]], 0.7), spanned_rows([bump([0.4], 0.7)], 1), 1),
    "radial-2d": (RadialBasisField(CENTRES, 1.3), spanned_rows([bump(c, 1.3) for c in CENTRES], 2), 6),
    "sum": (
        NeuralField(2) + PolynomialField(2, 2),
        sum_rows((neural_rows("tanh", True, 2), 6), (spanned_rows(MONOMIALS[2, 2], 2), 12)), 18,
    ),
    "sum-bounded": (
        SumField([NeuralField(1), 0.5 * NeuralField(1, "sin", bias=False)]),
        sum_rows((neural_rows("tanh", True, 1), 2), (scaled_rows(lambda t: 0.5, neural_rows("sin", False, 1)), 1)), 3,
    ),
    "scaled": (-2.5 * NeuralField(3), scaled_rows(lambda t: -2.5, neural_rows("tanh", True, 3)), 12),
    "scaled-in-time": (
        ScaledField(CustomField(custom, 2, 3), np.cos), scaled_rows(cmath.cos, custom_rows), 3,
    ),
    "linear-complex-step": (LinearControlField(LINEAR, 2), linear_rows, 3),
    "linear-jacobians": (LinearControlField(LINEAR, 2, LINEAR_JACOBIANS), linear_rows, 3),
    "potential": (PotentialField(wells, 2, wells_gradient, strength=1.7), wells_rows(1.7), 0),
    "potential-plus-control": (
        PotentialField(wells, 2, wells_gradient) + AffineField(2),
        sum_rows((wells_rows(1.0), 0), (affine_rows(True, True, 2), 6)), 6,
    ),
    "gradients": (GradientField([wells, ring], 2, [wells_gradient, ring_gradient]), gradient_rows, 2),
    "drift": (CustomField(drift, 2, 0), drift_rows, 0),
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
    at = case.field.at(case.t, case.theta, case.x)
    arguments = (case.theta, case.x, at.value, case.p)
    kept = [a.copy() for a in arguments]
    px, ptheta = case.field.pullback(at, case.p)
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
    at = field.at(0.0, theta, x)
    assert at.value[:, 0].tolist() == list(values)
    assert field.pullback(at, np.ones((2, 1)))[0][:, 0].tolist() == list(slopes)


@EACH
def test_counts_and_spec(name):
    """As many parameters and names as the formula has; JSON and the registry rebuild built-in fields only."""
    field, _, size = CASES[name]
    assert field.parameters == size == len(field.parameter_names) == len(set(field.parameter_names))
    field.check()
    of_functions = CustomField | LinearControlField | PotentialField | GradientField
    if isinstance(field, of_functions) or name in ("scaled-in-time", "potential-plus-control"):
        assert field.spec() is None
    else:
        assert from_spec(json.loads(json.dumps(field.spec()))) == field


def test_parameter_names():
    """The order of names is that of theta: W row by row, then b; u_1..u_2d; the user's own."""
    assert NeuralField(2).parameter_names == ("W11", "W12", "W21", "W22", "b1", "b2")
    assert NeuralField(1, bias=False).parameter_names == ("W",)
    assert AffineField(2, matrix=False).parameter_names == ("b1", "b2")
    assert AffineField(1).parameter_names == ("W", "b")
    assert AgrachevSarychevField(1).parameter_names == ("u1", "u2")
    hidden = ("W1_1,1", "W1_1,2", "b1_1", "W2_1,1", "W2_2,1", "b2_1", "b2_2")
    assert BottleneckField(2, 1).parameter_names == hidden
    assert PolynomialField(2, 1).parameter_names == ("d1", "d2", "x1 d1", "x1 d2", "x2 d1", "x2 d2")
    assert PolynomialField(1, 2).parameter_names == ("d1", "x1 d1", "x1^2 d1")
    assert RadialBasisField([[0.0], [1.0]]).parameter_names == ("bump1 d1", "bump2 d1")
    assert (NeuralField(1, bias=False) + AffineField(1)).parameter_names == ("W (1)", "W (2)", "b (2)")
    assert CustomField(custom, 2, 3, names=["p", "q", "r"]).parameter_names == ("p", "q", "r")
    assert CustomField(custom, 2, 3).parameter_names == ("theta1", "theta2", "theta3")


@EACH
def test_speed_bound(name):
    """`|F_i| <= speed_bound`, and comes within 2 % of it; without a bound some velocity exceeds 1000."""
    field, _, size = CASES[name]
    rng = np.random.default_rng(0)
    theta, x = 1e4 * rng.normal(size=(200, size)), rng.normal(size=(20, field.dim))
    if name in ("scaled-in-time", "potential"):
        assert field.speed_bound is None
        return
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
    px, pu = field.pullback(field.at(0.0, np.array([2.0]), x), p)
    assert px.tolist() == [[-10.0], [14.0]]
    assert pu.tolist() == [2.0 * 5.0 + 3.0 * 7.0]


@EACH
def test_tangents(name):
    """`tangent` and `pullback_tangent` equal central differences of value and pull-back (1e-6 relative: their error)."""
    case = sample(name)
    if "relu" in name:
        return
    rng = np.random.default_rng(1)
    dtheta, dx, dp = rng.normal(size=case.theta.shape), *rng.normal(size=(2, *case.x.shape))
    at, along = case.field.at(case.t, case.theta, case.x), Direction(dtheta, dx)

    def difference(function):
        ahead, behind = (function(s) for s in (1e-5, -1e-5))
        return [(a - b) / 2e-5 for a, b in zip(ahead, behind, strict=True)]

    def moved(s):
        theta, x, p = case.theta + s * dtheta, case.x + s * dx, case.p + s * dp
        at = case.field.at(case.t, theta, x)
        return at.value, *case.field.pullback(at, p)

    found = (
        case.field.tangent(at, along),
        *case.field.pullback_tangent(at, case.p, along, dp),
    )
    for a, b in zip(found, difference(moved), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * (1 + np.abs(b).max(initial=0.0)))


def test_sums_and_scalings_say_what_their_parts_are():
    """Control-linear and autonomous where all the parts are; a bump at the origin with constants is the source's family."""
    constants, bumps = AffineField(2, matrix=False), RadialBasisField([[0.0, 0.0]])
    both, rng = constants + bumps, np.random.default_rng(0)
    x, u = rng.normal(size=(5, 2)), rng.normal(size=4)
    np.testing.assert_allclose(both(0.0, u, x), AgrachevSarychevField(2)(0.0, u, x), rtol=1e-14)
    assert both.control_linear
    assert not (both + NeuralField(2)).control_linear
    assert (2.0 * both).autonomous
    assert not ScaledField(both, np.cos).autonomous
    assert ScaledField(both, np.cos).control_linear


def test_fields_in_larger_spaces():
    """The same kind, all else equal; centres get zeros; parts of sums one by one; user functions refuse."""
    assert BottleneckField(2, 5, "sin").raised(1) == BottleneckField(3, 5, "sin")
    assert PolynomialField(1, 3).raised(2) == PolynomialField(3, 3)
    assert RadialBasisField([[0.5, 1.0]], 0.3).raised(1) == RadialBasisField([[0.5, 1.0, 0.0]], 0.3)
    assert (NeuralField(1) + 2 * AffineField(1)).raised(1) == NeuralField(2) + 2 * AffineField(2)
    with pytest.raises(ArgumentError, match="field: got a CustomField, which is made for dimension 2, expected field="):
        CustomField(custom, 2, 3).raised(1)


def test_files_of_unknown_fields():
    with pytest.raises(FileFormatError, match="unknown field 'magic'"):
        from_spec({"type": "sum", "fields": [{"type": "magic"}]})


class Broken(Field):
    """A user's own subclass whose value or pull-back has a wrong shape or value."""

    dim, parameters = 2, 3

    def __init__(self, value=lambda x: x, px=lambda x: x, ptheta=(0.0, 0.0, 0.0)):
        self.value, self.px, self.ptheta = value, px, np.array(ptheta)

    def __call__(self, t, theta, x):
        return self.value(x)

    def pullback(self, at, p):
        return self.px(at.x), self.ptheta


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: CustomField(lambda t, w, x: w[0] * x[:, 0], 2, 1), r"function: got .*\(5,\) at points \(5, 2\)"),
        (lambda: CustomField(lambda t, w, x: w[0] * x.T, 2, 1), r"function: got .*\(2, 5\) at points \(5, 2\)"),
        (lambda: CustomField(custom, 2, 3, names=["p", "q"]), r"names: got \['p', 'q'\], expected 3 names"),
        (lambda: CustomField(3.0, 2, 3), r"function: got 3.0"),
        (lambda: CustomField(custom, 2, -1), r"size: got -1"),
        (lambda: LinearControlField([np.sin, lambda x: x[:, :1]], 2), r"fields\[1\]: got .*\(5, 1\)"),
        (lambda: BottleneckField(2, 0), r"width: got 0"),
        (lambda: PolynomialField(2, -1), r"degree: got -1"),
        (lambda: RadialBasisField([0.0, 1.0]), r"centres: got an array of shape \(2,\)"),
        (lambda: RadialBasisField([[0.0], [0.0]]), r"centres: got 2 rows, which are not distinct"),
        (lambda: RadialBasisField([[0.0]], width=0.0), r"width: got 0.0"),
        (lambda: SumField([NeuralField(1), NeuralField(2)]), r"fields: got dimensions \[1, 2\]"),
        (lambda: SumField([]), r"fields: got \[\]"),
        (lambda: ScaledField(NeuralField(1), "twice"), r"scale: got 'twice'"),
        (lambda: ScaledField(NeuralField(1), lambda t: np.nan), r"scale: got nan"),
        (lambda: LinearControlField([], 2), r"fields: got \[\]"),
        (lambda: LinearControlField([np.sin], 1, LINEAR_JACOBIANS), r"jacobians: got 3 functions, expected one function"),
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


def on(low, high, function, size=1, bounds=None, **derivatives):
    """A problem of a user's function whose law is uniform on an interval."""
    law = emfc.laws.Labelled(emfc.laws.Uniform([(low, high)]), lambda x: x)
    field = CustomField(function, 1, size, autonomous=True, **derivatives)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1.0, 1.0, bounds=bounds)


class Logarithm(Field):
    """`theta log(x)`, by a class of the user's."""

    dim = parameters = 1

    def __call__(self, t, theta, x):
        return theta[0] * np.log(x)

    def pullback(self, at, p):
        return at.theta[0] / at.x * p, np.array([(np.log(at.x) * p).sum()])


def test_fields_are_looked_at_where_the_law_has_its_mass():
    """`theta log(x)` on (1, 2) is a field; at normal points, of which some are negative, it is not."""
    assert on(1.0, 2.0, lambda t, c, x: c[0] * np.log(x)).parameters == 1
    on(101.0, 102.0, lambda t, c, x: c[0] * np.log(x - 100.0))  # at no normal point at all
    on(1.0, 2.0, lambda t, c, x: np.log(c[0] * c[1] * c[2]) * x, 3, (0.1, 2.0))
    law = emfc.laws.Labelled(emfc.laws.Uniform([(1.0, 2.0)]), lambda x: x)
    for field in (Logarithm(), LinearControlField([np.log, np.sqrt], 1)):
        emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    told = r"field: got values that are not finite at all 32 points of the law, such as x = \[.*move the law"
    for low, high in ((1.0, 2.0), (-3.0, -1.0)):
        with pytest.raises(ArgumentError, match=told):
            on(low, high, lambda t, c, x: c[0] * np.log(x - 100.0))


def test_wrong_derivatives_are_refused_where_the_law_has_its_mass():
    """Also of fields that are not defined at the random points of the constructor."""
    wrong = lambda t, c, x: (2 * c[0] / (x - 100.0))[:, :, None]  # noqa: E731
    with pytest.raises(ArgumentError, match="state_jacobian: got a derivative that differs"):
        on(101.0, 102.0, lambda t, c, x: c[0] * np.log(x - 100.0), state_jacobian=wrong)
    with pytest.raises(NotAnalyticError, match=r"function \(in x\) cannot be differentiated"):
        on(101.0, 102.0, lambda t, c, x: c[0] * np.abs(np.log(x - 100.0) - 0.3))


def test_fields_without_a_complex_step_derivative_say_what_to_pass():
    for build, form in (
        (lambda: CustomField(lambda t, c, x: c[0] * np.abs(x), 1, 1), r"CustomField\(\.\.\., state_jacobian="),
        (lambda: CustomField(lambda t, c, x: np.abs(c[0]) * x, 1, 1), r"CustomField\(\.\.\., parameter_jacobian="),
        (lambda: LinearControlField([np.abs], 1), r"LinearControlField\(fields, dim, jacobians="),
    ):
        with pytest.raises(NotAnalyticError, match=f"pass its derivatives: {form}"):
            build()


@pytest.mark.parametrize(
    ("plain", "exact"),
    [
        (PotentialField(wells, 2, strength=1.7), PotentialField(wells, 2, wells_gradient, strength=1.7)),
        (GradientField([wells, ring], 2), GradientField([wells, ring], 2, [wells_gradient, ring_gradient])),
    ],
    ids=["potential", "gradients"],
)
def test_gradients_that_are_not_given(plain, exact):
    """Values to round-off, since the complex step is exact; derivatives by differences of it."""
    rng = np.random.default_rng(3)
    x, dx, p, dp = rng.normal(size=(4, 9, 2))
    theta, dtheta = rng.normal(size=(2, plain.parameters))
    one, other = (field.at(0.0, theta, x) for field in (plain, exact))
    np.testing.assert_allclose(one.value, other.value, rtol=1e-13, atol=1e-14)
    along = Direction(dtheta, dx)
    for a, b in zip(plain.pullback(one, p), exact.pullback(other, p), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plain.tangent(one, along), exact.tangent(other, along), rtol=1e-9, atol=1e-9)
    for a, b in zip(
        plain.pullback_tangent(one, p, along, dp), exact.pullback_tangent(other, p, along, dp), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_a_langevin_drift_in_units():
    """Derivatives of a potential that is not given as a gradient, where states are of size 1e-3 and 1e3."""
    for unit in (1e-3, 1e3):
        field = PotentialField(lambda x, a=unit: a**2 * np.cos(x / a).sum(axis=1), 2)
        x, p = unit * np.random.default_rng(0).normal(size=(8, 2)), np.ones((8, 2))
        px, _ = field.pullback(field.at(0.0, np.empty(0), x), p)
        np.testing.assert_allclose(px, np.cos(x / unit), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PotentialField(lambda x: x, 2), r"potential: got a value of shape \(5, 2\)"),
        (lambda: PotentialField(3.0, 2), r"potential: got 3.0, expected a function"),
        (lambda: PotentialField(ring, 2, ring), r"gradient: got a value of shape \(5,\)"),
        (lambda: PotentialField(ring, 2, lambda x: x), r"gradient: got a derivative that"),
        (lambda: PotentialField(ring, 2, strength="big"), r"strength"),
        (lambda: PotentialField(ring, 0), r"dim: got 0"),
        (lambda: GradientField([], 2), r"potentials: got \[\], expected a non-empty"),
        (lambda: GradientField([ring], 2, []), r"gradients: got 0 functions, expected one function per potential"),
        (lambda: GradientField([ring, lambda x: x], 2), r"potentials\[1\]: got a value of shape"),
    ],
)
def test_wrong_potentials_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_potentials_without_a_complex_step():
    with pytest.raises(NotAnalyticError, match=r"PotentialField\(...\) with the gradient, a function of x with values"):
        PotentialField(lambda x: np.abs(x).sum(axis=1), 1)
    smooth = PotentialField(lambda x: (np.abs(x) ** 4).sum(axis=1), 1, lambda x: 4.0 * x**3)
    assert smooth(0.0, np.empty(0), np.array([[-2.0]])).tolist() == [[32.0]]


def test_a_field_without_parameters_is_refused_alone():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), [[0.0]])
    for drift in (PotentialField(ring, 1), CustomField(lambda t, theta, x: -x, 1, 0), 2.0 * PotentialField(ring, 1)):
        with pytest.raises(ArgumentError, match="without parameters, which cannot be controlled, expected the sum"):
            emfc.Problem(drift, law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
        assert (
            emfc.Problem(drift + AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0).parameters
            == 2
        )
