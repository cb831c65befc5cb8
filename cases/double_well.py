"""Double well: a law in the left well of a potential, steered across the barrier into the right one.

`dX = (-V'(X) + b(t) + u1(t) alpha'(X)) dt + sigma dW` with the wells of `V = (x^2 - 1)^2 / 4` at -1 and 1, the noise 0.4,
a force b that is the same for all states, and the slope of the bump `alpha = exp(-2 x^2)` on the barrier.

Without a control 1.9 % of the mass is beyond the barrier at the time 3, and the cost is 3.70. With the best control 99.7 % is,
for `J* = 0.11053`, of which the penalty is 0.0737 and the final variance with the distance of the mean 0.0369 (12 layers, degree
1, 100 cells). At first the force pushes and the bump flattens the slope; at the end both turn round and brake.
"""

import numpy as np

import eulerian_mfc as emfc


def well(x):
    return (x[:, 0] ** 2 - 1) ** 2 / 4


def bump(x):
    return np.exp(-2 * x[:, 0] ** 2)


def problem(penalty=0.05, noise=0.4, std=0.2, horizon=3.0):
    force = emfc.fields.AffineField(1, matrix=False)
    slope = emfc.fields.GradientField([bump], 1, gradients=[lambda x: -4 * x * bump(x)[:, None]])
    return emfc.Problem(
        field=emfc.fields.PotentialField(well, 1, gradient=lambda x: x**3 - x) + force + slope,
        law=emfc.laws.Labelled(emfc.laws.Gaussian([-1.0], std), label=[[1.0]]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=horizon,
        noise=noise,
    )


def numerics(cells=100, layers=12, degree=5, control_degree=1):
    return {
        "mesh": emfc.CartesianMesh([(-3.0, 3.0)], cells),
        "layers": layers,
        "layer_map": emfc.LayerMap("rk4", substeps=3),
        "solver": emfc.solvers.LBFGS(tol=1e-4),
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
