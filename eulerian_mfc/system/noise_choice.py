"""The pair of schemes of a problem with noise: which heat semigroups suit a pair."""

from __future__ import annotations

from .._validate import mismatch
from ..flow.layer_map import LayerMap
from ..meshes import CartesianMesh
from ..meshes.padded import boundary_kinds
from ..noise import HeatOnBoxes, HeatOnSimplices, HeatSemigroup, Noise, Splitting
from ..schemes import Scheme
from ..spaces import ElementNodes
from .noisy_pair import NoisyPair
from .pairs import Pair


def with_noise(pair: Pair, noise: Noise, layer_map: LayerMap) -> Pair:
    """The pair with noise; the pair itself if there is none.

    On boxes the semigroups are exact: with the eigenvalues of second differences for schemes that keep values non-negative
    (order 2), and those of the Laplacian else. On simplices they are those of the continuous elements.

    Parameters
    ----------
    pair : the schemes without noise, with one step of the layer map per piece of time.
    noise : the intensity of the noise.
    layer_map : the substeps of a layer, and the order of the splitting.

    Raises
    ------
    ArgumentError
        If the schemes cannot have noise.
    """
    if not noise:
        return pair
    transport, continuity = pair.transport.scheme, pair.continuity.scheme
    positive = continuity.positive or transport.positive
    order = layer_map.splitting or (2 if positive else 4)
    splitting = Splitting(noise, layer_map.substeps, order)
    if isinstance(pair.mesh.base, CartesianMesh) and pair.mesh.shape == pair.mesh.mass_shape:
        if pair.adjoint:
            heat = _on_box(pair, continuity, positive)
            return NoisyPair(pair, splitting, heat, heat)
        spread, blur = (_on_box(pair, scheme, scheme.positive) for scheme in (continuity, transport))
        return NoisyPair(pair, splitting, spread, blur)
    if isinstance(pair.mesh, ElementNodes) and pair.adjoint:
        heat_of_elements = HeatOnSimplices(pair.mesh)
        return NoisyPair(pair, splitting, heat_of_elements, heat_of_elements)
    raise mismatch(
        "noise",
        f"noise with {transport!r} and {continuity!r}",
        "schemes that can have noise: all schemes on a CartesianMesh, and transport.Elements() with its transpose on a "
        "SimplexMesh",
    )


def _on_box(pair: Pair, scheme: Scheme, differences: bool) -> HeatSemigroup:
    mesh = pair.mesh.base
    assert isinstance(mesh, CartesianMesh)
    kinds = boundary_kinds(scheme.boundary, mesh.dim)
    return HeatOnBoxes(mesh, [low == "periodic" for low, _ in kinds], differences)
