"""Conditions on the named boundaries of a simplex mesh."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .._validate import fail, mismatch
from .simplex_geometry import SimplexGeometry


def conditions(kinds: str | Mapping[str, str], geometry: SimplexGeometry) -> list[str]:
    """The condition of each of the geometry's `parts`.

    Raises
    ------
    ArgumentError
        For two conditions on one facet, and for names that are unknown, that have no facets, or that name facets inside the
        domain.
    """
    if isinstance(kinds, str):
        return [kinds] * len(geometry.parts)
    for name in kinds:
        _check_name(name, kinds, geometry)
    return [_condition(kinds, geometry, part) for part in geometry.parts]


def _check_name(name: str, kinds: Mapping[str, str], geometry: SimplexGeometry) -> None:
    names = sorted(geometry.mesh.skfem.boundaries or {})
    if name not in names:
        raise fail("boundary", dict(kinds), f"names of the mesh's boundaries: {names}")
    if name in geometry.inside:
        raise mismatch(
            "boundary",
            f"{kinds[name]!r} for {name!r}, which has facets inside the domain, the first about "
            f"{geometry.inside[name].tolist()}",
            "names of facets on the boundary: for a wall inside the domain, leave a gap in the mesh that is "
            "as thin as the wall",
        )
    if not any(name in part for part in geometry.parts):
        raise mismatch("boundary", f"{kinds[name]!r} for {name!r}, which has no facets", "a name that has facets")


def _condition(kinds: Mapping[str, str], geometry: SimplexGeometry, part: tuple[str, ...]) -> str:
    """The condition of the names in `part` that are in the mapping; they must agree."""
    given = [name for name in part if name in kinds]
    for name in given[1:]:
        if kinds[name] != kinds[given[0]]:
            mine = geometry.outer & (geometry.side == geometry.parts.index(part))
            raise mismatch(
                "boundary",
                f"{kinds[given[0]]!r} for {given[0]!r} and {kinds[name]!r} for {name!r}, both of them names of the facet "
                f"about {geometry.facet_centres[np.flatnonzero(mine)[0]].tolist()}",
                "one condition per facet: give both names the same condition, or leave out one of the names",
            )
    return kinds[given[0]] if given else "outflow"
