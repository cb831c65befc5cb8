"""Layer maps against textbook steps and exact flows; their pull-backs against complex steps of the textbook steps."""

import numpy as np
import pytest
from scipy.integrate import DOP853, RK45, solve_ivp

from eulerian_mfc.fields import AgrachevSarychevField, CustomField, NeuralField
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.flow.tableaux import METHODS as NAMES
from eulerian_mfc.flow.tableaux import tableau_of

METHODS = pytest.mark.parametrize("method", NAMES)
ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4, "dopri5": 5, "dop853": 8}
#: steps at which the order shows, before round-off
SUBSTEPS = {"dopri5": [2, 4, 8, 16], "dop853": [1, 2, 3, 4]}


def neural(t, theta, x):
    """`tanh(W x + b)` in the plane, for real and complex arguments."""
    return np.tanh(x @ theta[:4].reshape(2, 2).T + theta[4:])


def swish_line(t, theta, x):
    z = theta[0] * x + theta[1]
    return z / (1 + np.exp(-z))


def agrachev_sarychev(t, theta, x):
    return theta[:3] + theta[3:] * np.exp(-(x**2).sum(axis=1, keepdims=True))


def timed(t, theta, x):
    """A field in the plane that depends on time in every entry, and on its parameters nonlinearly."""
    a, b = x[:, 0], x[:, 1]
    return np.stack([np.sin(theta[0] * a + 3 * t) * b, theta[1] * np.cos(2 * t + b) + t**2 * theta[2] ** 2 * a], axis=1)


#: the package's field, its formula here, number of parameters
FIELDS = {
    "neural-2d": (NeuralField(2, "tanh"), neural, 6),
    "swish-1d": (NeuralField(1, "swish"), swish_line, 2),
    "agrachev-sarychev-3d": (AgrachevSarychevField(3), agrachev_sarychev, 6),
    "time-dependent-2d": (CustomField(timed, 2, 3), timed, 3),
}
EACH = pytest.mark.parametrize("name", FIELDS)


