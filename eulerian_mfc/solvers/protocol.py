"""The interface between solvers and discrete problems: a solver uses these attributes and methods of a problem and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol, runtime_checkable

import numpy as np

from ..control.space import ControlSpace

#: marks a result that is too large for a checkpoint to keep: it is computed again when it is needed
DEFERRED = "deferred"


class HessianProduct(Protocol):
    """The second derivatives of the cost at a control, as a linear map of controls.

    Attributes
    ----------
    exact : whether products are exact to round-off for the discrete cost.
    """

    @property
    def exact(self) -> bool: ...

    def product(self, direction: np.ndarray) -> np.ndarray:
        """`J'' v` for a direction v of the control's shape."""
        ...


class LayerProblem(Protocol):
    """The Hamiltonian of one layer as a function of its parameters theta `(m,)`, including the penalty.

    Attributes
    ----------
    weights : `(m,)`, the Hessian of the penalty.
    """

    @property
    def weights(self) -> np.ndarray: ...

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its derivative `(m,)`."""
        ...

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """`(m, m)` second derivatives."""
        ...

    def minimiser(self) -> np.ndarray | None:
        """The minimiser `(m,)` without bounds if it has an explicit form, else None."""
        ...


#: chooses the parameters `(m,)` of layer n from its Hamiltonian
Choice = Callable[[int, LayerProblem], np.ndarray]


class DiscreteProblem(Protocol):
    """A cost of a control, with its gradient. Most solvers need no more than this.

    OptimalitySystem and ParticleSystem implement this interface, and so does the wrapper that keeps their values in a
    checkpoint. A member that is added here needs no further code in the wrapper, which reads the annotations: it keeps results
    that are numbers or arrays, and wraps results that have a Protocol of their own.

    Attributes
    ----------
    controls : the space of controls: penalty, bounds, residuals.
    adjoint : whether the gradient is exactly that of the cost, so that a line search may compare costs.
    kinks : whether the cost is only piecewise smooth, so that its minima may lie on kinks.
    natural_sizes : `(m,)`, the natural sizes of the parameters in this problem, see `scales`.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system: DiscreteProblem = emfc.ParticleSystem(problem, layers=2)
    >>> control = np.full((2, 2), 0.1)
    >>> cost, gradient = system.cost_and_gradient(control)
    >>> system.controls.conditions.residual(control, gradient) > 1e-3
    True
    """

    @property
    def controls(self) -> ControlSpace:
        """The space of controls."""
        ...

    @property
    def adjoint(self) -> bool:
        """Whether the gradient is exactly that of the cost."""
        ...

    @property
    def kinks(self) -> bool:
        """Whether the cost has kinks."""
        ...

    @property
    def natural_sizes(self) -> np.ndarray:
        """`(m,)`: the natural sizes of the parameters in this problem."""
        ...

    def sizes_around(self, theta: np.ndarray) -> np.ndarray:
        """`(m,)`: the natural sizes of changes of the parameters, around theta `(m,)`."""
        ...

    def cost_and_gradient(self, control: np.ndarray) -> tuple[float, np.ndarray]:
        """`J`, and its derivative without the L1 norm, `(layers, m)` or `(layers, degree + 1, m)` as the control."""
        ...

    def hessian(self, control: np.ndarray) -> HessianProduct:
        """`J''` at a control, `(layers, m)` or `(layers, degree + 1, m)`."""
        ...


@runtime_checkable
class LayerWise(Protocol):
    """Layers that can be updated one by one, because densities and potentials are on a mesh."""

    def cancelling(self) -> float:
        """The sum of the moduli of the terms that cancel in the cost at the initial law. Costs have errors of 1e-16 times it."""
        ...

    def layer_updates(
        self, control: np.ndarray, form: str = "discrete"
    ) -> tuple[float, np.ndarray, Sequence[LayerProblem]]:
        """Cost, gradient, and the Hamiltonian of every layer, at the densities and potentials of a control `(layers, m)`.

        `form` is "discrete", or "continuous" for the Hamiltonians of continuous time.
        """
        ...

    def potentials(self, control: np.ndarray) -> Annotated[np.ndarray, DEFERRED]:
        """The backward sweep at a control: `(layers + 1, R, *shape)`."""
        ...

    def sequential_update(
        self, potentials: Annotated[np.ndarray, DEFERRED], choose: Choice
    ) -> tuple[np.ndarray, float]:
        """A forward sweep in which `choose(n, H_n)` gives layer n's parameters; returns the control and its cost."""
        ...


class LayeredProblem(DiscreteProblem, LayerWise, Protocol):
    """A discrete problem with layer-wise updates.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system: LayeredProblem = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.0, 4.0)], cells=40), layers=2)
    >>> cost, gradient, hamiltonians = system.layer_updates(np.zeros((2, 2)))
    >>> bool(np.allclose(hamiltonians[0](np.zeros(2))[1], gradient[0]))
    True
    """
