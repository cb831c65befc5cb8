"""Convergence in mesh width and in layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar, Unpack

import numpy as np

from .._validate import fail, integer, mismatch
from ..meshes import Mesh
from ..problem import Problem
from ..run.options import CaseOptions
from .degrees import checked_degrees, degree_study
from .references import ReferenceLike
from .refinement import Refinement
from .runner import Runner, StudyOptions
from .sources import Box, Cells, Source, given, meshes
from .study import Study

T = TypeVar("T")


def mesh_convergence(
    problem: Problem,
    cells: Sequence[Cells],
    layers: int | Sequence[int],
    bounds: Box | None = None,
    *,
    reference: ReferenceLike = "richardson",
    **options: Unpack[StudyOptions],
) -> Study:
    """Cost and control on finer and finer meshes.

    Parameters
    ----------
    problem : the control problem.
    cells : cells of each mesh, from coarse to fine, each as for `CartesianMesh`; or the meshes themselves.
    layers : one number for all meshes, or one per mesh (in proportion to the cells for a fixed Courant number).
    bounds : the box, one pair (low, high) per axis in units of the state; by default the box that covers the problem with the
        finest mesh.
    reference : the value from which errors are measured: "richardson" (the default), "finest", "particles" (the particle
        twin on the law's own quadrature points or samples, with the same layers and without a mesh), a `Reference`, a
        mapping with `cost` and `control`, or a Solution.
    options : `folder`, `executor`, `workers` and `progress`, see `Runner`; and keyword arguments of `solve`.

    Returns
    -------
    Study
        Columns `cells, h, layers, dt, courant, cost, error J, error theta, residual, converged`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit together, or if no run succeeds.

    References
    ----------
    P. J. Roache, Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123 (Richardson's limit); orders of theory: docs/theory/orders.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[1.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> study = emfc.studies.mesh_convergence(problem, [24, 48, 96], layers=2, bounds=[(-4.0, 5.0)], reference="particles")
    >>> study.values("cells").tolist(), bool(study.values("error J")[-1] < 1e-8)
    ([24.0, 48.0, 96.0], True)
    """
    runner, others = Runner.taken_from(mesh_convergence, options)
    return mesh_study(
        mesh_sources(problem, cells, layers, bounds, others), reference, "Convergence in mesh width", runner
    )


def mesh_sources(
    problem: Problem,
    cells: Sequence[Cells],
    layers: int | Sequence[int],
    bounds: Box | None,
    options: CaseOptions,
) -> list[Source]:
    """The sources of `mesh_convergence` from its arguments: one source per mesh."""
    boxes = meshes(problem, cells, bounds)
    if any(fine.width >= coarse.width for coarse, fine in pairwise(boxes)):
        raise mismatch("cells", f"widths {[float(m.width) for m in boxes]}", "meshes from coarse to fine")
    one = isinstance(layers, str) or not np.iterable(layers)
    counts = [layers] * len(boxes) if isinstance(layers, int) or one else list(layers)
    if len(counts) != len(boxes) or (not one and any(isinstance(n, float) or np.iterable(n) for n in counts)):
        wanted = f"one number, or {len(boxes)} numbers, one per mesh"
        raise fail("layers", layers, f"{wanted} (times of layers are accepted by solve, sweeps and studies of samples)")
    return [given(problem, m, integer("layers", n), options) for m, n in zip(boxes, counts, strict=True)]


def mesh_study(sources: Sequence[Source], reference: ReferenceLike, title: str, runner: Runner) -> Study:
    """The study of `mesh_convergence` for sources that differ in their mesh."""
    return Refinement.run("mesh", sources, reference, runner).study(title)


def layer_convergence(
    problem: Problem,
    mesh: Mesh,
    layers: Sequence[int],
    *,
    reference: ReferenceLike | None = None,
    twin: bool = False,
    degrees: Sequence[int] | None = None,
    **options: Unpack[StudyOptions],
) -> Study:
    """Cost and control with more and more layers.

    Parameters
    ----------
    problem, mesh : as for `solve`; the mesh must be so fine that its error is far below that of the layers.
    layers : numbers of layers, from few to many.
    reference : as for `mesh_convergence`, except "particles"; "richardson" by default. For several degrees it is "finest", the
        cost with the highest degree on the most layers, or values.
    degrees : degrees of the control in time, such as `[0, 1, 2]`: one table and figure with a column of errors per degree. By
        default, one study of the degree `control_degree`.
    twin : whether to run the particle twin on the law's own points instead of a mesh, which has no mesh error.
    options : as for `mesh_convergence`.

    Controls are compared by their means over each layer.

    Raises
    ------
    ArgumentError
        For unknown arguments (neither of the study nor of `solve`), or if no run succeeded.

    References
    ----------
    P. J. Roache, Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123 (Richardson's limit); orders of theory: docs/theory/orders.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[1.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 5.0)], 40)
    >>> study = emfc.studies.layer_convergence(problem, mesh, [4, 8, 16], twin=True)
    >>> study.values("dt").tolist(), round(study.fit("error J").order, 1)
    ([0.25, 0.125, 0.0625], 2.0)
    >>> study = emfc.studies.layer_convergence(problem, mesh, [2, 4, 8], twin=True, degrees=[0, 1])
    >>> [round(study.fit(f"error J, degree {k}").order) for k in (0, 1)]
    [2, 4]
    """
    runner, others = Runner.taken_from(layer_convergence, options)
    counts = [integer("layers", n) for n in several("layers", layers)]
    if any(fine <= coarse for coarse, fine in pairwise(counts)):
        raise fail("layers", layers, "numbers that grow")
    title = "Convergence in layers"
    if degrees is not None:
        chosen = {
            k: [given(problem, mesh, n, {**others, "control_degree": k}) for n in counts]
            for k in checked_degrees(degrees)
        }
        return degree_study(chosen, "finest" if reference is None else reference, title, runner, twin)
    sources = [given(problem, mesh, n, others) for n in counts]
    return layer_study(sources, "richardson" if reference is None else reference, title, runner, twin)


def layer_study(
    sources: Sequence[Source], reference: ReferenceLike, title: str, runner: Runner, twin: bool = False
) -> Study:
    """The study of `layer_convergence` for sources that differ in their layers."""
    if isinstance(reference, str) and reference == "particles":
        raise fail("reference", reference, "'richardson', 'finest' or values (and twin=True for runs without a mesh)")
    return Refinement.run("layers", sources, reference, runner, twin).study(title)


def several(name: str, values: Sequence[T]) -> list[T]:
    """A list of two or more values; ArgumentError otherwise."""
    try:
        plain = np.ndim(values) == 1 and len(values) > 1  # type: ignore[arg-type]  # entries of any kind
    except ValueError:  # lists of different lengths
        plain = False
    if not plain:
        raise fail(name, repr(values), "a list of two or more values that are not lists themselves")
    return list(values)
