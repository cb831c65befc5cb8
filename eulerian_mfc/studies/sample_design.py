"""The design of a sample study, and the columns of its table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._validate import choice, fail, integer
from .columns import CONVERGED
from .references import Reference, ReferenceLike, as_reference, check_parameters
from .runs import MOST_REPEATS, Fold
from .study_data import Column

METHODS = {"mesh": "on the mesh", "particles": "by the particle twin"}
#: orders of the mean of W1 and W2 in N, by dimension
#: (N. Fournier, A. Guillin, Probab. Theory Relat. Fields 162 (2015), 707-738, doi:10.1007/s00440-014-0583-7)
RATES = {
    1: ("1/2 in N", "1/2 in N if the law's support is connected, otherwise 1/4"),
    2: ("1/2 in N, up to a logarithm", "between 1/4 and 1/2 in N"),
    3: ("1/3 in N", "between 1/4 and 1/3 in N"),
}


@dataclass(frozen=True)
class Distances:
    """How the distances W1 and W2 of the samples to their law are measured, see `laws.distance.wasserstein`.

    Parameters
    ----------
    symmetry : a map `(n, d) -> (n, d)` that is constant on the orbits of a symmetry; with it, distances of the laws' images are
        reported too.
    atoms : number of atoms by which the law is replaced in the plane and in space.

    Examples
    --------
    >>> Distances(symmetry=np.abs).atoms
    4000
    """

    symmetry: Fold | None = None
    atoms: int = 4000


#: the measurement with all defaults
DISTANCES = Distances()


@dataclass(frozen=True)
class SampleDesign:
    """The design of a sample study.

    Parameters
    ----------
    sizes : the sample sizes N.
    repeats : number of samples of each size.
    seed : an integer >= 0.
    methods : "mesh", "particles", or both.
    distances : how the distances of the samples to the law are measured.
    reference : the law's control: by default its solution on the same mesh.

    Raises
    ------
    ArgumentError
        For numbers that are out of range, and for unknown methods.

    Examples
    --------
    >>> len(list(SampleDesign([10, 100], repeats=3).draws()))
    6
    """

    sizes: Sequence[int]
    repeats: int = 8
    seed: int = 0
    methods: Sequence[str] = ("mesh", "particles")
    distances: Distances = DISTANCES
    reference: ReferenceLike | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.sizes) != 1 or not len(self.sizes):
            raise fail("samples", self.sizes, "a list of numbers of samples")
        object.__setattr__(self, "sizes", [integer("samples", n) for n in self.sizes])
        chosen = tuple(choice("methods", m, METHODS) for m in self.methods)
        if not chosen or len(set(chosen)) < len(chosen):
            raise fail("methods", self.methods, "one or both of " + ", ".join(map(repr, METHODS)))
        object.__setattr__(self, "methods", chosen)
        if not isinstance(self.distances, Distances):
            raise fail("distances", self.distances, "studies.Distances(symmetry=..., atoms=...)")
        integer("repeats", self.repeats, maximum=MOST_REPEATS)
        integer("seed", self.seed, minimum=0)

    def draws(self) -> Iterator[tuple[int, int]]:
        """The size and the repeat number of every sample."""
        return itertools.product(self.sizes, range(self.repeats))

    def known(self, parameters: int) -> Reference | None:
        """The law's control, if the reference has one.

        Raises
        ------
        ArgumentError
            If the reference has no control, or a control with another number of parameters.
        """
        if self.reference is None:
            return None
        known = as_reference(self.reference)
        if not isinstance(known, Reference) or known.control is None:
            raise fail("reference", self.reference, "a Reference with a control, a Solution, or None")
        check_parameters(known, parameters)
        return known


def sample_columns(
    methods: Sequence[str], symmetric: bool, dim: int
) -> tuple[tuple[Column, ...], list[tuple[str, str, str]]]:
    state, main = "state", METHODS[methods[0]]
    columns = [
        Column("N", "samples"),
        Column("W1", "rms W1 of the sample to the law", state, 3),
        Column("W2", "rms W2 of the sample to the law", state, 3),
    ]
    errors = [(w, "zero", rate) for w, rate in zip(("W1", "W2"), RATES[dim], strict=True)]
    if symmetric:
        columns += [Column(f"{w} sym", f"rms {w} of their images under the symmetry", state, 3) for w in ("W1", "W2")]
        errors += [("W1 sym", "zero", RATES[dim][0])]
    for m in methods:
        columns.append(
            Column(f"error {m}", f"rms over repeats of the largest error of the control, {METHODS[m]}", "", 3)
        )
        errors.append((f"error {m}", "", "1/2 in N"))
    columns += [
        Column("training", f"mean cost of the sample's control on the sample, {main}", digits=6),
        Column("generalisation", "mean cost of the sample's control on the law", digits=6),
        Column("gap", "generalisation minus training", digits=2),
        Column("excess", "generalisation minus the law's optimal cost", digits=2),
        Column("ratio W1", "rms error of the control over rms W1", "1/state", 3),
        *(
            [Column("ratio W1 sym", "rms error of the control over rms W1 of the images", "1/state", 3)]
            if symmetric
            else []
        ),
        *(
            [Column("difference", "largest difference of the controls of mesh and twin", digits=2)]
            if len(methods) == 2
            else []
        ),
        CONVERGED,
    ]
    errors.append(("excess", "zero", "1 in N"))
    return tuple(columns), errors
