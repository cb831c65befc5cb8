"""What shows a control, for controls of any degree on layers of any lengths: warnings, words, tables, figures, ParaView."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics import warnings_of
from eulerian_mfc.errors import SteepControlWarning, SymmetricStartWarning
from eulerian_mfc.run.description import describe
from eulerian_mfc.solvers import Outcome, Status

from .conftest import toy_line, toy_mesh

GRID = [0.0, 0.1, 0.4, 1.0]


def with_control(problem, mesh, layers, degree, control):
    """A solution with a given control, by no solver."""
    system = emfc.OptimalitySystem(problem, mesh, layers, control_degree=degree)
    return emfc.Solution.from_outcome(system, Outcome(np.array(control), Status.UNKNOWN, "a given control"), {})


def test_a_control_that_is_steep_between_the_ends_of_its_layers():
    """`W(t) = 12 s (1 - s)` on one layer is 0 at the ends and 3 in the middle; its coefficients are (2, 0, -2)."""
    mesh = emfc.CartesianMesh([(-10.0, 10.0)], 30)
    solution = with_control(toy_line(), mesh, 1, 2, [[[2.0], [0.0], [-2.0]]])
    told = [w for w in warnings_of.of_the_mesh(solution.system, solution) if isinstance(w, SteepControlWarning)]
    assert len(told) == 1
    assert "|W| h = 2: " in str(told[0])


def units():
    """Two hidden units, which move a Gaussian to `tanh`."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    return emfc.Problem(emfc.fields.BottleneckField(1, 2), law, emfc.losses.SquaredLoss(), 1.0, 1.0)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_units_that_are_equal_at_all_times_are_told():
    control = np.random.default_rng(0).normal(size=(2, 2, 7))
    control[1, :, [1, 3, 5]] = control[1, :, [0, 2, 4]]  # the units are equal on the second layer
    with pytest.warns(SymmetricStartWarning, match="W1_1,1, W1_2,1 of layer 2 are equivalent"):
        emfc.solve(units(), toy_mesh(40), [0.0, 0.3, 1.0], control_degree=1, initial=control)


def test_units_that_are_equal_at_one_time_only_are_not_told():
    """At the start of the layer both units are equal, at its end they are not: a solver that stays there is not stuck."""
    control = np.random.default_rng(0).normal(size=(1, 2, 7))
    control[0, 0, [1, 3, 5]] = control[0, 0, [0, 2, 4]] + control[0, 1, [1, 3, 5]] - control[0, 1, [0, 2, 4]]
    stayed = with_control(units(), toy_mesh(40), 1, 1, control)
    np.testing.assert_allclose(stayed.theta(0.0)[[1, 3, 5]], stayed.theta(0.0)[[0, 2, 4]], rtol=1e-12)
    assert warnings_of.of_the_start(stayed.system, control, stayed) == []
    control[0, 1, [1, 3, 5]] = control[0, 1, [0, 2, 4]]
    control[0, 0, [1, 3, 5]] = control[0, 0, [0, 2, 4]]
    assert warnings_of.of_the_start(stayed.system, control, with_control(units(), toy_mesh(40), 1, 1, control))


@pytest.mark.parametrize(
    ("layers", "degree", "words"),
    [
        (3, 0, "3"),
        (3, 2, "3; controls of degree 2 in time"),
        (GRID, 0, "3, which start and end at 0, 0.1, 0.4, 1"),
        (GRID, 1, "3, which start and end at 0, 0.1, 0.4, 1; controls of degree 1 in time"),
    ],
)
def test_descriptions_say_the_layers_and_the_degree(layers, degree, words):
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(24), layers, control_degree=degree)
    assert describe(system, emfc.solvers.LBFGS())["layers"] == words
