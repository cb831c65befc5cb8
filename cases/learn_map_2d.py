"""Learning a map of the plane with control-linear fields.

A Gaussian of standard deviation 0.5, labels `Psi(x) = (x1 + 0.4 sin x2, x2 + 0.3 x1^2 exp(-x1^2))`, the fields d_1,
d_2, exp(-|x|^2) d_1, exp(-|x|^2) d_2, penalty 0.1. Four fields of this kind cannot follow Psi closely: expect
`J = 0.0326834513`, of which the penalty is a small part, and controls below 0.07 throughout.
"""

import numpy as np

import eulerian_mfc as emfc


def target(x):
    x1, x2 = x.T
    return np.stack([x1 + 0.4 * np.sin(x2), x2 + 0.3 * x1**2 * np.exp(-(x1**2))], axis=1)


def problem(penalty=0.1, std=0.5):
    return emfc.Problem(
        field=emfc.fields.AgrachevSarychevField(dim=2),
        law=emfc.laws.Labelled(emfc.laws.Gaussian(mean=[0.0, 0.0], std=std), label=target),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=96, layers=20, degree=5):
    return {
        "mesh": emfc.CartesianMesh([(-4.5, 4.5), (-4.5, 4.5)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
