"""One layer of time with its parameters, and the stages of a Runge-Kutta step within it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """One layer: its start time, its length and its parameters.

    Attributes
    ----------
    start, length : in units of time.
    theta : `(m,)`.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.flow import Layer
    >>> layer = Layer(start=0.0, length=0.25, theta=np.zeros(2))
    >>> layer.start + layer.length
    0.25
    """

    start: float
    length: float
    theta: np.ndarray


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
