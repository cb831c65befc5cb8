"""Disc: two Gaussians change places in the unit disc.

Fields tangential to the circle, the curls of `(1 - |x|^2) q` for q = 1, x1, x2, on triangles. The best way round is a
rotation by about half a turn, the first control near pi / 2. The boundary is a wall: nothing crosses it.
"""

import numpy as np

import eulerian_mfc as emfc


def tangential(q):
    """The field `(d_2 s, -d_1 s)` of the stream function `s = (1 - |x|^2) q`; `q(x, y)` gives q and its gradient."""

    def field(x):
        value, dx, dy = q(*x.T)
        room = 1 - (x**2).sum(axis=1)
        return np.stack([-2 * x[:, 1] * value + room * dy, 2 * x[:, 0] * value - room * dx], axis=1)

    return field


def problem(penalty=0.05, std=0.1):
    modes = [
        lambda x, y: (1 + 0 * x, 0 * x, 0 * x),
        lambda x, y: (x, 1 + 0 * x, 0 * x),
        lambda x, y: (y, 0 * x, 1 + 0 * x),
    ]
    return emfc.Problem(
        field=emfc.fields.LinearControlField([tangential(q) for q in modes], dim=2),
        law=emfc.laws.Labelled(
            emfc.laws.GaussianMixture([[-0.5, 0.0], [0.5, 0.0]], std, truncation=3 * std), [[0.5, 0.0], [-0.5, 0.0]]
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(refinements=5, layers=20, degree=2):
    return {
        "mesh": emfc.meshes.domains.disc(refinements),
        "layers": layers,
        "transport": emfc.transport.Elements(degree),
        "solver": emfc.solvers.LBFGS(tol=1e-3),
        "initial": np.array([1.0, 0.0, 0.0]),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
