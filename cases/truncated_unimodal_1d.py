"""Truncated unimodal: a narrow law about 0 on the line, split in two by its sign.

The published data: a standard normal cut off at radius 0.2, labels `sign(x)`, `F = tanh(theta x)`. Points near 0 can
hardly be moved, so most of the loss stays. Expect `J = 0.62735013` for the penalty 0.2 (the published code minimises
`Lambda |theta|^2` with `Lambda = 0.1`), and a control that falls from 1.6214 to 1.3449. The flow stretches the law, so
the box is small and the layers have four substeps: `J` is then right to 1e-8 with 160 cells.
"""

import numpy as np

import eulerian_mfc as emfc


def problem(penalty=0.2, radius=0.2):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=False),
        law=emfc.laws.Labelled(emfc.laws.Gaussian(mean=[0.0], std=1.0, truncation=radius), label=np.sign, breaks=[0.0]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=160, layers=20, degree=5, initial=1.0, substeps=4):
    return {
        "mesh": emfc.CartesianMesh([(-1.5, 1.5)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
        "layer_map": emfc.LayerMap("rk4", substeps),
        "initial": initial,
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
