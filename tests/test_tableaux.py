"""Runge-Kutta methods as a user gives them: what is accepted, what is refused, and in which words."""

import pickle

import numpy as np
import pytest
from scipy.integrate import DOP853, RK45

from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.fields import AffineField
from eulerian_mfc.flow import Layer, LayerMap, Tableau
from eulerian_mfc.flow.tableaux import METHODS, tableau_of

RALSTON = {"matrix": [[0, 0], [2 / 3, 0]], "weights": [1 / 4, 3 / 4], "order": 2}
SIMPSON = (1 / 6, 2 / 3, 1 / 6)


@pytest.mark.parametrize(("name", "theirs"), [("dopri5", RK45), ("dop853", DOP853)])
def test_nodes_are_those_of_scipy(name, theirs):
    """SciPy has the nodes as numbers of their own; here they are the sums of the rows."""
    tableau = tableau_of(name)
    np.testing.assert_allclose(tableau.nodes, theirs.C[: tableau.stages], rtol=0, atol=1e-14)


def test_a_method_of_a_users_own_has_its_stability_function():
    """One step of `x' = z x` multiplies by `1 + z + z^2 / 2` for Ralston's method, by `... + z^3 / 6` for Kutta's of order 3."""
    kutta = Tableau(((0, 0, 0), (0.5, 0, 0), (-1, 2, 0)), SIMPSON, 3)
    for tableau, factor in ((Tableau(**RALSTON), 1 + 0.7 + 0.245), (kutta, 1 + 0.7 + 0.245 + 0.343 / 6)):
        layer = Layer(0.0, 1.0, np.array([0.7, 0.0]))
        assert LayerMap(tableau)(AffineField(1), layer, np.ones((1, 1)))[0, 0] == pytest.approx(factor, rel=1e-15)
        assert LayerMap(tableau).order == tableau.order


def test_arrays_become_tuples_and_methods_can_be_compared_and_sent():
    one, other = Tableau(**RALSTON), Tableau(np.array(RALSTON["matrix"]), np.array(RALSTON["weights"]), 2)
    assert one == other
    assert LayerMap(one) == LayerMap(other)
    assert hash(LayerMap(one)) == hash(LayerMap(other))
    assert LayerMap(one) != LayerMap("midpoint")
    assert pickle.loads(pickle.dumps(LayerMap(one, 3))) == LayerMap(one, 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).nodes, one.nodes)
    assert one.used == ((), ((0, 2 / 3),))
    assert one.users == (((1, 2 / 3),), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": (0.25, 0.75, 0.0)}, r"matrix: got an array of shape \(2, 2\), expected 3 rows of 3 numbers"),
        ({"matrix": ((0, 1), (2 / 3, 0))}, r"an explicit method: a_ij = 0 for j >= i"),
        ({"matrix": ((0, 0), (2 / 3, 0.1))}, r"an explicit method: a_ij = 0 for j >= i"),
        ({"matrix": ((0, 0), (np.nan, 0))}, r"matrix: got nan"),
        ({"matrix": ((0, 0), (2j / 3, 0))}, r"matrix: .* real numbers"),
        ({"matrix": ((0, 0), (2 / 3,))}, r"matrix: .* real numbers"),
        ({"matrix": (0, 2 / 3)}, r"matrix: .* 2 dimensions"),
        ({"weights": (0.25, np.inf)}, r"weights: got inf"),
        ({"weights": (0.25, 0.7)}, r"sum_i b_i c_i\^0 is 0.95, expected 1"),
        ({"weights": (0.5, 0.5)}, r"order: got 2, but sum_i b_i c_i\^1 is 0.333333333333333, expected 0.5: correct"),
        ({"order": 3}, r"order: got 3, but sum_i b_i c_i\^2 is 0.333333333333333|b\^T A\^1 c is 0"),
        ({"order": 0}, r"order: got 0, expected an integer >= 1"),
        ({"order": 2.5}, r"order: got 2.5, expected an integer"),
        ({"order": "2"}, r"order: got '2', expected an integer"),
        ({"matrix": (), "weights": ()}, r"matrix"),
    ],
)
def test_tableaux_that_are_not_methods_are_refused(change, words):
    with pytest.raises(ArgumentError, match=words):
        Tableau(**RALSTON | change)


@pytest.mark.parametrize(
    ("matrix", "weights", "order", "condition"),
    [
        # Simpson's weights and nodes, with a matrix that is not Kutta's: order 2
        (((0, 0, 0), (0.5, 0, 0), (0, 1, 0)), SIMPSON, 3, r"b\^T A\^1 c"),
        # Kutta's method of order 3, called one of order 4
        (((0, 0, 0), (0.5, 0, 0), (-1, 2, 0)), SIMPSON, 4, r"b\^T A\^2 c is 0"),
        # RK4's matrix with rows 3 and 4 exchanged in part: quadrature holds, order 2 only
        (((0, 0, 0, 0), (0.5, 0, 0, 0), (0.5, 0, 0, 0), (0, 0.5, 0.5, 0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 3, r"b\^T A\^1 c"),
    ],
)  # fmt: skip
def test_orders_are_checked_beyond_quadrature(matrix, weights, order, condition):
    with pytest.raises(ArgumentError, match=condition):
        Tableau(matrix, weights, order)
    with pytest.raises(ArgumentError):  # not even with another sign
        Tableau(matrix, tuple(-b for b in weights), order)


@pytest.mark.parametrize("c", [(0.5, 0.5, 1), (1 / 3, 2 / 3, 1)])
def test_the_conditions_of_order_4(c):
    """Both classical methods of order 4 pass; moving weight between their entries breaks one condition after another."""
    if c[0] == 0.5:
        a, b = np.diag([0.5, 0.5, 1.0], -1), np.array([1, 2, 2, 1]) / 6
    else:
        a, b = np.array([[0, 0, 0, 0], [1 / 3, 0, 0, 0], [-1 / 3, 1, 0, 0], [1, -1, 1, 0]]), np.array([1, 3, 3, 1]) / 8
    assert Tableau(a, b, 4).order == 4
    for i, j in ((2, 1), (3, 1), (3, 2)):
        broken = a.copy()
        broken[i, j] += 1e-6
        broken[i, 0] -= 1e-6
        with pytest.raises(ArgumentError, match="order: got"):
            Tableau(broken, b, 4)


@pytest.mark.parametrize("method", ["heun", 3, None, [1], np.eye(2), Tableau])
def test_layer_maps_refuse_what_is_not_a_method(method):
    with pytest.raises(ArgumentError, match="method: got"):
        LayerMap(method)


def test_built_in_methods_are_made_once():
    assert all(tableau_of(name) is tableau_of(name) for name in METHODS)
