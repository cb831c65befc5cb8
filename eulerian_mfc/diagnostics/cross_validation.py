"""Laws of samples: the deviation of the mean loss, and the loss of controls on samples that they were not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..laws import LabelledRule
from ..solvers import default_solver
from ..system.particles import ParticleSystem

#: tolerance and largest number of iterations of each training
TOLERANCE, STEPS = 1e-4, 30


def left_out(twin: ParticleSystem, control: np.ndarray, folds: int) -> float:
    """The mean loss of the samples, each with a control and a read-out that were trained without it.

    Parameters
    ----------
    twin : the particle system on the samples.
    control : `(layers, m)`, the start of every training.
    folds : number of parts into which the samples are split; each part is left out once.

    References
    ----------
    M. Stone, Cross-validatory choice and assessment of statistical predictions, J. R. Stat. Soc. B 36 (1974), 111-147,
    doi:10.1111/j.2517-6161.1974.tb00994.x.
    """
    x, w, y = twin.rule
    fold = np.random.default_rng(0).permutation(len(x)) % folds
    solver = replace(default_solver(twin, TOLERANCE), max_iterations=STEPS)
    total = 0.0
    for k in range(folds):
        kept = np.where(fold == k, 0.0, w)
        system = ParticleSystem(
            twin.problem,
            twin.grid,
            rule=LabelledRule(x, kept / kept.sum(), y),
            **twin.layer_options,
        )
        trained = solver.solve(system, control).control
        loss = system.terminal(system.carried(trained, system.rule.x))[0]
        out = fold == k
        total += float(w[out] @ system.losses(trained, loss, np.asfortranarray(x[out]), y[out]))
    return total


def deviation_of_the_mean(losses: np.ndarray, w: np.ndarray) -> float:
    """The standard deviation of the mean loss of samples.

    Samples with weights w have the variance of `1 / sum w^2` samples with equal weights.

    Parameters
    ----------
    losses : `(n,)`, the loss of every sample.
    w : `(n,)`, the weights, of which the sum is 1.

    Examples
    --------
    >>> deviation_of_the_mean(np.array([0.0, 2.0]), np.array([0.5, 0.5]))
    1.0
    """
    share = float(w @ w)
    return float(np.sqrt(w @ (losses - w @ losses) ** 2 * share / max(1 - share, share)))
