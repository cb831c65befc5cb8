"""Bimodal in space: two Gaussians sent to two corners.

Gaussians of standard deviation 0.3 about (-1, -1, -1) and (1, 1, 1), labels (-1.6, -1.6, -1.6) and (1.6, 1.6, 1.6),
`F = tanh(W x + b)`, penalty 0.5. By symmetry b = 0, the diagonal of W is constant, and so is the rest of it. Expect
`J = 0.40533480`.

On 64^3 cells a solve takes about a minute on two cores (`--threads 2`), and the second-order analysis some dozens of
gradients more; `--set cells=32` is for a look.
"""

import eulerian_mfc as emfc


def problem(penalty=0.5, std=0.3):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=3, activation="tanh", bias=True),
        law=emfc.laws.Labelled(
            emfc.laws.GaussianMixture(means=[[-1, -1, -1], [1, 1, 1]], std=std),
            label=[[-1.6, -1.6, -1.6], [1.6, 1.6, 1.6]],
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=64, layers=20, degree=5, control_degree=0):
    return {
        "mesh": emfc.CartesianMesh([(-4.0, 4.0)] * 3, cells),
        "layers": layers,
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
