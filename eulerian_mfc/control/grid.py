"""Layers in time: a number of equal layers, or the times at which layers start and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .._validate import array, fail, integer

#: a number of equal layers, or increasing times from 0 to the horizon
Grid: TypeAlias = int | Sequence[float] | np.ndarray

#: the shortest layer, as a share of the horizon; and the largest relative difference of the last time from the horizon
SHORTEST, ENDS = 1e-9, 1e-12
#: the largest number of layers
MOST_LAYERS = 1_000_000


def checked_grid(layers: Grid, name: str = "layers") -> int | tuple[float, ...]:
    """A number of layers, or increasing times as a tuple.

    Parameters
    ----------
    layers : an integer from 1 to `MOST_LAYERS`, or increasing times that begin with 0.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> checked_grid(4), checked_grid([0, 0.25, 1])
    (4, (0.0, 0.25, 1.0))
    """
    if isinstance(layers, str | bytes) or not np.iterable(layers):
        return integer(name, layers, maximum=MOST_LAYERS, instead="use a higher degree of the control, control_degree")
    times = array(name, layers, ndim=1, like="layers=20 or layers=[0.0, 0.25, 1.0]")
    if len(times) < 2 or times[0] != 0.0 or not (np.diff(times) > SHORTEST * times[-1]).all():
        raise fail(name, layers, "a number of layers, or increasing times that begin with 0, such as [0.0, 0.25, 1.0]")
    return tuple(times.tolist())


def count_of(layers: Grid) -> int:
    """The number of layers.

    Examples
    --------
    >>> count_of(4), count_of([0.0, 0.25, 1.0])
    (4, 2)
    """
    found = checked_grid(layers)
    return found if isinstance(found, int) else len(found) - 1


def layer_ends(layers: Grid, horizon: float) -> np.ndarray:
    """`(layers + 1,)`: the times at which layers start and end.

    Parameters
    ----------
    layers : see `checked_grid`.
    horizon : the final time, in units of time.

    Raises
    ------
    ArgumentError
        If the times do not end at the horizon.

    Examples
    --------
    >>> layer_ends(4, 2.0).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    found = checked_grid(layers)
    if isinstance(found, int):
        return np.linspace(0.0, horizon, found + 1)
    if abs(found[-1] - horizon) > ENDS * horizon:
        raise fail("layers", layers, f"times that end at the problem's horizon, {horizon:g}")
    return np.array([*found[:-1], horizon])


def layer_lengths(layers: Grid, horizon: float) -> np.ndarray:
    """`(layers,)`: the lengths of the layers.

    Parameters
    ----------
    layers, horizon : see `layer_ends`.

    Examples
    --------
    >>> layer_lengths([0.0, 0.25, 1.0], 1.0).tolist()
    [0.25, 0.75]
    """
    found = checked_grid(layers)
    return np.full(found, horizon / found) if isinstance(found, int) else np.diff(layer_ends(found, horizon))
