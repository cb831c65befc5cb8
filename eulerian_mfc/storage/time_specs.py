"""The layers, the control's degree and the layer map in a solution file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np

from ..control.curves import Curves
from ..control.grid import count_of
from ..errors import ArgumentError, FileFormatError
from ..flow.flow_of_field import Flow, Mover
from ..flow.layer_map import LayerMap
from ..flow.polynomials import KINDS
from ..flow.tableaux import Tableau
from ..noise import Noise, SampledFlow
from .tables import Table

Read = TypeVar("Read")

#: the largest number of levels in time per layer that a file may claim
MOST_LEVELS = 100


def curves_spec(curves: Curves) -> Table:
    """The table of a file for the functions of time that a control is one of.

    Parameters
    ----------
    curves : the functions of time.

    Examples
    --------
    >>> curves_spec(Curves(1.0, [0.0, 0.5, 1.0], degree=1))
    {'grid': [0.0, 0.5, 1.0], 'degree': 1, 'basis': 'legendre', 'levels': 2}
    """
    grid = curves.grid if isinstance(curves.grid, int) else list(curves.grid)
    return {"grid": grid, "degree": curves.degree, "basis": curves.basis.kind, "levels": curves.levels}


def curves_of(spec: Any, layers: int, horizon: float) -> Curves:
    """The functions of time of a file; in files of earlier versions, controls are constant on equal layers.

    Parameters
    ----------
    spec : the table of the file, or None.
    layers : the number of layers in the file, of which the arrays are known to exist.
    horizon : the final time in the file.

    Raises
    ------
    FileFormatError
        If the table is not that of such functions.

    Examples
    --------
    >>> curves_of(None, 4, 1.0).ends.tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if spec is None:
        return Curves(horizon, layers)

    def build() -> Curves:
        grid, degree, basis, levels = (spec[key] for key in ("grid", "degree", "basis", "levels"))
        if basis not in KINDS or type(levels) is not int or not 2 <= levels <= MOST_LEVELS:
            raise ValueError
        count = count_of(grid)  # before an array of this length is made
        if count != layers:
            raise FileFormatError(f"control: {count} layers, but the file says {layers}: it was altered")
        return Curves(horizon, grid, degree, basis, levels)

    return _read("control", spec, "a grid, a degree and a basis", build)


def layer_map_spec(layer_map: LayerMap) -> Table:
    """The table of a file for a layer map."""
    return asdict(layer_map)


def layer_map_of(spec: Any) -> LayerMap:
    """The layer map of a file.

    Parameters
    ----------
    spec : the table of the file.

    Raises
    ------
    FileFormatError
        If it is not that of a layer map.

    Examples
    --------
    >>> layer_map_of(layer_map_spec(LayerMap("rk4", 2)))
    LayerMap(method='rk4', substeps=2)
    """

    def build() -> LayerMap:
        method = spec["method"]
        return LayerMap(**{**spec, "method": Tableau(**method) if isinstance(method, dict) else method})

    return _read("layer_map", spec, "a method and substeps", build)


#: what files say of noise that depends on time: its function cannot be stored
VARYING = "varying"


def noise_spec(mover: Mover | None) -> list[float] | str | None:
    """The entry of a file for the noise of what moves points: None if there is none, or if it is not known."""
    if not isinstance(mover, SampledFlow):
        return None
    constant = mover.noise.constant
    return VARYING if constant is None else constant.tolist()


def mover_of(flow: Flow | None, noise: list[float] | str | None, dim: int) -> Mover | None:
    """What moves points, from the flow of a file and its entry for the noise; None if one of them is not in the file.

    Parameters
    ----------
    flow : the field with its layer map, or None.
    noise : the entry, see `noise_spec`.
    dim : the dimension of the mesh.

    Raises
    ------
    FileFormatError
        If there is not one intensity per axis.
    """
    if flow is None or noise is None:
        return flow
    if isinstance(noise, str):
        return None
    if len(noise) != dim:
        raise FileFormatError(f"noise: {len(noise)} intensities, expected {dim}: the file was altered")
    return SampledFlow(flow, Noise(np.array(noise)))


def _read(name: str, spec: Any, expected: str, build: Callable[[], Read]) -> Read:
    """What `build` makes of a table of the file; a FileFormatError says what was expected if the table does not fit."""
    try:
        return build()
    except FileFormatError:
        raise
    except (ArgumentError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"{name}: got {str(spec)[:80]!r} in the file, expected {expected}") from error
