"""Toy line: a standard normal on the line, to be sent to -1 or 1 by its sign.

The example of the source: `mu0 = N(0, 1)`, labels `sign(x)`, `F = tanh(theta x)`. With the penalty 1 the best control
is negative: half of the mass lies within 0.67 of the origin, but the tails weigh more in the squared loss, and
tanh(theta x) moves them all. Expect `J = 0.379389476493` and a control that goes from -0.12516 on the first layer to
-0.12784 on the last (20 layers, 160 cells, 9 digits). With `--set bias=True` the optimum keeps b = 0 by symmetry.
In continuous time the least cost is `J = 0.379389475348`: `emfc.solve(problem(), tol=1e-9)` chooses mesh and layers for that.
"""

import numpy as np

import eulerian_mfc as emfc


def problem(penalty=1.0, bias=False, std=1.0):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=bias),
        law=emfc.laws.Labelled(emfc.laws.Gaussian(mean=[0.0], std=std), label=np.sign, breaks=[0.0]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=160, layers=20, degree=5, half_width=8.0, control_degree=0):
    return {
        "mesh": emfc.CartesianMesh([(-half_width, half_width)], cells),
        "layers": layers,
        "control_degree": control_degree,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