def textbook(method, f, t, dt, x):
    """One step of the named method for `dx/dt = f(t, x)`, as textbooks write it."""
    if method == "euler":
        return x + dt * f(t, x)
    if method == "midpoint":
        return x + dt * f(t + dt / 2, x + dt / 2 * f(t, x))
    if method in ("dopri5", "dop853"):  # SciPy's integrators, one step of the given length
        integrator = {"dopri5": RK45, "dop853": DOP853}[method]

        def flat(time, state):
            return f(time, state.reshape(x.shape)).ravel()

        solver = integrator(flat, t, x.ravel(), t + dt, first_step=dt, rtol=1e6, atol=1e6)
        solver.step()
        return solver.y.reshape(x.shape)
    k1 = f(t, x)
    k2 = f(t + dt / 2, x + dt / 2 * k1)
    k3 = f(t + dt / 2, x + dt / 2 * k2)
    k4 = f(t + dt, x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def reference(method, substeps, function, layer, theta, x):
    """The whole layer by textbook steps; theta and x may be complex."""
    dt = layer.length / substeps
    for k in range(substeps):
        x = textbook(method, lambda t, z: function(t, theta, z), layer.start + k * dt, dt, x)
    return x


def sample(name):
    """A field, its formula, a layer that does not start at 0, points and covectors."""
    field, function, size = FIELDS[name]
    rng = np.random.default_rng(7)
    x, p = rng.normal(size=(2, 9, field.dim))
    return field, function, Layer(0.35, 0.4, rng.normal(size=size)), x, p


def slope(substeps, errors):
    """Observed order: least-squares slope of log error over log step."""
    return -np.polyfit(np.log(substeps), np.log(errors), 1)[0]


def test_euler_layer_is_a_residual_network():
    """One Euler step is `x + dt tanh(W x + b)`, to round-off; depth M of them is the network."""
    rng = np.random.default_rng(0)
    x, matrices, shifts = rng.normal(size=(20, 2)), rng.normal(size=(5, 2, 2)), rng.normal(size=(5, 2))
    network, ours = x, x
    for n, (w, b) in enumerate(zip(matrices, shifts, strict=True)):
        network = np.array([z + 0.2 * np.tanh(w @ z + b) for z in network])
        layer = Layer(0.2 * n, 0.2, np.concatenate([w.ravel(), b]))
        ours = LayerMap("euler")(NeuralField(2, "tanh"), layer, ours)
        np.testing.assert_allclose(ours, network, rtol=0, atol=1e-14)


@EACH
@METHODS
@pytest.mark.parametrize("substeps", [1, 3])
def test_layer_is_the_textbook_method(name, method, substeps):
    """Every method, with substeps, equals its textbook form to round-off (1e-14), for fields with and without time."""
    field, function, layer, x, _ = sample(name)
    expected = reference(method, substeps, function, layer, layer.theta, x)
    np.testing.assert_allclose(LayerMap(method, substeps)(field, layer, x), expected, rtol=1e-14, atol=1e-14)


@METHODS
def test_order_against_the_exact_flow(method):
    """`F = tanh(theta x)`: `sinh(theta x(t)) = exp(theta t) sinh(theta x0)`; orders 1, 2, 4 within 0.15 by slope."""
    theta, x0 = 1.3, np.linspace(-1.5, 1.7, 12)[:, None]
    exact = np.arcsinh(np.exp(theta * 1.0) * np.sinh(theta * x0)) / theta
    field, layer = NeuralField(1, "tanh", bias=False), Layer(0.0, 1.0, np.array([theta]))
    substeps = [8, 16, 32, 64]
    errors = [np.abs(LayerMap(method, s)(field, layer, x0) - exact).max() for s in substeps]
    assert slope(substeps, errors) == pytest.approx(ORDERS[method], abs=0.15)
    assert errors[-1] < {"euler": 1e-2, "midpoint": 1e-4, "rk4": 1e-8}[method]
    assert LayerMap(method).order == tableau_of(method).order == ORDERS[method]


@METHODS
def test_order_for_a_field_that_depends_on_time(method):
    """`F = theta cos(t) (1 + x^2)` from t = 0.7: `x(t) = tan(arctan x0 + theta (sin t - sin 0.7))`."""
    field = CustomField(lambda t, theta, x: theta * np.cos(t) * (1 + x**2), 1, 1)
    x0 = np.linspace(-0.6, 0.3, 8)[:, None]
    exact = np.tan(np.arctan(x0) + 0.9 * (np.sin(2.3) - np.sin(0.7)))
    substeps = [32, 64, 128, 256]
    layer = Layer(0.7, 1.6, np.array([0.9]))
    errors = [np.abs(LayerMap(method, s)(field, layer, x0) - exact).max() for s in substeps]
    assert slope(substeps, errors) == pytest.approx(ORDERS[method], abs=0.15)
    assert errors[-1] < {"euler": 1e-2, "midpoint": 1e-4, "rk4": 1e-8}[method]


@EACH
def test_fine_layer_against_an_adaptive_solver(name):
    """RK4 with 64 substeps agrees with DOP853 at rtol 1e-12 to 1e-9, every field."""
    field, function, layer, x, _ = sample(name)
    rate = lambda t, z: function(t, layer.theta, z.reshape(x.shape)).ravel()  # noqa: E731
    span = (layer.start, layer.start + layer.length)
    end = solve_ivp(rate, span, x.ravel(), method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(LayerMap("rk4", 64)(field, layer, x), end.reshape(x.shape), rtol=0, atol=1e-9)


@EACH
@METHODS
def test_substeps_are_shorter_layers(name, method):
    """Three substeps are three layers of a third of the length, bit for bit."""
    field, _, layer, x, _ = sample(name)
    end, third = x, layer.length / 3
    for k in range(3):
        end = LayerMap(method)(field, Layer(layer.start + k * third, third, layer.theta), end)
    assert np.array_equal(LayerMap(method, 3)(field, layer, x), end)


@EACH
@METHODS
@pytest.mark.parametrize("substeps", [1, 3])
def test_pullback(name, method, substeps):
    """`(dPhi/dx)^T p` and `sum_j (dPhi/dtheta)^T p_j` equal complex steps of the textbook method (1e-11)."""
    field, function, layer, x, p = sample(name)
    phi = lambda theta, z: reference(method, substeps, function, layer, theta, z)  # noqa: E731
    step = 1e-30
    units = 1j * step * np.eye(field.dim), 1j * step * np.eye(len(layer.theta))
    in_x = np.stack([(p * phi(layer.theta, x + e).imag).sum(axis=1) / step for e in units[0]], axis=1)
    in_theta = np.array([(p * phi(layer.theta + e, x).imag).sum() / step for e in units[1]])
    layer_map = LayerMap(method, substeps)
    _, stages = layer_map.with_stages(field, layer, x)
    px, ptheta = layer_map.pullback(field, layer, stages, p)
    np.testing.assert_allclose(px, in_x, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ptheta, in_theta, rtol=1e-11, atol=1e-12)


@EACH
@METHODS
def test_pullback_by_central_differences(name, method):
    """The same with central differences of the textbook method, step 1e-5 (relative 1e-7)."""
    field, function, layer, x, p = sample(name)
    phi = lambda theta, z: reference(method, 3, function, layer, theta, z)  # noqa: E731
    step = 1e-5
    layer_map = LayerMap(method, 3)
    px, ptheta = layer_map.pullback(field, layer, layer_map.with_stages(field, layer, x)[1], p)
    for k, e in enumerate(step * np.eye(field.dim)):
        expected = (p * (phi(layer.theta, x + e) - phi(layer.theta, x - e))).sum(axis=1) / (2 * step)
        np.testing.assert_allclose(px[:, k], expected, rtol=0, atol=1e-7 * np.abs(px).max())
    for i, e in enumerate(step * np.eye(len(layer.theta))):
        expected = (p * (phi(layer.theta + e, x) - phi(layer.theta - e, x))).sum() / (2 * step)
        assert ptheta[i] == pytest.approx(expected, rel=0, abs=1e-7 * np.abs(ptheta).max())


@EACH
@METHODS
def test_stages(name, method):
    """With stages the end points are the same bits, stage 0 of every substep is where the substep starts."""
    field, function, layer, x, _ = sample(name)
    layer_map = LayerMap(method, 2)
    end, stages = layer_map.with_stages(field, layer, x)
    np.testing.assert_allclose(end, layer_map(field, layer, x), rtol=0, atol=2e-15)  # compiled, where the field can
    assert [len(substep) for substep in stages] == [{"euler": 1, "midpoint": 2, "rk4": 4}[method]] * 2
    start = x
    for k, substep in enumerate(stages):
        np.testing.assert_allclose(substep[0].x, start, rtol=1e-14, atol=1e-14)
        time = layer.start + k * layer.length / 2
        np.testing.assert_allclose(substep[0].value, function(time, layer.theta, start), rtol=1e-13, atol=1e-13)
        half = Layer(layer.start, layer.length / 2 * (k + 1), layer.theta)
        start = reference(method, k + 1, function, half, layer.theta, x)


@METHODS
def test_flow_is_the_layer_map_of_its_field(method):
    """A Flow moves points by the textbook step; with theta = 0 at the origin it pulls p back to p and `dt sum p`."""
    field, function, layer, x, p = sample("neural-2d")
    flow = Flow(field, LayerMap(method))
    np.testing.assert_allclose(
        flow(layer, x), reference(method, 1, function, layer, layer.theta, x), rtol=0, atol=1e-14
    )
    still = Layer(0.0, 0.5, np.zeros(6))  # here dPhi/dx = 1, dPhi/dW = 0 and dPhi/db = dt
    end, stages = flow.with_stages(still, np.zeros((2, 2)))
    px, ptheta = flow.pullback(still, stages, p[:2])
    assert np.array_equal(end, np.zeros((2, 2)))
    assert np.array_equal(px, p[:2])
    np.testing.assert_allclose(ptheta, [0, 0, 0, 0, *(0.5 * p[:2].sum(axis=0))], rtol=1e-15, atol=1e-15)
