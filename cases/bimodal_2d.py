"""Bimodal in the plane: two Gaussians sent to two corners.

Gaussians of standard deviation 0.2 about (-1, -1) and (1, 1), labels (-2, -2) and (2, 2), `F = tanh(W x + b)`,
penalty 0.2. By symmetry b = 0, W11 = W22 and W12 = W21. Expect `J = 0.23307574`, W11 from 0.5291 to 0.4001 and
W12 from 0.6451 to 0.4594. In continuous time the least cost is `J = 0.233068675`, see `emfc.solve(problem(), tol=1e-8)`.
"""

import eulerian_mfc as emfc


def problem(penalty=0.2, std=0.2):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=2, activation="tanh", bias=True),
        law=emfc.laws.Labelled(
            emfc.laws.GaussianMixture(means=[[-1, -1], [1, 1]], std=std), label=[[-2.0, -2.0], [2.0, 2.0]]
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=96, layers=20, degree=5, control_degree=0):
    return {
        "mesh": emfc.CartesianMesh([(-4.0, 4.0), (-4.0, 4.0)], cells),
        "layers": layers,
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
