"""Bases of polynomials on one layer, as functions of the share of the layer that has passed."""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np

from .._frozen import frozen
from .._validate import integer

#: the largest degree of controls in time
HIGHEST = 10
#: the bases: Legendre polynomials are orthogonal; Bernstein polynomials are >= 0 and sum to 1, so that bounds of the
#: coefficients are bounds of the function
KINDS = ("legendre", "bernstein")


def checked_degree(degree: int, minimum: int = 0) -> int:
    """The degree of a control in time.

    Parameters
    ----------
    degree : an integer from `minimum` to `HIGHEST`.
    minimum : the smallest degree that is allowed.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> checked_degree(3)
    3
    """
    return integer("control_degree", degree, minimum=minimum, maximum=HIGHEST, instead="use more layers")


class Basis(NamedTuple):
    """Polynomials of one degree on a layer, or on a part of it, in the coefficients of the whole layer.

    Attributes
    ----------
    degree : the degree k; there are k + 1 polynomials.
    kind : "legendre": `P_j(2 s - 1)`, j = 0, ..., k, so that the first coefficient is the mean over the layer; or "bernstein":
        `C(k, j) s^j (1 - s)^(k - j)`, so that the first and last coefficients are the values at the layer's ends, and the
        function stays within the range of its coefficients.
    start, length : the part of the layer, as shares of it; by default the whole layer.

    References
    ----------
    R. T. Farouki, The Bernstein polynomial basis: a centennial retrospective, Comput. Aided Geom. Design 29 (2012), 379-419,
    doi:10.1016/j.cagd.2012.03.001.

    Examples
    --------
    >>> Basis(1, "bernstein")(np.array([0.0, 0.25, 1.0])).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.0, 1.0]]
    >>> Basis(2, "legendre").mass.round(12).tolist()  # squared norms, on a layer of length 1
    [[1.0, 0.0, 0.0], [0.0, 0.333333333333, 0.0], [0.0, 0.0, 0.2]]
    """

    degree: int
    kind: str = "legendre"
    start: float = 0.0
    length: float = 1.0

    def __call__(self, shares: np.ndarray) -> np.ndarray:
        """`(n, k + 1)`: the polynomials at shares `(n,)` of the part."""
        s = self.start + self.length * np.asarray(shares, dtype=np.float64)
        if self.kind == "legendre":
            return np.polynomial.legendre.legvander(2.0 * s - 1.0, self.degree)
        k = self.degree
        return np.stack([comb(k, j) * s**j * (1.0 - s) ** (k - j) for j in range(k + 1)], axis=-1)

    @property
    def whole(self) -> Basis:
        """The basis on the whole layer."""
        whole = Basis(self.degree, self.kind)
        return self if self == whole else whole

    def part(self, start: float, length: float) -> Basis:
        """The basis on a part of the layer, given by its start and length as shares of the layer."""
        return self._replace(start=start, length=length)

    @property
    def mass(self) -> np.ndarray:
        """`(k + 1, k + 1)`: the integrals of products over a layer of length 1."""
        return _mass(self.degree, self.kind)


def gauss(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre on (0, 1); exact for polynomials of degree `2 points - 1`.

    Examples
    --------
    >>> x, w = gauss(2)
    >>> bool(abs(w @ x**3 - 0.25) < 1e-15)
    True
    """
    x, w = np.polynomial.legendre.leggauss(points)
    return 0.5 * (x + 1.0), 0.5 * w


@lru_cache
def lobatto(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Lobatto on [0, 1], with both ends; exact for polynomials of degree `2 points - 3`.

    Examples
    --------
    >>> [rule.tolist() for rule in lobatto(2)]  # the trapezoidal rule
    [[0.0, 1.0], [0.5, 0.5]]
    """
    if points == 2:
        return frozen(np.array([0.0, 1.0])), frozen(np.array([0.5, 0.5]))
    legendre = np.polynomial.legendre.Legendre.basis(points - 1)
    inner = np.sort(legendre.deriv().roots().real)
    x = np.concatenate([[-1.0], 0.5 * (inner - inner[::-1]), [1.0]])
    return frozen(0.5 * (x + 1.0)), frozen(1.0 / (points * (points - 1) * legendre(x) ** 2))


@lru_cache
def _mass(degree: int, kind: str) -> np.ndarray:
    if kind == "legendre":
        return frozen(np.diag(1.0 / (2.0 * np.arange(degree + 1) + 1.0)))
    k, rows = degree, range(degree + 1)
    return frozen(np.array([[comb(k, i) * comb(k, j) / comb(2 * k, i + j) / (2 * k + 1) for j in rows] for i in rows]))
