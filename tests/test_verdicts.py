"""Verdicts against the truth: what is called converged without a warning has its cost right.

Random problems on coarse meshes and on finer ones; the truth is a rule of this file's own: midpoints of many small cells of the
law, moved by a plain Runge-Kutta method in NumPy, with formulas that are written out here. 100 problems by default, as many as
EMFC_FUZZ says in `tox -e nightly`.
"""

import os
import warnings
from typing import NamedTuple

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import EulerianError, EulerianWarning

COUNT = 100 if "EMFC_FUZZ" not in os.environ else int(os.environ["EMFC_FUZZ"])
#: the costs of what is called converged without a warning are right up to this share of the sum of the sizes of their terms
RIGHT = 0.05
#: cells an axis of the truth's rule
DENSE = {1: 10_000, 2: 160}


class Drawn(NamedTuple):
    """A random problem: what the package gets, and the same in NumPy."""

    problem: emfc.Problem
    mesh: emfc.CartesianMesh
    layers: int
    options: dict
    velocity: object  # (theta, x) -> (n, d)
    points: object  # () -> x (n, d), w (n,), y (n,)
    loss: object  # (x, y) -> (n,)
    running: bool
    words: str


ACTIVATIONS = {
    "tanh": np.tanh,
    "sin": np.sin,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(0.0, z),
}


def drawn(seed):
    """The random problem of a seed."""
    rng = np.random.default_rng(seed)
    dim = 1 if rng.uniform() < 0.85 else 2
    field, velocity, name = draw_field(rng, dim)
    law, points, half, law_name = draw_law(rng, dim)
    values = law.labels if dim == 1 and law.labels is not None and len(law.labels) == 2 else None
    loss, value = draw_loss(rng, values)
    running = bool(rng.uniform() < 0.25)
    problem = emfc.Problem(
        field,
        law,
        loss,
        penalty=float(10 ** rng.uniform(-2.5, 0.5)),
        horizon=float(rng.uniform(0.4, 2.0)),
        running=loss if running else None,
    )
    room = float(rng.choice([0.5, 1.0, 2.0, 4.0, 6.0]))
    cells = int(rng.choice([12, 16, 24, 32, 48, 96] if dim == 1 else [12, 16, 24, 32]))
    mesh = emfc.CartesianMesh([(-half - room, half + room)] * dim, cells)
    options = {"transport": emfc.transport.SemiLagrangian(int(rng.choice([1, 3, 5, 7])))}
    if dim == 1 and rng.uniform() < 0.1:
        options["continuity"] = emfc.continuity.FiniteVolume(str(rng.choice(["upwind", "muscl"])))
    options["initial"] = float(rng.choice([0.1, -0.5, 1.0]))
    options["solver"] = (
        emfc.solvers.Shooting(relaxation="auto", tol=1e-3, max_iterations=20)
        if "continuity" in options
        else emfc.solvers.LBFGS(tol=1e-6, max_iterations=40)
    )
    words = f"seed {seed}: {name}, {law_name}, {type(loss).__name__}, running={running}, {cells} cells, {options}"
    return Drawn(problem, mesh, int(rng.integers(2, 7)), options, velocity, points, value, running, words)


def draw_field(rng, dim):
    """A field, its formula, its name."""
    kind = rng.choice(["neural", "neural", "neural", "affine", "linear", "polynomial"])
    if kind == "neural":
        name = str(rng.choice(list(ACTIVATIONS)))
        sigma, bias = ACTIVATIONS[name], bool(rng.uniform() < 0.6)

        def neural(theta, x):
            z = x @ theta[: dim * dim].reshape(dim, dim).T
            return sigma(z + theta[dim * dim :] if bias else z)

        return emfc.fields.NeuralField(dim, name, bias=bias), neural, name
    if kind == "affine":
        affine = lambda theta, x: x @ theta[: dim * dim].reshape(dim, dim).T + theta[dim * dim :]  # noqa: E731
        return emfc.fields.AffineField(dim), affine, "affine"
    if kind == "linear" or dim == 2:
        frequency = float(rng.uniform(0.5, 4.0))
        shapes = [lambda x: np.ones_like(x), lambda x: np.sin(frequency * x), lambda x: x * np.exp(-(x**2))]
        linear = lambda theta, x: sum(t * f(x) for t, f in zip(theta, shapes, strict=True))  # noqa: E731
        return emfc.fields.LinearControlField(shapes, dim=dim), linear, f"linear {frequency:.2f}"
    bend = float(rng.uniform(0.5, 3.0))
    custom = emfc.fields.CustomField(
        lambda t, theta, x: np.sin(bend * theta[0] * x) + theta[1] * np.cos(x), dim=1, size=2
    )
    return custom, lambda theta, x: np.sin(bend * theta[0] * x) + theta[1] * np.cos(x), f"custom {bend:.2f}"


