"""Cases with noise and with costs of the density: their closed forms, and what their docstrings say."""

import os

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

from .conftest import ROOT


def built(name, **settings):
    """Module, problem and options of a case."""
    case = Case.load(ROOT / "cases" / f"{name}.py").with_settings({k: str(v) for k, v in settings.items()})
    return case.build()


nightly = pytest.mark.skipif("EMFC_FUZZ" not in os.environ, reason="only in the nightly run: half a minute")


@pytest.mark.parametrize(
    "settings", [{}, pytest.param({"noise": 0.3, "mean": 0.5, "penalty": 0.3}, marks=nightly)], ids=["given", "other"]
)
def test_the_ornstein_uhlenbeck_process_has_its_closed_form(settings):
    """The mean follows a linear equation and the variance does not depend on the control; both are written out here again."""
    penalty, noise, mean = (settings.get(k, v) for k, v in (("penalty", 0.1), ("noise", 0.5), ("mean", -1.0)))
    distance, lost = 1.0 - mean * np.exp(-1.0), 1.0 - np.exp(-2.0)
    variance = 0.3**2 * np.exp(-2.0) + 0.5 * noise**2 * lost
    best = variance + penalty * distance**2 / (penalty + lost)
    problem, options = built("ornstein_uhlenbeck", **settings)
    found = emfc.solve(problem, **options)
    assert found.converged
    assert found.cost == pytest.approx(best, rel=0.0, abs=1e-8)
    times = np.linspace(0.0, 1.0, 9)
    exact = 2.0 * distance * np.exp(times - 1.0) / (penalty + lost)
    assert found.theta(times, recovered=True)[:, 0] == pytest.approx(exact, rel=0.0, abs=1e-7)
    x, mass = found.mesh.centres[:, 0], found.masses[-1].sum(axis=0)
    final_mean = 1.0 - distance * penalty / (penalty + lost)
    assert x @ mass == pytest.approx(final_mean, rel=0.0, abs=1e-7)


@nightly
def test_the_force_takes_the_law_across_the_barrier():
    """Without a control little of the mass crosses, with the best one nearly all: as sampled paths say too."""
    problem, options = built("double_well", cells=60, layers=6)
    options["solver"] = emfc.solvers.LBFGS(tol=1e-2)
    found = emfc.solve(problem, **options)
    right = found.mesh.centres[:, 0] > 0.0
    system = emfc.OptimalitySystem(problem, **{k: v for k, v in options.items() if k != "solver"})
    uncontrolled = np.asarray(system.final_masses(0.0)).reshape(-1, len(right)).sum(axis=0)[right].sum()
    rng, steps = np.random.default_rng(0), 300
    x = rng.normal(-1.0, 0.2, 40_000)
    for _ in range(steps):
        x += (x - x**3) * 3.0 / steps + 0.4 * np.sqrt(3.0 / steps) * rng.normal(size=len(x))
    assert uncontrolled == pytest.approx((x > 0.0).mean(), rel=0.0, abs=3e-3)  # sampled: 7e-4 is one standard deviation
    assert found.total_density[-1][right].sum() * found.mesh.widths[0] > 0.99
