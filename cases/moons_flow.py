"""Two moons: a normalising flow, which turns a normal law of the plane into two moons.

The cost is the Kullback-Leibler divergence of the final density from that of the moons, a mixture of 16 normal laws along two
half circles. The field has 25 bumps with free directions. A flow is a bijection, so that the moons stay joined by a bridge.

Expect `J = 0.0736`, of which the divergence is 0.0400, with 80 x 80 cells and 8 layers: the descent ends at a residual of 1e-2,
and goes on slowly after that. Samples are drawn by
`solution.flow(problem.law.sample(1000, seed=0)[0])`. Below the floor the divergence is continued by a polynomial.
"""

import numpy as np

import eulerian_mfc as emfc


def moons(per_moon=8, std=0.2):
    """The law of two interleaved half circles of radius 1, blurred by normal laws."""
    angle = (np.arange(per_moon) + 0.5) * np.pi / per_moon
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    return emfc.laws.GaussianMixture(np.concatenate([upper, -upper]), std)


def problem(penalty=0.01, std=0.2, centres=5):
    line = np.linspace(-1.8, 1.8, centres)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return emfc.Problem(
        field=emfc.fields.RadialBasisField(grid, width=0.9),
        law=emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.6), label=[[0.0]]),
        loss=emfc.losses.KullbackLeibler(moons(std=std), floor=1e-5),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=80, layers=8, degree=5):
    return {
        "mesh": emfc.CartesianMesh([(-3.6, 3.6), (-3.6, 3.6)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
        "solver": emfc.solvers.LBFGS(tol=1e-2),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
