"""Order of semi-Lagrangian transport against the exact tanh flow: `python docs/transport_orders.py` writes the table.

`F = tanh(theta x)` has `sinh(theta x(t)) = exp(theta t) sinh(theta x(0))`, so that `psi(0, x) = psi_T(x(T; x))` is known.
The characteristics are exact here: what is measured is the interpolation alone.
"""

from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow import Layer
from eulerian_mfc.kernels.threads import ONE

THETA = -0.8
HALF_WIDTH = 8.0
CELLS = {1: (160, 320, 640, 1280), 3: (160, 320, 640, 1280), 5: (160, 320, 640), 7: (160, 320, 640)}
FIXED_LAYERS = 4


class ExactTanhFlow:
    """The flow of `F = tanh(theta x)`, in place of a layer map."""

    workers, field = ONE, None  # no field whose layers are compiled: the flow is called

    def __call__(self, layer, x):
        theta = layer.theta[0]
        return np.arcsinh(np.exp(theta * layer.length) * np.sinh(theta * x)) / theta


def final_potential(x):
    return np.exp(-(x**2)) + x / 3


def error(degree, interpolation, cells, layers, theta=THETA):
    """Largest error of psi at time 0 on |x| <= 2, T = 1."""
    mesh = emfc.CartesianMesh([(-HALF_WIDTH, HALF_WIDTH)], cells)
    flow, control = ExactTanhFlow(), np.array([theta])
    operator = emfc.transport.SemiLagrangian(degree, interpolation).on(mesh, flow)
    psi = final_potential(mesh.centres.T.copy())
    for n in range(layers):
        psi = operator.step(Layer(n / layers, 1.0 / layers, control), psi)
    x = mesh.centres[:, 0]
    exact = final_potential(flow(Layer(0.0, 1.0, control), x))
    return float(np.abs(psi[0] - exact)[np.abs(x) <= 2].max())


def study(degree, interpolation, fixed_courant):
    """`(cells, errors, fitted order)`; cells and layers doubled together, or four layers throughout."""
    # Splines of degree 7 reach round-off two meshes earlier.
    cells = (80, 160, 320) if (degree, interpolation) == (7, "spline") else CELLS[degree]
    errors = [error(degree, interpolation, n, n // 8 if fixed_courant else FIXED_LAYERS) for n in cells]
    return cells, errors, float(-np.polyfit(np.log(cells), np.log(errors), 1)[0])


def courant(cells, layers):
    """Largest Courant number on |x| <= 2."""
    return float(np.tanh(-THETA * 2.0) / layers * cells / (2 * HALF_WIDTH))


def table():
    rows = [
        "| degree | interpolation | held fixed | Courant numbers | cells | errors | order |",
        "|---|---|---|---|---|---|---|",
    ]
    for degree in CELLS:
        for interpolation in ("spline", "lagrange"):
            for fixed_courant in (True, False):
                cells, errors, order = study(degree, interpolation, fixed_courant)
                numbers = [courant(n, n // 8 if fixed_courant else FIXED_LAYERS) for n in cells]
                held = "Courant number" if fixed_courant else f"{FIXED_LAYERS} layers"
                span = f"{numbers[0]:.1f}" if fixed_courant else f"{numbers[0]:.1f} to {numbers[-1]:.1f}"
                rows.append(
                    f"| {degree} | {interpolation} | {held} | {span} | {' / '.join(map(str, cells))} | "
                    f"{' / '.join(f'{e:.1e}' for e in errors)} | {order:.2f} |"
                )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    text = table()
    Path(__file__).with_name("tables").joinpath("transport_orders.md").write_text(text)
    print(text)
