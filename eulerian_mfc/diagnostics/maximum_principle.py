"""The Hamiltonian route: covectors sigma from their own equation, and the maximum principle as a check of a solution.

`sigma = -grad_x psi` solves `d_t sigma = -D_x F^T sigma` along characteristics, `sigma(T) = -grad_x loss`, and an optimal
control maximises `H(t, theta) = int <sigma, F(t, theta)> - L dmu - lambda/2 |theta|^2` at every time.

Reference: B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum
principle for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161, section 3.
"""

from __future__ import annotations

import numpy as np

from .._validate import affordable, fail, integer
from ..flow.layers import Layer
from ..results.maximum_principle import MaximumPrinciple
from ..solvers.layer_update import minimise_layer
from ..system.density_costs import DensityCosts
from ..system.optimality import OptimalitySystem
from .certificate import Energies


def covectors(system: OptimalitySystem, control: np.ndarray) -> np.ndarray:
    """`sigma^n(x_j) = D_x Phi(x_j)^T (I sigma^{n+1})(Phi(x_j))`, `(steps + 1, R, d, *shape)`: a backward sweep.

    I is the interpolation of the transport scheme. Running losses are added by the rule in time, as in psi.
    """
    interpolation = system.pair.between_nodes()
    nodes, dim, problem = system.mesh.centres, system.mesh.dim, system.problem

    def gradients(separable: object) -> np.ndarray:
        """`(R, d, size)` derivatives of the terminal functions at the nodes."""
        return np.moveaxis(np.asarray(separable.terminal_gradient(nodes)), 2, 1)  # type: ignore[attr-defined]

    masses, _ = system.masses(control)

    def of_density(costs: DensityCosts | None, n: int) -> np.ndarray | float:
        """`(R, d, size)` derivatives of the potentials of costs of the density, at level n; 0 without such costs."""
        if costs is None:
            return 0.0
        coefficients = interpolation.coefficients(costs.potentials(masses[n]))
        each = (np.repeat(row[:, None], len(nodes), axis=1) for row in np.eye(len(masses[n])))
        return np.stack([interpolation.gradients(nodes, coefficients, one).T for one in each])

    end = system.terminal(masses[-1]).separable
    final = -gradients(end) - of_density(system.terminal.density_costs, system.steps)
    running, costs = problem.separable_running, system.running.density_costs
    losses = [
        0.0 if running is None else -gradients(running) - of_density(costs, n)
        for n in range(1 if costs is None else system.steps + 1)
    ]
    before, after = system.running.before, system.running.after
    fields = len(final)
    out = np.empty((system.steps + 1, fields, dim, len(nodes)))
    out[-1] = final
    path = system.controls.path(control)

    def step(layer: Layer, nodal: np.ndarray) -> np.ndarray:
        feet, pull = system.flow.trace(layer, nodes)
        carried, _ = interpolation.gather(feet, interpolation.coefficients(nodal))
        rows = [pull(covector.T)[0].T for covector in carried.reshape(fields, dim, -1)]
        return np.stack(rows).reshape(nodal.shape)

    for n in range(system.steps - 1, -1, -1):
        nodal = (out[n + 1] + after[n] * losses[min(n + 1, len(losses) - 1)]).reshape(fields * dim, *system.mesh.shape)
        out[n] = system.pair.through(path[n], nodal, step).reshape(out[n].shape)
        out[n] += before[n] * losses[min(n, len(losses) - 1)]
    return out.reshape(*out.shape[:3], *system.mesh.shape)


def check(system: OptimalitySystem, control: np.ndarray, starts: int = 16, seed: int = 0) -> MaximumPrinciple:
    """The maximum principle at a control `(layers, m)`; the maximum is sought from `starts` random starts per layer (`seed`).

    The starts are normally distributed around zero. Their standard deviations are twice the sum of the control's largest values
    and its natural sizes, see `scales`. Controls of other layers are further starts.
    """
    integer("starts", starts, minimum=0)
    affordable("starts", starts, starts * control.size, "the starts of all layers")
    if system.problem.regulariser.sparse:
        raise fail(
            "problem",
            "a problem with sparsity",
            "a cost that is smooth in the control, since the maximum is sought by Newton steps: use a "
            "problem without sparsity",
        )
    masses, _ = system.masses(control)
    potentials = system.potentials(control, masses)
    sigma = covectors(system, control)
    excess, maximiser, tried = _excess(system, control, starts, seed)
    energies = Energies(system, always=True)
    rates = [system.running.half(m, n) / system.running.halves[n] for n, m in enumerate(masses)]
    for n, step in enumerate(system.controls.path(control)):
        energies.add(n, step, *((masses[k], potentials[k], rates[k]) for k in (n, n + 1)))
    values = energies.values()
    assert values is not None
    return MaximumPrinciple(
        -values,
        excess,
        maximiser,
        energies.drift() if system.problem.autonomous else None,
        tried,
        sigma,
        max(_gap(system, sigma[n], potentials[n], masses[n]) for n in range(system.steps + 1)),
        max(float(np.abs(values).max()), system.problem.regulariser.rate(system.problem.scales.control)),
    )


def _excess(
    system: OptimalitySystem, control: np.ndarray, starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    problem, rng = system.problem, np.random.default_rng(seed)
    _, _, hamiltonians = system.layer_updates(control)
    excess, maximiser = np.zeros(system.layers), control.copy()
    space = system.controls
    spread = 2.0 * (problem.scales.control + np.abs(control).max(axis=tuple(range(control.ndim - 1))))
    # Controls of other layers are starts as well: critical points often differ from one another in single layers only.
    tried = np.concatenate(
        [
            space.constant(spread * rng.normal(size=(starts, problem.parameters))),
            np.unique(control, axis=0)[:: max(1, system.layers // 8)],
        ]
    )
    for n, h in enumerate(hamiltonians):
        own = h(control[n])[0]
        lower, upper = space.limits(n)
        for start in np.clip(tried, lower, upper):
            theta = minimise_layer(h, start, lower, upper)
            gain = (own - h(theta)[0]) / float(space.lengths[n])
            if gain > excess[n]:
                excess[n], maximiser[n] = gain, theta
    return excess, maximiser, len(tried)


def _gap(system: OptimalitySystem, sigma: np.ndarray, psi: np.ndarray, masses: np.ndarray) -> float:
    """`sum_r int |sigma_r + grad psi_r| d|m_r|` relative to `sum_r int |sigma_r| d|m_r|`, at the points of the masses."""
    interpolation = system.pair.between_nodes()
    points, weights, _ = system.pair.measure(masses)
    fields, dim = sigma.shape[:2]
    flat, _ = interpolation.gather(points, interpolation.coefficients(sigma.reshape(fields * dim, *system.mesh.shape)))
    covector = flat.reshape(fields, dim, -1)
    coefficients = interpolation.coefficients(psi)
    gap = size = 0.0
    for r in range(fields):
        one = np.zeros_like(weights)
        one[r] = 1.0
        slope = interpolation.gradients(points, coefficients, one)
        gap += float(np.abs(weights[r]) @ np.linalg.norm(covector[r] + slope.T, axis=0))
        size += float(np.abs(weights[r]) @ np.linalg.norm(covector[r], axis=0))
    return gap / max(size, np.finfo(float).tiny)
