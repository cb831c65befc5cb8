"""Target laws of the states, and their densities at the points of a mesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._validate import array, fail, mismatch, own, takes
from ..errors import FileFormatError
from ..laws import Gaussian, GaussianMixture, Law, Uniform
from .density_cost import StateDensity, StateGrid, same_dim
from .readout import Spec

#: a target: a law with a density, or the density as a function of points `(n, d)` with values `(n,)`
Target = Law | Callable[[np.ndarray], np.ndarray]
#: largest distance of a target's mass on the mesh from 1
MASS_TOLERANCE = 1e-2


def checked_target(target: Target) -> Target:
    """The target after a check of its type.

    Parameters
    ----------
    target : a law with a density, or a function of points.

    Raises
    ------
    ArgumentError
        If it is neither, or the law does not have a density.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> checked_target(Gaussian([0.0], 1.0)).dim
    1
    """
    if isinstance(target, Law):
        target.log_density(target.sample(1, seed=0))  # refuses laws without a density
        return target
    if not callable(target):
        wanted = (
            "a law with a density, such as laws.Gaussian([0.0], 1.0), or the density as a function x (n, d) -> (n,)"
        )
        raise fail("target", target, wanted)
    takes("target", target, "x")
    return target


def target_spec(target: object) -> Spec | None:
    """JSON-ready arguments that rebuild a target law (see `target_of`); None for functions and for laws of other classes.

    Parameters
    ----------
    target : a target.

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform
    >>> target_spec(Uniform([(0.0, 1.0)]))
    {'law': 'uniform', 'bounds': [[0.0, 1.0]]}
    """
    if type(target) in (Gaussian, GaussianMixture):
        assert isinstance(target, GaussianMixture)
        arrays = {"means": target.means.tolist(), "std": target.std.tolist(), "weights": target.weights.tolist()}
        return {"law": "gaussian_mixture", **arrays, "truncation": target.truncation}
    return {"law": "uniform", "bounds": target.bounds.tolist()} if type(target) is Uniform else None


def target_of(spec: Spec) -> Law:
    """The law that `target_spec` describes.

    Parameters
    ----------
    spec : the name of the law, `law`, and the arguments of its class.

    Raises
    ------
    FileFormatError
        If the law is not one of those that are described.

    Examples
    --------
    >>> target_of({"law": "uniform", "bounds": [[0.0, 1.0]]}).dim
    1
    """
    known: dict[object, Callable[..., Law]] = {"gaussian_mixture": GaussianMixture, "uniform": Uniform}
    if spec.get("law") not in known:
        raise FileFormatError(f"unknown law {spec.get('law')!r}")
    return known[spec["law"]](**{name: value for name, value in spec.items() if name != "law"})


def check_target_dim(target: Target, dim: int) -> None:
    """Raise an ArgumentError if a target is a law in another dimension than that of the state.

    Parameters
    ----------
    target : the target.
    dim : the dimension of the state.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> check_target_dim(Gaussian([0.0], 1.0), 1)
    """
    if isinstance(target, Law):
        same_dim("a law", target.dim, dim)


def log_density_at(target: Target, grid: StateGrid) -> np.ndarray:
    """`(n,)`: the logarithm of a target's density at the points of a grid; minus infinity where it vanishes.

    Parameters
    ----------
    target : the target.
    grid : the points.

    Raises
    ------
    ArgumentError
        If a function returns values of another shape, or values that are negative or not finite.

    Examples
    --------
    >>> log_density_at(lambda x: np.ones(len(x)), StateGrid(np.zeros((2, 1)), np.ones(2))).tolist()
    [0.0, 0.0]
    """

    def make() -> np.ndarray:
        if isinstance(target, Law):
            return target.log_density(grid.points)
        values = array("target", target(own(grid.points)), finite=False)
        if values.shape != (len(grid.points),):
            raise mismatch("target", f"values of shape {values.shape}", f"the shape ({len(grid.points)},)")
        if not np.isfinite(values).all() or (values < 0).any():
            raise mismatch("target", f"a density with the least value {values.min()}", "finite values >= 0")
        with np.errstate(divide="ignore"):
            return np.log(values)

    return grid.derived((target, "log density"), make)


def density_at(target: Target, grid: StateGrid) -> np.ndarray:
    """`(n,)`: a target's density at the points of a grid.

    Parameters
    ----------
    target : the target.
    grid : the points.

    Examples
    --------
    >>> density_at(lambda x: np.full(len(x), 0.5), StateGrid(np.zeros((2, 1)), np.ones(2))).tolist()
    [0.5, 0.5]
    """
    return grid.derived((target, "density"), lambda: np.exp(log_density_at(target, grid)))


def check_target_mass(target: Target, density: StateDensity) -> None:
    """Raise an ArgumentError if a target's density does not integrate to 1 on the mesh.

    Parameters
    ----------
    target : the target.
    density : a law on the mesh.

    Examples
    --------
    >>> half = StateDensity(StateGrid(np.zeros((1, 1)), np.ones(1)), np.ones(1))
    >>> check_target_mass(lambda x: np.ones(len(x)), half)
    """
    found = float(density.volumes @ density_at(target, density.grid))
    if not abs(found - 1.0) <= MASS_TOLERANCE:
        wanted = (
            f"1 up to {MASS_TOLERANCE:g}: divide the density by its integral, or use a mesh that holds it, with cells that "
            "resolve it"
        )
        raise mismatch("target", f"a density whose integral over the mesh is {found:.6g}", wanted)
