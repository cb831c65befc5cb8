"""Pendulum: a law of pendulums at rest, swung up by a torque that depends linearly on the state.

Angle a and angular velocity v with `da = v dt`, `dv = (-sin a + u1(t) + u2(t) a + u3(t) v) dt + sigma dW`.
The cost is the mean squared distance from the upright pendulum at rest, `(pi, 0)`.
It asks for the mean and for a small covariance.

Expect `J* = 0.540` from 64 x 64 cells and 16 layers, of which the mean squared distance is 0.195 and the penalty 0.345. The
torque swings the pendulum up with a velocity of about 2 and brakes it in the last second.
"""

import numpy as np

import eulerian_mfc as emfc


def swing(t, theta, x):
    return np.stack([x[:, 1], -np.sin(x[:, 0])], axis=1)


def swing_jacobian(t, theta, x):
    jacobian = np.zeros((len(x), 2, 2), x.dtype)
    jacobian[:, 0, 1], jacobian[:, 1, 0] = 1, -np.cos(x[:, 0])
    return jacobian


def torque(constant, slope):
    """The field `(0, constant + slope . x)` of phase space, and its derivative."""
    matrix = np.array([[0, 0], slope])
    return lambda x: [0, constant] + x @ matrix.T, lambda x: np.tile(matrix, (len(x), 1, 1)).astype(x.dtype)


def problem(penalty=0.2, noise=0.1, std=0.15, horizon=4.0):
    torques, slopes = zip(torque(1.0, [0.0, 0.0]), torque(0.0, [1.0, 0.0]), torque(0.0, [0.0, 1.0]), strict=True)
    return emfc.Problem(
        field=emfc.fields.CustomField(swing, 2, 0, swing_jacobian, autonomous=True)
        + emfc.fields.LinearControlField(torques, 2, slopes),
        law=emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], std), label=[[np.pi, 0.0]]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=horizon,
        noise=(0.0, noise),
    )


def numerics(cells=64, layers=16, degree=5):
    return {
        "mesh": emfc.CartesianMesh([(-2.5, 5.0), (-3.0, 4.0)], cells),
        "layers": layers,
        "layer_map": emfc.LayerMap("rk4", substeps=1),
        "solver": emfc.solvers.LBFGS(tol=1e-2),
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
