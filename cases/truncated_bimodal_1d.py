"""Truncated bimodal: two narrow laws about -1 and 1, to be sent to -2 and 2.

The published data: standard normals cut off at radius 0.2 around -1 and 1, labels -2 and 2, `F = tanh(theta x)`.
Expect `J = 0.12850032` for the penalty 0.2 (`Lambda = 0.1` of the published code), and a control that falls from
1.00183 to 0.76335.
"""

import eulerian_mfc as emfc


def problem(penalty=0.2, radius=0.2):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=False),
        law=emfc.laws.Labelled(
            emfc.laws.GaussianMixture(means=[[-1.0], [1.0]], std=1.0, truncation=radius), label=[-2.0, 2.0]
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=160, layers=20, degree=5, control_degree=0):
    return {
        "mesh": emfc.CartesianMesh([(-3.0, 3.0)], cells),
        "layers": layers,
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
