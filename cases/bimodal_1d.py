"""Bimodal on the line: two Gaussians sent to two labels.

Gaussians of standard deviation 0.2 about -1 and 1, labels -2 and 2, `F = tanh(theta x)`. Expect `J = 0.1790785832` for
the penalty 0.2, and a control that falls from 1.0473 to 0.7943. The layers have two substeps: with one, RK4 is seen in
the ninth digit. In continuous time the least cost is `J = 0.179074998353`, see `emfc.solve(problem(), tol=1e-10)`.
"""

import eulerian_mfc as emfc


def problem(penalty=0.2, std=0.2):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=False),
        law=emfc.laws.Labelled(emfc.laws.GaussianMixture(means=[[-1.0], [1.0]], std=std), label=[-2.0, 2.0]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=160, layers=20, degree=5, substeps=2, control_degree=0):
    return {
        "mesh": emfc.CartesianMesh([(-4.0, 4.0)], cells),
        "layers": layers,
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
        "layer_map": emfc.LayerMap("rk4", substeps),
        "initial": 0.9,
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
