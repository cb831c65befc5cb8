"""One layer of time with its parameters, and the stages of a Runge-Kutta step within it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .polynomials import Basis


class Layer(NamedTuple):
    """A layer, or a step within it: its start time, its length and its parameters.

    Attributes
    ----------
    start, length : in units of time.
    theta : `(m,)` for parameters that are constant in time, or `(degree + 1, m)` coefficients of the basis.
    basis : the basis of parameters that are polynomials in time; None for constant parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.flow.polynomials import Basis
    >>> from eulerian_mfc.flow import Layer
    >>> layer = Layer(start=0.0, length=0.25, theta=np.zeros(2))
    >>> layer.start + layer.length
    0.25
    >>> Layer(0.0, 0.25, np.array([[1.0], [3.0]]), Basis(1, "bernstein")).at(0.5).tolist()  # linear in time, in the middle
    [2.0]
    """

    start: float
    length: float
    theta: np.ndarray
    basis: Basis | None = None

    def at(self, share: float) -> np.ndarray:
        """`(m,)`: the parameters after a share of the layer."""
        return self.theta if self.basis is None else self.basis(np.array([share]))[0] @ self.theta

    def at_time(self, t: float) -> np.ndarray:
        """`(m,)`: the parameters at a time of the layer."""
        return self.theta if self.basis is None else self.at((t - self.start) / self.length)

    def part(self, begin: float, share: float) -> Layer:
        """The part of the layer that begins after a share of it and is as long as another share, in the same coefficients."""
        start, length, basis = self.start + self.length * begin, self.length * share, self.basis
        if basis is not None:
            basis = basis._replace(start=basis.start + basis.length * begin, length=basis.length * share)
        return Layer(start, length, self.theta, basis)

    def pulled_back(self, share: float, slope: np.ndarray) -> np.ndarray:
        """The transpose of `at`: the derivative of theta's shape, from that `(m,)` in the parameters after a share."""
        return slope if self.basis is None else np.outer(self.basis(np.array([share]))[0], slope)

    def sample_times(self, autonomous: bool) -> np.ndarray:
        """Times `(n,)` at which a scheme looks for the layer's largest speed, both ends among them.

        The start alone stands for the whole layer if the field is autonomous and the parameters are constant. Polynomials of
        degree k are sampled at `4 k + 5` equal distances.
        """
        degree = 0 if self.basis is None else self.basis.degree
        count = 1 if autonomous and degree == 0 else 4 * degree + 5
        return self.start + self.length * np.linspace(0.0, 1.0, count)

    def rows(self, shares: np.ndarray) -> np.ndarray:
        """The parameters `(n, m)` after shares `(n,)` of the layer; `(m,)` if they are constant."""
        return self.theta if self.basis is None else self.basis(shares) @ self.theta

    def gathered(self, shares: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """The transpose of `rows`: the derivative of theta's shape, from those `(n, m)` in the parameters after shares `(n,)`."""
        return slopes if self.basis is None else self.basis(shares).T @ slopes


class Stage(NamedTuple):
    """A stage of a Runge-Kutta step.

    Attributes
    ----------
    x : `(n, d)` points.
    value : `(n, d)`, the field's values there, in state units per time.

    Examples
    --------
    The stages of an Euler step are the points where it starts.

    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> from eulerian_mfc.flow import Flow, Layer, LayerMap
    >>> flow = Flow(emfc.fields.AffineField(1), LayerMap("euler"))
    >>> _, stages = flow.with_stages(Layer(0.0, 0.5, np.array([2.0, 0.0])), np.array([[1.0]]))
    >>> stages[0][0].x.tolist(), stages[0][0].value.tolist()
    ([[1.0]], [[2.0]])
    """

    x: np.ndarray
    value: np.ndarray
