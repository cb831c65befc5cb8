"""From N samples to the continuum: the penalised fit of a map by control-linear fields.

Points of the unit disc, uniform; labels `Psi(x) = (x1 + 0.4 sin x2, x2 + 0.3 x1^2 exp(-x1^2))`; the Agrachev-Sarychev
family; penalty alpha. `samples=0` (the default) is the continuum, `--set samples=100` the functional
`1/N sum_j |Phi_u(x_j) - Psi(x_j)|^2 + alpha/2 |u|^2` of as many random points: its minima and minimisers converge to those of
the continuum as N grows (Gamma-convergence). docs/controllability.md has the study.
"""

import numpy as np

import eulerian_mfc as emfc

DISC = emfc.laws.UniformBall(centre=[0.0, 0.0], radius=1.0)


def target(x):
    x1, x2 = x.T
    return np.stack([x1 + 0.4 * np.sin(x2), x2 + 0.3 * x1**2 * np.exp(-(x1**2))], axis=1)


def problem(penalty=0.01, samples=0, seed=0):
    law = emfc.laws.Labelled(DISC, label=target)
    return emfc.Problem(
        field=emfc.fields.AgrachevSarychevField(dim=2),
        law=law if samples == 0 else emfc.laws.Empirical(*law.sample(samples, seed)),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=80, layers=10, degree=5):
    return {
        "mesh": emfc.CartesianMesh([(-3.5, 3.5), (-3.5, 3.5)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
