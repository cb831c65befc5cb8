"""Conditions on named boundaries of simplices: names that share facets, names inside the domain, and ledgers."""

import itertools

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc import SimplexMesh
from eulerian_mfc.continuity import SimplexFiniteVolume
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.flow import Flow, Layer

from .simplices import KINDS

LAYER = Layer(0.0, 1.0, np.array([1.0, 0.25]))
SIDES = {
    "right": lambda x: x[0] == 2,
    "top": lambda x: x[1] == 1,
    "left": lambda x: x[0] == 0,
    "bottom": lambda x: x[1] == 0,
}


def channel(sides, boundaries_only=True):
    """The box [0, 2] x [0, 1] with names for facets by their centres."""
    mesh = skfem.MeshTri.init_tensor(np.linspace(0, 2, 17), np.linspace(0, 1, 9))
    return SimplexMesh(mesh.with_boundaries(sides, boundaries_only))


def everywhere(x):
    return np.ones_like(x[0], dtype=bool)


def carried(mesh, boundary):
    """`(ledger by side, mass at the end, mass at the start)` after a unit of time of a wind to the right and up."""
    operator = SimplexFiniteVolume("upwind", boundary=boundary).on(mesh, flow())
    masses = mesh.volumes[None]
    end, ledger = operator.step_with_ledger(LAYER, masses)
    return dict(zip(operator.sides, ledger[0], strict=True)), float(end.sum()), float(masses.sum())


def flow():
    return Flow(emfc.fields.AffineField(2, matrix=False), emfc.LayerMap())


@pytest.mark.parametrize("name", ["all", "z_all"])
def test_a_facet_in_two_names_has_the_condition_of_the_name_that_is_given(name):
    """All sides are walls, whatever the alphabet: all the mass stays. The other way round, one side is a wall."""
    mesh = channel({name: everywhere, "right": SIDES["right"]})
    ledger, end, start = carried(mesh, {name: "no_flux"})
    assert abs(end - start) <= 1e-13
    assert np.abs(list(ledger.values())).max() <= 1e-14
    ledger, end, start = carried(mesh, {"right": "no_flux"})
    both = " & ".join(sorted([name, "right"]))
    assert ledger[both] == 0.0
    assert ledger[name] > 0.1  # through the top
    assert abs(ledger[name] - (start - end)) <= 1e-13


def test_any_names_give_the_answer_of_names_that_do_not_overlap():
    """Every set of walls, told by overlapping names, against the same walls told facet by facet."""
    whole = {"a": everywhere, "east": lambda x: x[0] >= 1, "z": lambda x: (x[1] == 1) | (x[0] == 2)}
    mesh, plain = channel(whole), channel(SIDES)
    for closed in itertools.chain.from_iterable(itertools.combinations(whole, k) for k in range(4)):
        ledger, end, _ = carried(mesh, dict.fromkeys(closed, "no_flux"))
        facets = plain.skfem.boundary_facets()
        centres = plain.skfem.p[:, plain.skfem.facets[:, facets]].mean(axis=1)
        walls = facets[np.any([whole[name](centres) for name in closed] + [np.zeros(len(facets), bool)], axis=0)]
        told = SimplexMesh(skfem.MeshTri(plain.skfem.p, plain.skfem.t).with_boundaries({"walls": walls}))
        expected, other, _ = carried(told, {"walls": "no_flux"} if len(walls) else "outflow")
        assert abs(end - other) <= 1e-13
        assert abs(sum(ledger.values()) - sum(expected.values())) <= 1e-13


def test_a_ledger_counts_every_facet_once():
    """The entries sum to what left, and those with a name in them to what left through that name's facets."""
    overlapping = channel({"all": everywhere, "right": SIDES["right"], "corner": lambda x: (x[0] == 2) | (x[1] == 1)})
    ledger, end, start = carried(overlapping, "outflow")
    assert list(ledger) == ["all", "all & corner", "all & corner & right", "unnamed"]
    assert abs(sum(ledger.values()) - (start - end)) <= 1e-13
    plain, _, _ = carried(channel(SIDES), "outflow")
    assert abs(ledger["all & corner & right"] - plain["right"]) <= 1e-13
    assert abs(ledger["all & corner"] - plain["top"]) <= 1e-13
    assert plain["right"] > 0.3


