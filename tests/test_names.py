"""Names tell apart what differs: densities of labels, columns, legends, rows of tables, parameters."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import fields, losses, studies
from eulerian_mfc._names import apart, label_texts, numbered
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.solvers import Outcome
from eulerian_mfc.studies import Study
from eulerian_mfc.studies.study_data import Column
from eulerian_mfc.views import style

PAIRS = [
    (20240101.0, 20240102.0),
    (1.0000001, 1.0000002),
    (300.15001, 300.15002),
    (0.3, 0.1 + 0.2),
    (1e-300, 1.0000001e-300),
]
MESH = emfc.CartesianMesh([(-3.0, 3.0)], 24)


def of_two_labels(labels, loss=None):
    law = emfc.laws.Empirical([[0.5], [-0.5]], labels)
    loss = loss or losses.CrossEntropy(labels, losses.TrainedReadout(0.1))
    return emfc.Problem(fields.NeuralField(1), law, loss, 1.0, 1.0)


def standing(problem):
    """A solution in which nothing moves, by no solver."""
    system = emfc.OptimalitySystem(problem, MESH, 1, transport=emfc.transport.SemiLagrangian(1))
    return emfc.Solution.from_outcome(system, Outcome(system.control(0.0), emfc.solvers.Status.UNKNOWN, "stands"), {})


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_numbers_that_differ_have_texts_that_differ(pair):
    """And the texts are those of the numbers: the nearest of all that are named."""
    texts = apart(pair)
    assert len(set(texts)) == 2
    assert [int(np.argmin([abs(float(t) - v) for v in pair])) for t in texts] == [0, 1]
    rows = np.array([[pair[0], 1.0], [pair[1], 1.0], [pair[0], 2.0]])
    assert len(set(label_texts(rows))) == 3


def test_texts_are_short_where_that_is_enough():
    assert apart([0.1 + 0.2, 1.0, -1.0, 1.0]) == ["0.3", "1", "-1", "1"]
    assert label_texts(np.array([[1.0000001, 0.0], [1.0000002, 1.0]])) == ["1,0", "1,1"]
    assert numbered(["f", "g", "f", "f"], [1, 2, 3, 1]) == ["f #1", "g", "f #2", "f #1"]


@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        ("cross-entropy", (20240101.0, 20240102.0)),
        ("squared", (20240101.0, 20240102.0)),
        ("label loss", (1.001, 1.0010001)),
    ],
)
def test_densities_of_all_labels_reach_paraview_and_legends(kind, pair, tmp_path):
    """Both densities are in the file, each with half of the mass, and the legend has a line for each."""
    import pyvista

    loss = {
        "cross-entropy": None,
        "squared": losses.SquaredLoss(losses.Readout([[1.0]], [pair[0]])),
        "label loss": losses.LabelLoss(lambda x, y: (x[:, 0] - 1e-7 * y[0]) ** 2, list(pair)),
    }[kind]
    solution = standing(of_two_labels(list(pair), loss))
    assert len(set(solution.names)) == 2
    solution.to_vtk(tmp_path)
    data = pyvista.read(tmp_path / "solution_0001.vtu").cell_data
    found = [data[f"density_{name}"].sum() * MESH.volume for name in solution.names]
    np.testing.assert_allclose(found, 0.5, rtol=1e-12)
    assert len(set(style.label_colours(solution)[1])) == 2
    texts = [
        t.get_text()
        for axes in solution.plot().axes
        for t in (axes.get_legend().get_texts() if axes.get_legend() else [])
    ]
    assert (
        len([t for t in texts if t.startswith("t = T, y = ")])
        == len({t for t in texts if t.startswith("t = T, y = ")})
        == 2
    )


def test_files_with_one_name_for_two_labels_are_read_with_two(tmp_path, monkeypatch):
    """Files of earlier versions: their names are made anew from the labels, and they belong to their problem."""
    problem = of_two_labels([20240101.0, 20240102.0])
    old = tuple(f"y={v:g}" for v in (20240101.0, 20240102.0))
    assert len(set(old)) == 1
    solution = standing(problem)
    expected, solution = solution.names, replace(solution, names=old)
    assert len(set(expected)) == 2
    solution.save(tmp_path / "old.h5")
    assert emfc.Solution.load(tmp_path / "old.h5").names == expected
    assert emfc.Solution.load(tmp_path / "old.h5", problem).names == expected


def test_losses_of_other_labels_are_not_taken_for_one_another():
    """A running loss must have the fields of the final one: labels decide, not names that agree in six digits."""
    final = losses.LabelLoss(lambda x, y: x[:, 0] ** 2, [0.0, 1.0000001])
    law = emfc.laws.Empirical([[0.5], [-0.5]], [0.0, 1.0000001])
    for second, fits in ((1.0000001, True), (1.0000002, False)):
        running = losses.LabelLoss(lambda x, y: x[:, 0] ** 2, [0.0, second])
        if fits:
            emfc.Problem(fields.NeuralField(1), law, final, 1.0, 1.0, running=running)
        else:
            with pytest.raises(
                ArgumentError, match="running: got LabelLoss together with LabelLoss, which have no common fields"
            ):
                emfc.Problem(fields.NeuralField(1), law, final, 1.0, 1.0, running=running)


@dataclass(frozen=True)
class OneName(losses.LabelLoss):
    def separate(self, *given):
        return super().separate(*given)._replace(names=("mine", "mine"))


def test_names_of_a_users_loss_and_field_must_differ():
    loss = OneName(lambda x, y: x[:, 0] ** 2, [0.0, 1.0])
    with pytest.raises(ArgumentError, match="loss: got fields with the names mine, mine, expected one name per field"):
        of_two_labels([0.0, 1.0], loss)
    with pytest.raises(ArgumentError, match=r"names: got \['a', 'a'\], expected 2 names, all different"):
        fields.CustomField(lambda t, theta, x: theta[0] * x + theta[1], 1, 2, names=["a", "a"])


@pytest.mark.parametrize(
    "field",
    [
        fields.BottleneckField(3, 12),
        fields.PolynomialField(3, 4),
        fields.RadialBasisField(np.random.default_rng(0).normal(size=(13, 2)), 0.7),
        fields.LinearControlField([lambda x: x] * 12, 2),
        fields.NeuralField(3) + fields.NeuralField(3) + (fields.AffineField(3) + fields.AffineField(3)),
    ],
    ids=lambda f: type(f).__name__,
)
def test_parameters_of_large_fields_have_names_of_their_own(field):
    assert len(set(field.parameter_names)) == field.parameters


def test_rows_and_lines_of_a_sweep_are_told_apart():
    """Penalties that agree in six digits, and arrays that agree in eight, are different rows and lines."""
    problem = of_two_labels([0.0, 1.0], losses.SquaredLoss())
    vary = {"penalty": [1.0, 1.00000001], "initial": [np.array([0.1, 0.1]), np.array([0.1, 0.1 + 1e-12])]}
    options = {"solver": emfc.solvers.LBFGS(tol=0.1, max_iterations=1)}
    study = studies.sweep(problem, MESH, 1, vary, **options)
    rows = [line.split("  ") for line in study.table().splitlines()[3:7]]
    assert len({tuple(row) for row in rows}) == 4
    assert "1.00000001" in study.table()
    assert len({(r["penalty"], r["initial"]) for r in study.records}) == 4
    lines = [t.get_text() for t in study.plot().axes[0].get_legend().get_texts()]
    assert len(lines) == len(set(lines)) == 2
    assert all(len(line.get_xdata()) == 2 for line in study.plot().axes[0].lines)


def test_a_measure_may_not_take_the_name_of_another_column():
    problem = of_two_labels([0.0, 1.0], losses.SquaredLoss())
    for name in ("cost", "penalty", "residual", "largest theta"):
        with pytest.raises(ArgumentError, match=f"measure: got '{name}', expected a name that no other column has"):
            studies.sweep(problem, MESH, 1, {"penalty": [1.0, 2.0]}, measure={name: len})


def test_lines_of_a_figure_whose_texts_begin_alike_are_told_apart():
    """A legend has forty characters of a value: values that begin alike are numbered."""
    values = [
        "SemiLagrangian(degree=5, interpolation='spline', outside='clamp')",
        "SemiLagrangian(degree=5, interpolation='spline', outside='zero')",
    ]
    records = tuple({"penalty": p, "transport": t, "cost": p} for p in (1.0, 2.0) for t in values)
    columns = tuple(Column(name, "") for name in ("penalty", "transport", "cost"))
    study = Study("sweep", "Two schemes", "penalty", columns, records, details={"vary": ["penalty", "transport"]})
    lines = [t.get_text() for t in study.plot().axes[0].get_legend().get_texts()]
    assert len(lines) == len(set(lines)) == 2


def test_columns_of_meshes_of_nearly_one_width_are_told_apart():
    """12345 and 12346 cells are both h=0.000486 in four digits, under which the second column took the place of the first."""
    problem = of_two_labels([0.0, 1.0], losses.SquaredLoss())
    options = {"transport": emfc.transport.SemiLagrangian(1), "solver": emfc.solvers.LBFGS(tol=1e-11)}
    study = studies.crossover(problem, [3, 5], [20, 40, 12345, 12346], 1, [(-3.0, 3.0)], repeats=1, **options)
    names = [c.name for c in study.columns if c.name.startswith("h=")]
    assert len(names) == len(set(names)) == 4
    for name, column in zip(names, np.transpose(study.details["rms"]), strict=True):
        assert study.values(name).tolist() == column.tolist()


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # linear interpolation on few cells
def test_steps_of_a_continuation_in_nearly_one_penalty_have_labels_of_their_own():
    problem, linear = of_two_labels([0.0, 1.0], losses.SquaredLoss()), emfc.transport.SemiLagrangian(1)
    found = emfc.continuation(problem, MESH, 1, penalties=[100.00001, 100.0], transport=linear)
    assert [p.label for p in found.points] == ["lambda = 100.00001", "lambda = 100"]
    penalties = [100.0, 100.00001]
    two = emfc.Problem(problem.field, problem.law, problem.loss, penalties, 1.0)
    assert emfc.solve(two, MESH, 1, transport=linear).description["penalty"] == "100, 100.00001"
