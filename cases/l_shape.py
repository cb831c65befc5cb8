"""L-shape: round the corner, from one arm of the domain to the other.

Fields tangential to the walls, the curls of `s q` for q = 1 and x1 - x2 with
`s = (1 - x1^2) (1 - x2^2) c^2 / (1 + c^2)`, `c = x1 + x2 - |x|`, which vanishes on all of them, at the corner with its
gradient.
"""

import numpy as np

import eulerian_mfc as emfc


def tangential(q):
    """The field `(d_2 (s q), -d_1 (s q))`; `q(x, y)` gives q and its gradient."""

    def field(points):
        x, y = points.T
        value, dx, dy = q(x, y)
        r = np.sqrt(x**2 + y**2) + 1e-30
        box, corner = (1 - x**2) * (1 - y**2), x + y - r
        away, slope = corner**2 / (1 + corner**2), 2 * corner / (1 + corner**2) ** 2
        s = box * away
        sx = -2 * x * (1 - y**2) * away + box * slope * (1 - x / r)
        sy = -2 * y * (1 - x**2) * away + box * slope * (1 - y / r)
        return np.stack([sy * value + s * dy, -(sx * value + s * dx)], axis=1)

    return field


def problem(penalty=0.05, std=0.1):
    modes = [lambda x, y: (1 + 0 * x, 0 * x, 0 * x), lambda x, y: (x - y, 1 + 0 * x, -1 + 0 * x)]
    return emfc.Problem(
        field=emfc.fields.LinearControlField([tangential(q) for q in modes], dim=2),
        law=emfc.laws.Labelled(emfc.laws.Gaussian([0.5, -0.5], std, truncation=3 * std), [[-0.5, 0.5]]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
        representation="moments",
    )


def numerics(cells=32, layers=10, degree=3):
    return {
        "mesh": emfc.meshes.domains.l_shape(cells),
        "layers": layers,
        "transport": emfc.transport.Elements(degree),
        "layer_map": emfc.LayerMap("rk4", substeps=2),
        "solver": emfc.solvers.LBFGS(tol=5e-3, max_iterations=60),
        "initial": np.array([1.0, 0.0]),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