def draw_law(rng, dim):
    """A law, its dense rule, the half width of its box, its name."""
    if rng.uniform() < 0.12:
        x = rng.normal(size=(int(rng.integers(2, 20)), dim))
        y = np.where(x[:, 0] > 0, 1.0, -1.0)[:, None] * np.ones(dim)
        weights = np.full(len(x), 1 / len(x))
        return emfc.laws.Empirical(x, y), lambda: (x, weights, y), float(np.abs(x).max()), "samples"
    kind = str(rng.choice(["normal", "mixture", "uniform", "truncated"]))
    std = float(rng.choice([0.15, 0.3, 0.6, 1.0]))
    label, label_name, breaks = draw_label(rng)
    radius = 1.5 * std
    means = np.zeros((1, dim))
    if kind == "mixture":
        means = np.stack([np.full(dim, -1.0), np.full(dim, float(rng.uniform(0.2, 1.2)))])
    if kind == "uniform":
        law, half = emfc.laws.Uniform([(-std, std)] * dim), std
        inside, reach = (lambda x: np.ones(len(x))), std
    else:
        cut = radius if kind == "truncated" else None
        law = emfc.laws.GaussianMixture(means, std, truncation=cut)
        half = float(np.abs(law.box(1e-9)).max())
        reach = float(np.abs(means).max()) + (radius if kind == "truncated" else 7 * std)

        def inside(x):
            out = np.zeros(len(x))
            for mean in means:
                square = ((x - mean) ** 2).sum(axis=1)
                out += np.exp(-square / (2 * std**2)) * (square < (radius if kind == "truncated" else np.inf) ** 2)
            return out

    def points():
        n = DENSE[dim]
        axis = -reach + 2 * reach * (np.arange(n) + 0.5) / n
        x = axis[:, None] if dim == 1 else np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        w = inside(x)
        return x, w / w.sum(), label(x)

    split = breaks is not None and not (kind == "truncated" and dim > 1)
    breaks = [[breaks]] + [[]] * (dim - 1) if split else None
    return emfc.laws.Labelled(law, label, breaks=breaks), points, half, f"{kind} {std:g} {label_name}"


def draw_label(rng):
    """A label, its name, and where it jumps, if that is told."""
    kind = str(rng.choice(["sign", "step", "wave", "linear", "shift"]))
    scale, place = float(rng.choice([0.5, 1.0, 2.0])), float(rng.uniform(-0.5, 0.5))
    if kind == "sign":
        return (lambda x: scale * np.where(x > 0, 1.0, -1.0)), f"sign {scale:g}", 0.0 if rng.uniform() < 0.7 else None
    if kind == "step":
        return (lambda x: scale * np.where(x > place, 1.0, -1.0)), f"step {place:.2f}", None
    if kind == "wave":
        pace = float(rng.choice([1.0, 3.0, 12.0]))
        return (lambda x: scale * np.sin(pace * x)), f"wave {pace:g}", None
    slope = -0.8 if kind == "linear" else 1.0
    return (lambda x: slope * x + place * scale), f"{kind} {place:.2f}", None


def draw_loss(rng, values):
    """A loss and its formula; `values` are the labels of a law on the line that has finitely many."""
    square = lambda x, y: ((x - y) ** 2).sum(axis=1)  # noqa: E731
    kind = str(rng.choice(["squared", "squared", "by label", "huber"]))
    if values is None or kind == "squared":
        return emfc.losses.SquaredLoss(), square
    if kind == "by label":
        return emfc.losses.LabelLoss(lambda x, y: ((x - y) ** 2)[:, 0], values), square
    return emfc.losses.Huber(values), lambda x, y: np.where(
        np.abs(x - y) <= 1, (x - y) ** 2, 2 * np.abs(x - y) - 1
    ).sum(axis=1)


def truth(case, control):
    """`(J, scale)` of a control: the cost by this file's rule, and the sum of the moduli of its terms (or a thousandth of the
    cost of states that do not move, where that is larger).
    """
    x, w, y = case.points()
    dt = case.problem.horizon / case.layers
    still = float(w @ np.abs(case.loss(x, y))) * (1 + case.running * case.problem.horizon)
    spent = 0.0
    for theta in control:
        if case.running:
            spent += dt / 2 * float(w @ case.loss(x, y))
        a = case.velocity(theta, x)
        b = case.velocity(theta, x + dt / 2 * a)
        c = case.velocity(theta, x + dt / 2 * b)
        d = case.velocity(theta, x + dt * c)
        x = x + dt / 6 * (a + 2 * b + 2 * c + d)
        if case.running:
            spent += dt / 2 * float(w @ case.loss(x, y))
    end = float(w @ case.loss(x, y))
    penalty = dt / 2 * float((case.problem.penalty * control**2).sum())
    return end + spent + penalty, max(abs(end) + abs(spent) + penalty, 1e-3 * still)


def judged(case):
    """`(converged, names of warnings, error relative to the scale)` of a drawn problem; None where it is refused."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", EulerianWarning)
        try:
            solution = emfc.solve(case.problem, case.mesh, case.layers, **case.options)
        except EulerianError:
            return None
    with np.errstate(over="ignore", invalid="ignore"):
        cost, scale = truth(case, solution.control)
    names = sorted({w.category.__name__ for w in told if issubclass(w.category, EulerianWarning)})
    return solution.converged, names, (solution.cost - cost) / scale, solution


@pytest.mark.parametrize("block", range(4))
def test_what_is_called_converged_without_a_warning_is_right(block):
    for seed in range(block, COUNT, 4):
        case = drawn(seed)
        found = judged(case)
        if found is None:
            continue
        converged, told, error, _ = found
        if converged and not told:
            assert abs(error) <= RIGHT, (case.words, error)
