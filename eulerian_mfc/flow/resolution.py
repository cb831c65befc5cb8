"""Whether a layer map resolves parameters that are polynomials in time, and the layer map that is chosen for a degree."""

from __future__ import annotations

import numpy as np

from .._validate import choice, fail
from .layer_map import LayerMap
from .polynomials import Basis, checked_degree
from .tableaux import METHODS, Tableau

#: a layer map whose stages integrate products of the polynomials with a larger relative error is refused
REFUSED = 0.02
#: the layer map that is chosen by itself has at most this error
AIM = 1e-3
#: the word for a layer map that is chosen by itself
AUTO = "auto"
#: the method for controls that are constant on layers, and for others: degree k makes errors of order 2 k + 2 in the layers
CHOSEN = ("rk4", "dop853")


def unresolved(layer_map: LayerMap, degree: int) -> float:
    """The largest relative error of `int theta^2 dt` over polynomials of a degree, by the stages and weights of a layer map.

    The dynamics see a control only at the stages, while the penalty is integrated exactly. If the stages do not resolve the
    polynomials, an optimiser exploits the difference: it finds controls that are large at the stages and cheap between them.

    Parameters
    ----------
    layer_map : the layer map, with its substeps.
    degree : the degree of the parameters in time.

    Examples
    --------
    >>> [round(unresolved(LayerMap("rk4", substeps), 2), 3) for substeps in (1, 2)]
    [1.5, 0.094]
    """
    shares, k = layer_map.shares, np.arange(degree + 1)
    weights = np.tile(layer_map.tableau.weights, layer_map.substeps) / layer_map.substeps
    values = Basis(degree)(shares) * np.sqrt(2 * k + 1)
    return float(np.abs(np.linalg.eigvalsh(values.T @ (weights[:, None] * values) - np.eye(degree + 1))).max())


def as_layer_map(layer_map: LayerMap | str, degree: int = 0) -> LayerMap:
    """The LayerMap for a name of a method; a LayerMap is returned as it is.

    "auto" is the classical method of order 4 for parameters that are constant on layers, and the method of order 8 of Dormand
    and Prince for degree 1 and above, with as many substeps as resolve the degree.

    Parameters
    ----------
    layer_map : a LayerMap, "auto", "euler", "midpoint", "rk4", "dopri5" or "dop853".
    degree : the degree of the parameters in time.

    Raises
    ------
    ArgumentError
        If there is no method of this name, or its stages do not resolve polynomials of the degree in time.

    Examples
    --------
    >>> as_layer_map("euler").order, as_layer_map("auto", 3).method
    (1, 'dop853')
    """
    checked_degree(degree)
    if chosen_by_itself(layer_map):
        method = CHOSEN[min(degree, len(CHOSEN) - 1)]
        return LayerMap(method, substeps_for(method, degree, AIM))
    named = [AUTO, *METHODS]
    found = layer_map if isinstance(layer_map, LayerMap) else LayerMap(choice("layer_map", layer_map, named))
    if degree and unresolved(found, degree) > REFUSED:
        enough = substeps_for(found.method, degree, REFUSED)
        wanted = (
            f"stages that resolve controls of degree {degree}: LayerMap({found.method!r}, substeps={enough}) or more"
        )
        raise fail("layer_map", layer_map, f'{wanted}, or layer_map="auto"')
    return found


def chosen_by_itself(layer_map: LayerMap | str) -> bool:
    """Whether a layer map is the word "auto".

    Parameters
    ----------
    layer_map : as for `as_layer_map`.

    Examples
    --------
    >>> chosen_by_itself("auto"), chosen_by_itself("rk4")
    (True, False)
    """
    return isinstance(layer_map, str) and layer_map == AUTO


def substeps_for(method: str | Tableau, degree: int, error: float) -> int:
    """The smallest number of substeps whose stages integrate products of polynomials of a degree with at most a relative error.

    Parameters
    ----------
    method : the method of the layer map.
    degree : the degree of the parameters in time.
    error : the largest relative error, see `unresolved`.

    Examples
    --------
    >>> substeps_for("rk4", 2, 0.02), substeps_for("dop853", 3, 1e-6)
    (3, 1)
    """
    substeps = 1
    while unresolved(LayerMap(method, substeps), degree) > error:
        substeps += 1
    return substeps
