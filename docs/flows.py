"""Exact flows for the studies of schemes: what every table and picture of docs/schemes.md is measured against."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.laws.quadrature import composite

GAUSS = {1: 6, 2: 4, 3: 3}


def averages(mesh, function):
    """Cell averages times the cell volume, `(1, *shape)`, by Gauss points in every cell."""
    points = GAUSS[mesh.dim]
    rules = [composite(mesh.faces(k), points) for k in range(mesh.dim)]
    grid = np.meshgrid(*(nodes for nodes, _ in rules), indexing="ij")
    values = function(np.stack([g.ravel() for g in grid]).T).reshape([n * points for n in mesh.shape])
    for k, (_, weights) in enumerate(rules):
        moved = np.moveaxis(values, k, -1) * weights
        values = np.moveaxis(moved.reshape(*moved.shape[:-1], -1, points).sum(axis=-1), -1, k)
    return values[None]


@dataclass(frozen=True)
class ExactFlow:
    """A field with its control (a row a layer), a box, a final time, the backward flow map, and its Jacobian determinant."""

    name: str
    field: Any
    theta: np.ndarray
    bounds: list
    time: float
    back: Any
    jacobian: Any

    def mesh(self, cells):
        return emfc.CartesianMesh(self.bounds, cells)

    def density(self, initial):
        """The density at the final time, as a function of points."""
        return lambda x: initial(self.back(x)) * self.jacobian(x)


def tanh_flow(theta=0.8, half_width=5.0, time=1.0):
    """`F = tanh(theta x)`: `sinh(theta x(t)) = exp(theta t) sinh(theta x(0))`."""

    def back(x):
        return np.arcsinh(np.exp(-theta * time) * np.sinh(theta * x)) / theta

    def jacobian(x):
        return (np.exp(-theta * time) * np.cosh(theta * x) / np.cosh(theta * back(x)))[:, 0]

    field = emfc.fields.NeuralField(1, bias=False)
    return ExactFlow("tanh", field, np.array([[theta]]), [(-half_width, half_width)], time, back, jacobian)


def rotation(dim=2, turn=1.0, half_width=1.5, time=1.0):
    """Solid body rotation about the last axis (the origin in the plane) by the angle `turn`."""
    matrix = np.zeros((dim, dim))
    matrix[0, 1], matrix[1, 0] = -turn / time, turn / time

    def back(x):
        out = x.copy()
        out[:, 0] = np.cos(turn) * x[:, 0] + np.sin(turn) * x[:, 1]
        out[:, 1] = -np.sin(turn) * x[:, 0] + np.cos(turn) * x[:, 1]
        return out

    field = emfc.fields.AffineField(dim, bias=False)
    box = [(-half_width, half_width)] * dim
    return ExactFlow("rotation", field, matrix.reshape(1, -1), box, time, back, lambda x: np.ones(len(x)))


def swirl(dim=2, time=1.0, there_and_back=False):
    """LeVeque's deformational flow on the unit box; `there_and_back`: reversed half way, so that all ends in its place.

    One way, the backward flow map is traced by RK4 with 32 steps. The way back undoes dispersive errors: it is for pictures
    and for what cannot be undone, not for orders.

    R. LeVeque, High-resolution conservative algorithms for advection in incompressible flow, SIAM J. Numer. Anal. 33
    (1996), 627-665, doi:10.1137/0733033; there the velocity is multiplied by cos(pi t / T).
    """

    def velocity(t, theta, x):
        s, c = np.sin(np.pi * x), np.sin(2 * np.pi * x)
        if dim == 2:
            parts = [s[:, 0] ** 2 * c[:, 1], -(s[:, 1] ** 2) * c[:, 0]]
        else:
            parts = [
                2 * s[:, 0] ** 2 * c[:, 1] * c[:, 2],
                -(s[:, 1] ** 2) * c[:, 0] * c[:, 2],
                -(s[:, 2] ** 2) * c[:, 0] * c[:, 1],
            ]
        return theta[0] * np.stack(parts, axis=1)

    field = emfc.fields.CustomField(velocity, dim, 1, autonomous=True)
    box = [(0.0, 1.0)] * dim
    backwards = Layer(0.0, time, np.array([-1.0]))

    def back(x):
        return x if there_and_back else emfc.LayerMap("rk4", 32)(field, backwards, x)

    control = np.array([[1.0], [-1.0]] if there_and_back else [[1.0]])
    return ExactFlow("swirl", field, control, box, time, back, lambda x: np.ones(len(x)))


def bump(centre, width):
    """A smooth density: a normal law's, not normalised."""
    return lambda x: np.exp(-(((x - np.asarray(centre)) / width) ** 2).sum(axis=1))


def layers_of(flow, layers):
    """`layers` layers, as many for each row of the flow's control."""
    each = layers // len(flow.theta)
    dt = flow.time / (each * len(flow.theta))
    return [Layer(n * dt, dt, flow.theta[n // each]) for n in range(each * len(flow.theta))]


def transported(scheme, flow, masses, mesh, layers=2):
    """Masses at the flow's final time by a continuity scheme (or the adjoint of a transport scheme), and what left."""
    if isinstance(scheme, emfc.transport.SemiLagrangian):
        transport = scheme.on(mesh, Flow(flow.field, emfc.LayerMap("rk4", 4)))
        operator = scheme.adjoint().on(mesh, transport.flow, transport)
    else:
        operator = scheme.on(mesh, Flow(flow.field, emfc.LayerMap()))
    left = 0.0
    for layer in layers_of(flow, layers):
        masses, out = operator.step(layer, masses)
        left += float(np.sum(out))
    return masses, left


def l1_error(scheme, flow, initial, cells, layers=2):
    """Sum over the cells of |mass - exact mass|."""
    mesh = flow.mesh(cells)
    masses, _ = transported(scheme, flow, averages(mesh, initial), mesh, layers)
    return float(np.abs(masses - averages(mesh, flow.density(initial))).sum())


def order(cells, errors):
    """Slope of a least-squares line through the logarithms."""
    return float(-np.polyfit(np.log(cells), np.log(errors), 1)[0])
