"""Channel with an obstacle: past a disc, from the inlet's side to the outlet's.

Fields tangential to walls and obstacle: the flow through the channel, with stream function `y g / (g + 1 - y^2)`,
`g = |x|^2 - 0.16`, and the curls of `(1 - y^2) g q` for q = exp(-x^2) and y exp(-x^2), which only stir. Two Gaussians
above and below the centre line are sent to the other end of the channel; they share the controls.
"""

import numpy as np

import eulerian_mfc as emfc

RADIUS = 0.4


def through(points):
    """`(d_2 s, -d_1 s)` for `s = y g / (g + 1 - y^2)`: s is -1, 0, 1 on the lower wall, the obstacle and the upper wall."""
    x, y = points.T
    g = x**2 + y**2 - RADIUS**2
    below = g + 1 - y**2
    sx = y * (2 * x * below - g * 2 * x) / below**2
    sy = g / below + y * 2 * y / below
    return np.stack([sy, -sx], axis=1)


def stirring(q):
    """The curl of `(1 - y^2) g q`; `q(x, y)` gives q and its gradient."""

    def field(points):
        x, y = points.T
        value, dx, dy = q(x, y)
        g = x**2 + y**2 - RADIUS**2
        s, sx, sy = (1 - y**2) * g, (1 - y**2) * 2 * x, -2 * y * g + (1 - y**2) * 2 * y
        return np.stack([sy * value + s * dy, -(sx * value + s * dx)], axis=1)

    return field


def problem(penalty=0.05, std=0.1):
    modes = [
        lambda x, y: (np.exp(-(x**2)), -2 * x * np.exp(-(x**2)), 0 * x),
        lambda x, y: (y * np.exp(-(x**2)), -2 * x * y * np.exp(-(x**2)), np.exp(-(x**2))),
    ]
    return emfc.Problem(
        field=emfc.fields.LinearControlField([through, *(stirring(q) for q in modes)], dim=2),
        law=emfc.laws.Labelled(
            emfc.laws.GaussianMixture([[-1.2, -0.3], [-1.2, 0.4]], std, truncation=3 * std), [[1.2, -0.3], [1.2, 0.4]]
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(width=0.12, layers=10, degree=3):
    return {
        "mesh": emfc.meshes.domains.channel(width, RADIUS),
        "layers": layers,
        "transport": emfc.transport.Elements(degree),
        "layer_map": emfc.LayerMap("rk4", substeps=2),
        "solver": emfc.solvers.LBFGS(tol=5e-3, max_iterations=60),
        "initial": np.array([2.0, 0.0, 0.0]),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
