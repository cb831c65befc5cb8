"""The values of a control on its layers, for figures, tables and checks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..control.curves import Curves
from ..flow.polynomials import gauss


class SampledControl(NamedTuple):
    """Values of a control at times of every layer.

    Attributes
    ----------
    times : `(layers, n)`, increasing in each layer, in units of time.
    values : `(layers, n, m)`, the parameters at these times. At a time where one layer ends and another one begins there are two
        values, one in each layer.

    Examples
    --------
    >>> curves = Curves(1.0, layers=[0.0, 0.2, 1.0], degree=1, kind="bernstein")
    >>> found = SampledControl.on_layers(curves, np.array([[[1.0], [2.0]], [[3.0], [3.0]]]), 3)
    >>> found.times.round(12).tolist(), found.values[:, :, 0].tolist()
    ([[0.0, 0.1, 0.2], [0.2, 0.6, 1.0]], [[1.0, 1.5, 2.0], [3.0, 3.0, 3.0]])
    """

    times: np.ndarray
    values: np.ndarray

    @classmethod
    def on_layers(cls, curves: Curves, control: np.ndarray, count: int) -> SampledControl:
        """The values at equally spaced times of every layer, both ends included.

        Parameters
        ----------
        curves : the functions of time that the control is one of.
        control : its coefficients.
        count : the number n of times per layer, at least 2.
        """
        found = cls._at(curves, control, np.linspace(0.0, 1.0, count))
        found.times[:, -1] = curves.ends[1:]
        return found

    @classmethod
    def determining(cls, curves: Curves, control: np.ndarray) -> SampledControl:
        """The values at `degree + 1` times inside every layer, which determine the control.

        The times are the nodes of Gauss and Legendre; for degree 0 they are the starts of the layers.

        Parameters
        ----------
        curves : the functions of time that the control is one of.
        control : its coefficients.
        """
        return cls._at(curves, control, gauss(curves.degree + 1)[0] if curves.degree else np.zeros(1))

    @classmethod
    def _at(cls, curves: Curves, control: np.ndarray, shares: np.ndarray) -> SampledControl:
        times = curves.on_layers(shares)
        if curves.degree == 0:
            return cls(times, np.repeat(control[:, None], len(shares), axis=1))
        return cls(times, np.einsum("nk,lkm->lnm", curves.basis(shares), control))
