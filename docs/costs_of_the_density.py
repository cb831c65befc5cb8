"""The table and the picture of docs/costs_of_the_density.md: `python docs/costs_of_the_density.py`; a minute."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import eulerian_mfc as emfc
from eulerian_mfc.laws import Gaussian, GaussianMixture, Labelled
from eulerian_mfc.views.style import PALETTE, STYLE

DOCS = Path(__file__).parent
TARGET = GaussianMixture([[-1.5], [1.5]], 0.5, [0.4, 0.6])
#: the costs of the picture by their names there
COSTS = {
    "Kullback-Leibler": emfc.losses.KullbackLeibler(TARGET, floor=1e-5),
    "squared distance": 5.0 * emfc.losses.SquaredDensityDistance(TARGET),
    "mean discrepancy": 10.0 * emfc.losses.MaximumMeanDiscrepancy(TARGET, 0.5),
    "likelihood of 500 samples": emfc.losses.LogLikelihood(TARGET.sample(500, seed=0), floor=1e-4),
}
#: expansion of the whole flow, by the factor exp(GROWTH)
GROWTH = 0.6


def steered(cost):
    """The solution that moves a normal law towards the mixture."""
    law = Labelled(Gaussian([0.0], 1.0), [[0.0]])
    field = emfc.fields.RadialBasisField(np.linspace(-2.5, 2.5, 6)[:, None], 1.0)
    problem = emfc.Problem(field, law, cost, penalty=0.005, horizon=1.0)
    mesh = emfc.CartesianMesh([(-7.0, 7.0)], 200)
    solution = emfc.solve(problem, mesh, 20, solver=emfc.solvers.NewtonCG(tol=1e-8))
    assert solution.converged, solution.message
    return solution


def picture():
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.subplots()
        x = np.linspace(-4.0, 4.0, 400)[:, None]
        axes.fill_between(x[:, 0], np.exp(TARGET.log_density(x)), color="0.88", label="target")
        axes.plot(x[:, 0], np.exp(Gaussian([0.0], 1.0).log_density(x)), color="0.5", ls=":", label="initial law")
        for colour, (name, cost) in zip(PALETTE, COSTS.items(), strict=False):
            found = steered(cost)
            density = found.mesh.density(found.masses[-1][0])
            axes.plot(found.mesh.centres[:, 0], density, color=colour, lw=1.4, label=name)
        axes.set(xlim=(-4.0, 4.0), ylim=(0.0, 0.72))
        axes.set_xlabel("x")
        axes.set_ylabel("density")
        axes.legend(frameon=False, ncols=3, loc="upper center")
        figure.savefig(DOCS / "images" / "costs_of_the_density.png", dpi=90)


def ripple(degree, cells, layers):
    """The relative error of `int rho^2` after an expansion, against the closed form."""
    law = Labelled(Gaussian([0.2], 0.5), [[0.0]])
    problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.Congestion(), penalty=1.0, horizon=1.0)
    system = emfc.OptimalitySystem(
        problem, emfc.CartesianMesh([(-8.0, 8.0)], cells), layers,
        layer_map=emfc.LayerMap("dop853"), transport=emfc.transport.SemiLagrangian(degree=degree),
    )  # fmt: skip
    exact = 1.0 / (2.0 * np.sqrt(np.pi) * 0.5 * np.exp(GROWTH))
    return abs(system.cost(np.tile([GROWTH, -0.4], (layers, 1))).terminal / exact - 1.0)


def table():
    layers = (1, 2, 4, 8)
    rows = ["| degree | cells | " + " | ".join(f"{n} layers" for n in layers) + " |", "|---" * (2 + len(layers)) + "|"]
    rows[0] = rows[0].replace(" 1 layers", " 1 layer")
    for degree in (1, 3, 5, 7):
        for cells in (160, 320):
            errors = (f"{ripple(degree, cells, n):.1e}" for n in layers)
            rows.append(f"| {degree} | {cells} | " + " | ".join(errors) + " |")
    (DOCS / "tables" / "density_ripples.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    table()
    picture()