def test_conditions_that_disagree_on_a_facet_are_refused():
    mesh = channel({"all": everywhere, "right": SIDES["right"]})
    message = (
        r"boundary: got 'no_flux' for 'all' and 'outflow' for "
        r"'right', both of them names of the facet about \[2.0, 0\.\d+\], expected one condition per facet"
    )
    for kinds in ({"all": "no_flux", "right": "outflow"}, {"right": "outflow", "all": "no_flux"}):
        with pytest.raises(ArgumentError, match=message):
            carried(mesh, kinds)
    carried(mesh, {"all": "no_flux", "right": "no_flux"})


def test_conditions_inside_the_domain_or_on_no_facet_are_refused():
    mesh = channel({"wall": lambda x: x[0] == 1, "none": lambda x: x[0] == 7, "right": SIDES["right"]}, False)
    for kind in ("no_flux", "outflow"):
        with pytest.raises(
            ArgumentError,
            match=r"boundary: got '.*' for 'wall', which has facets inside the domain, the first about \[1\.0, ",
        ):
            carried(mesh, {"wall": kind})
        with pytest.raises(ArgumentError, match=r"for 'none', which has no facets"):
            carried(mesh, {"none": kind})
    with pytest.raises(ArgumentError, match=r"expected names of the mesh's boundaries: \['none', 'right', 'wall'\]"):
        carried(mesh, {"left": "no_flux", 3: "outflow"})
    ledger, end, start = carried(mesh, {"right": "no_flux"})
    assert list(ledger) == ["right", "unnamed"]
    assert abs(end + ledger["unnamed"] - start) <= 1e-13


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_refinement_keeps_names_inside_the_domain_and_names_that_overlap(dim):
    line = np.linspace(0, 1, 5)
    base = KINDS[dim](line) if dim == 1 else KINDS[dim].init_tensor(*[line] * dim)
    names = {
        "middle": lambda x: x[0] == 0.5,
        "left": lambda x: x[0] == 0,
        "all": lambda x: ((x == 0) | (x == 1)).any(axis=0),
        "far": lambda x: x[0] == 7,
    }
    mesh = SimplexMesh(base.with_boundaries(names, boundaries_only=False))
    for fine in (mesh.refined(), mesh.refined(mesh.centres[:, 0] > 0.3), mesh.refined([0]).refined([0, 1])):
        centres = fine.skfem.p[:, fine.skfem.facets].mean(axis=1)
        assert set(fine.skfem.boundaries) == set(names)
        for name, holds in names.items():
            np.testing.assert_array_equal(
                np.sort(fine.skfem.boundaries[name]), np.flatnonzero(holds(centres)), err_msg=name
            )
        assert len(fine.skfem.boundaries["middle"]) > 0


def test_names_of_sides_of_boxes_that_are_none_are_refused():
    """Boxes have no overlapping names: each side has its own, and a misspelt one is told."""
    mesh, affine = emfc.CartesianMesh([(0, 1)] * 2, 8), flow()
    for scheme in (emfc.continuity.FiniteVolume, emfc.transport.FiniteVolume):
        for name in ("left", "z_low", "X_low", 0):
            with pytest.raises(
                ArgumentError, match=rf"boundary: got {name!r}, expected one of 'x_low', 'x_high', 'y_low', "
            ):
                scheme(boundary={name: "no_flux"}).on(mesh, affine)
        with pytest.raises(ArgumentError, match=r"expected either both sides of axis x to be periodic"):
            scheme(boundary={"x_low": "periodic"}).on(mesh, affine)
