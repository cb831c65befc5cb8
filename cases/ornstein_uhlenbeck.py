"""Ornstein-Uhlenbeck: a random motion that is pulled to the origin, steered to 1 by a force.

`dX = (-X + u(t)) dt + sigma dW`, the drift down the potential `x^2 / 2`, with a force u that is the same for all states. The
law is normal at all times. Its variance does not depend on u, and the mean follows `m' = -m + u`, so that the optimum is known:
`u*(t) = 2 d e^(t - T) / (lambda + 1 - e^(-2T))`, where `d = 1 - m(0) e^(-T)` is the distance from 1 without a force, and

    J* = v(T) + lambda d^2 / (lambda + 1 - e^(-2T)),   v(T) = v(0) e^(-2T) + sigma^2 (1 - e^(-2T)) / 2 .

With these settings `J* = 0.3142264248`. Expect it up to 4e-10 from 64 cells and five layers with controls of degree 2, and the
control that is recovered at single times up to 4e-9. Without a force the mean ends at -0.37, with it at 0.86; the best force
grows from 1.04 to 2.84, because what is pushed early is pulled back.
"""

import numpy as np

import eulerian_mfc as emfc


def problem(penalty=0.1, noise=0.5, mean=-1.0, std=0.3, horizon=1.0):
    return emfc.Problem(
        field=emfc.fields.PotentialField(lambda x: x[:, 0] ** 2 / 2, 1, gradient=lambda x: x)
        + emfc.fields.AffineField(1, matrix=False),
        law=emfc.laws.Labelled(emfc.laws.Gaussian([mean], std), label=[[1.0]]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=horizon,
        noise=noise,
    )


def optimum(penalty=0.1, noise=0.5, mean=-1.0, std=0.3, horizon=1.0):
    """`J*`, and `u*` as a function of times: the closed form, with the settings of `problem`."""
    decay, lost = np.exp(-horizon), -np.expm1(-2 * horizon)
    distance = 1 - mean * decay
    variance = std**2 * decay**2 + noise**2 * lost / 2
    cost = variance + penalty * distance**2 / (penalty + lost)
    return cost, lambda t: 2 * distance * np.exp(np.asarray(t) - horizon) / (penalty + lost)


def numerics(cells=64, layers=5, degree=5, control_degree=2):
    return {
        "mesh": emfc.CartesianMesh([(-4.0, 4.0)], cells),
        "layers": layers,
        "layer_map": emfc.LayerMap("rk4", substeps=8),
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
