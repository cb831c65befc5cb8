"""Why the outermost intervals are linear: `python docs/boundary_stability.py` writes the table.

One semi-Lagrangian step on 40 nodes with an outward velocity, feet clamped to the nodes, is a matrix. One-sided
high-order pieces at the ends give it a spectral radius above 1; linear end intervals do not.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import make_interp_spline

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer

NODES = 40
STEPS = 200
COURANT = np.concatenate([np.linspace(0.05, 1.0, 20), np.linspace(1.2, 8.0, 35)])


def one_sided(degree, interpolation, feet):
    """The matrix of the step with the high-order pieces kept up to the ends."""
    s = np.clip(feet, 0, NODES - 1)
    if interpolation == "spline":
        return make_interp_spline(np.arange(NODES), np.eye(NODES), k=degree)(s)
    matrix = np.zeros((len(s), NODES))
    for row, value in zip(matrix, s, strict=True):
        start = min(max(int(value) - (degree - 1) // 2, 0), NODES - degree - 1)
        nodes = np.arange(start, start + degree + 1)
        for a in nodes:
            others = nodes[nodes != a]
            row[a] = np.prod((value - others) / (a - others))
    return matrix


def package(degree, interpolation, courant):
    """The matrix of the package's own step, column by column."""
    mesh = emfc.CartesianMesh([(-1.0, 1.0)], NODES)
    flow = Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("euler"))
    operator = emfc.transport.SemiLagrangian(degree, interpolation).on(mesh, flow)
    layer = Layer(0.0, courant * float(mesh.widths[0]), np.array([1.0]))
    return np.stack([operator.step(layer, e[None])[0] for e in np.eye(NODES)], axis=1)


def growth(matrix):
    """`(spectral radius, largest row sum of the 200th power)`."""
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    return radius, np.abs(np.linalg.matrix_power(matrix, STEPS)).sum(axis=1).max()


def study(degree, interpolation):
    """Worst of all Courant numbers: `(one-sided ends, linear ends)`, each `(radius, power)`."""
    nodes = np.arange(NODES)
    before = [growth(one_sided(degree, interpolation, nodes + c)) for c in COURANT]
    after = [growth(package(degree, interpolation, c)) for c in COURANT]
    return tuple(np.max(before, axis=0)), tuple(np.max(after, axis=0))


def table():
    rows = [
        f"Constant outward velocity, {NODES} nodes, Courant numbers {COURANT[0]:g} to {COURANT[-1]:g}, worst of all.",
        "",
        f"| degree | interpolation | one-sided ends: spectral radius | norm of {STEPS} steps "
        f"| linear ends: spectral radius | norm of {STEPS} steps |",
        "|---|---|---|---|---|---|",
    ]
    for degree in (3, 5, 7):
        for interpolation in ("spline", "lagrange"):
            (r0, p0), (r1, p1) = study(degree, interpolation)
            rows.append(f"| {degree} | {interpolation} | {r0:.2f} | {p0:.1e} | {r1:.2f} | {p1:.1f} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    text = table()
    Path(__file__).with_name("tables").joinpath("boundary_stability.md").write_text(text)
    print(text)
