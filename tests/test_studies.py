"""Orders, extrapolation, tables and files of studies, against sequences whose answers are known."""

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from scipy.stats import linregress, t

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, FileFormatError
from eulerian_mfc.studies import orders
from eulerian_mfc.studies.references import averaged
from eulerian_mfc.studies.study import Study
from eulerian_mfc.studies.study_data import Column, ErrorColumn

from .conftest import toy_line, toy_mesh

SL = emfc.transport.SemiLagrangian


def test_pairwise_orders_of_a_power():
    h = [0.4, 0.2, 0.15, 0.05]
    found = orders.pairwise(h, [3 * x**2.5 for x in h])
    assert found[0] is None
    np.testing.assert_allclose(found[1:], 2.5, rtol=0, atol=1e-12)
    assert orders.pairwise([2.0, 1.0], [0.0, 1.0]) == [None, None]


def test_fits_and_their_intervals_against_scipy():
    rng = np.random.default_rng(0)
    h = np.geomspace(1, 0.01, 7)
    e = 2 * h**3 * np.exp(0.2 * rng.normal(size=7))
    found, known = orders.fit(h, e, 0.9), linregress(np.log(h), np.log(e))
    assert found.order == pytest.approx(known.slope, rel=1e-12)
    assert found.constant == pytest.approx(np.exp(known.intercept), rel=1e-12)
    half = t.ppf(0.95, 5) * known.stderr
    assert found.low == pytest.approx(known.slope - half, rel=1e-12)
    assert found.high == pytest.approx(known.slope + half, rel=1e-12)
    assert np.isnan(orders.fit(h[:2], e[:2]).low)


def test_intervals_cover_as_often_as_they_say():
    """95% intervals of 400 noisy sequences hold the order in 95% +- 3.3% of them (three standard deviations)."""
    rng = np.random.default_rng(1)
    h = np.geomspace(1, 0.1, 5)
    fits = [orders.fit(h, h**2 * np.exp(0.3 * rng.normal(size=5))) for _ in range(400)]
    assert abs(np.mean([f.low <= 2 <= f.high for f in fits]) - 0.95) <= 0.033


@pytest.mark.parametrize("h", [[0.4, 0.2, 0.1], [0.3, 0.2, 0.15], [1.0, 0.4, 0.35, 0.1]])
def test_extrapolation_is_exact_for_powers(h):
    values = [np.array([2 - 3 * x**2.2, 1 + x**2.2]) for x in h]
    found = orders.extrapolate(h, values)
    assert found.order == pytest.approx(2.2, abs=1e-9)
    np.testing.assert_allclose(found.value, [2, 1], rtol=0, atol=1e-10)


def test_extrapolation_knows_its_limits():
    h = [0.4, 0.2, 0.1]
    power = lambda p: [np.array(1 + x**p) for x in h]  # noqa: E731
    higher = orders.extrapolate(h, power(5), expected=2.0)
    assert higher.order == 2.0
    assert "is too high to be reliable" in higher.how
    # An order below: larger corrections than the true ones, never smaller.
    assert abs(higher.value - 1 - 0.1**5) > abs(0.1**5)
    for values, why in (
        ([1.1, 0.9, 1.01], "show no order"),  # turns around
        ([1.01, 1.02, 1.2], "show no order"),  # goes away
        ([1.1, 1.0, 1.0], "agree to 1.0e-12"),
    ):
        found = orders.extrapolate(h, [np.array(v) for v in values], floor=1e-12)
        assert found.order is None
        assert why in found.how
        assert found.value == values[-1]
    assert "needs three" in orders.extrapolate(h[:2], power(2)[:2]).how


def test_averages_over_other_layers_are_exact():
    control = np.array([[1.0], [2.0], [4.0], [7.0]])
    np.testing.assert_allclose(averaged(control, 2), [[1.5], [5.5]], rtol=0, atol=1e-14)
    np.testing.assert_allclose(averaged(control, 3), [[1.25], [3.0], [6.25]], rtol=0, atol=1e-14)
    np.testing.assert_allclose(averaged(control, 8), np.repeat(control, 2, axis=0), rtol=0, atol=1e-14)


# --- the table

H = [0.4, 0.2, 0.1, 0.05, 0.025]


def study(**changes):
    """Errors h^3 down to a floor of 2e-4; the middle run did not converge."""
    records = [
        {"h": h, "cost": 1 + h**3, "error J": max(h**3, 2e-4), "converged": h != 0.1, "note": "a_b|c & 50%"} for h in H
    ]
    return Study(
        **{
            "kind": "mesh",
            "title": "A study",
            "parameter": "h",
            "columns": (
                Column("h", "mesh width", "m"),
                Column("cost", "cost J", digits=12),
                Column("error J", "error of the cost"),
                Column("converged", "whether"),
                Column("note", "words"),
            ),
            "records": tuple(records),
            "errors": (ErrorColumn("error J", "the exact value", "3", floor=2e-4),),
            "failures": ({"label": "a run", "error": "ValueError: no\ntrace"},),
            **changes,
        }
    )


def test_rows_that_say_nothing_of_the_order_are_left_out():
    found = study()
    assert found.usable("error J").tolist() == [True, True, False, False, False]
    assert found.fit("error J").order == pytest.approx(3)
    assert found.orders("error J") == [None, pytest.approx(3), None, None, None]
    assert found.fitted_points("error J") == 2


def test_growing_parameters_have_orders_in_their_inverse():
    records = tuple({"N": n, "e": 3 / n**0.5} for n in (10, 100, 1000))
    found = Study("samples", "t", "N", (Column("N", ""), Column("e", "")), records, (ErrorColumn("e", "0"),))
    assert found.fit("e").order == pytest.approx(0.5)
    assert found.orders("e")[1:] == [pytest.approx(0.5)] * 2


def test_the_legend_tells_meaning_and_unit():
    assert study().legend().splitlines()[:2] == ["h: mesh width [m]", "cost: cost J"]


def test_comma_separated_values_have_every_digit():
    rows = list(csv.DictReader(io.StringIO(study().to_csv())))
    assert [float(r["h [m]"]) for r in rows] == H
    assert [float(r["cost"]) for r in rows] == [1 + h**3 for h in H]
    assert rows[0]["order of error J"] == ""
    assert float(rows[1]["order of error J"]) == pytest.approx(3)
    assert rows[2]["converged"] == "False"


def test_markdown_and_terminal_tables():
    text = study().to_markdown()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in cells} == {6}
    assert [c.strip() for c in cells[0]] == ["h [m]", "cost", "error J", "order", "converged", "note"]
    assert cells[4][4].strip() == "NO"
    for table in (text, study().table()):
        assert "error J: against the exact value; fitted order 3.00 (2 points)" in table
        assert "confidence" not in table  # two points have no interval
        assert "failed: a run: ValueError: no" in table
        assert "trace" not in table


def test_latex_tables_are_well_formed(tmp_path):
    text = study().to_latex(tmp_path / "t.tex")
    assert (tmp_path / "t.tex").read_text() == text
    body = [line for line in text.splitlines() if not line.startswith("%")]
    rows = [line for line in body if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    assert body[0] == r"\begin{tabular}{rrrrrr}"
    assert body[1] == r"\toprule"
    assert body[-1] == r"\end{tabular}"
    assert r"a\_b\textbar{}c \& 50\%" in text
    assert r"$0.0002$" in text
    assert (
        r"$1.2\cdot10^{-5}$"
        in dataclasses.replace(study(), records=({**study().records[0], "cost": 1.2e-5},)).to_latex()
    )


def test_files_hold_the_whole_study(tmp_path):
    found = study(details={"controls": [[1.0, float(np.pi)]], "array": np.arange(2.0), "n": np.int64(3)})
    found.save(tmp_path / "deep" / "study.json")
    back = Study.load(tmp_path / "deep" / "study.json")
    assert back.table() == found.table()
    assert back.details == {"controls": [[1.0, float(np.pi)]], "array": [0.0, 1.0], "n": 3}
    assert dataclasses.replace(back, details={}) == dataclasses.replace(found, details={})
    back.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "deep" / "study.json").read_bytes()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "study.json"
    with pytest.raises(FileNotFoundError):
        Study.load(path)
    study().save(path)
    content = json.loads(path.read_text())
    for text, message in (
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"a": 1}), "damaged"),
        (json.dumps({**content, "format": "other"}), "not a study"),
        (json.dumps({**content, "schema": 99}), "has schema 99"),
        (json.dumps({**content, "title": "another"}), "was altered, since its checksum is wrong"),
        (json.dumps({k: v for k, v in content.items() if k != "sha256"}), "damaged"),
        (json.dumps({**content, "schema": 1, "columns": [{"nam": 1}]}), "damaged"),
        ("[" * 100_000, "damaged"),
    ):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            Study.load(path)


def test_files_of_schema_1_are_read(tmp_path):
    """They had neither checksum nor provenance, and were otherwise the same."""
    path = tmp_path / "study.json"
    study().save(path)
    content = json.loads(path.read_text())
    assert content["schema"] == 2
    path.write_text(
        json.dumps({**{k: v for k, v in content.items() if k not in ("sha256", "provenance")}, "schema": 1})
    )
    assert Study.load(path) == dataclasses.replace(study(), provenance={})


# --- figures


def artists(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_figures_are_log_log_with_slope_triangles():
    records = tuple({"h": h, "a": h**2, "b": 5 * h**4} for h in H)
    columns = (Column("h", "", "m"), Column("a", ""), Column("b", ""))
    found = Study("mesh", "t", "h", columns, records, (ErrorColumn("a", "0"), ErrorColumn("b", "0"))).plot()
    (axes,) = found.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "h [m]"
    assert artists(found) == ["2.0", "4.0"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "a: order 2.00 [2.00, 2.00]",
        "b: order 4.00 [4.00, 4.00]",
    ]
    for patch, slope in zip(axes.patches, (2, 4), strict=True):
        x, y = np.log(patch.get_xy()[:3]).T
        assert (y[2] - y[0]) / (x[2] - x[0]) == pytest.approx(slope)


# --- sweeps


def test_a_sweep_runs_every_combination():
    found = emfc.studies.sweep(
        toy_line(),
        toy_mesh(40),
        4,
        {"penalty": [1.0, 2.0], "transport": [SL(1), SL(3)]},
        measure={"first": lambda s: s.control[0, 0]},
    )
    assert [(r["penalty"], "degree=3" in r["transport"]) for r in found.records] == [
        (1.0, False),
        (1.0, True),
        (2.0, False),
        (2.0, True),
    ]
    direct = emfc.solve(toy_line(penalty=2.0), toy_mesh(40), 4, transport=SL(3))
    assert found.records[3]["cost"] == pytest.approx(direct.cost, rel=1e-13)
    assert found.records[3]["first"] == pytest.approx(direct.control[0, 0], rel=1e-9)
    assert len(found.plot().axes[0].lines) == 2


def test_a_sweep_over_one_number_has_orders():
    found = emfc.studies.sweep(
        toy_line(), toy_mesh(), 5, {"layers": [5, 10, 20]}, parameter="layers", reference="richardson"
    )
    assert found.fit("error J").order == pytest.approx(2, abs=0.1)
    with pytest.raises(ArgumentError, match="the one argument that varies"):
        emfc.studies.sweep(toy_line(), toy_mesh(), 5, {"layers": [5], "penalty": [1.0]}, parameter="layers")


def test_penalties():
    """The optimal cost grows with lambda and is concave, its slope is `1/2 int |theta|^2` (envelope), theta shrinks."""
    values = [0.5, 0.99, 1.0, 1.01, 2.0]
    found = emfc.studies.penalty_sweep(toy_line(), toy_mesh(80), 10, values)
    assert found.kind == "penalty"
    cost = found.values("cost")
    assert (np.diff(cost) > 0).all()
    slope = (cost[3] - cost[1]) / 0.02
    assert slope == pytest.approx(found.values("penalty_cost")[2] / 1.0, rel=1e-4)
    assert (np.diff(found.values("largest theta")) < 0).all()
    np.testing.assert_allclose(found.values("terminal_cost") + found.values("penalty_cost"), cost, rtol=1e-14)
    assert len(found.plot().axes) == 2


def test_a_failing_point_does_not_end_a_sweep():
    found = emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {"transport": [SL(3), "spline"]})
    assert len(found.records) == 1
    assert found.failures[0]["label"] == "transport=spline"
    assert "a scheme of the module transport" in found.table()
    with pytest.raises(ArgumentError, match="no run that succeeded"):
        emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {"transport": ["spline"]})


def sweep_in(name, values):
    return emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {name: values}, parameter=name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {"speed": [1]}), "an argument of Problem"),
        (lambda: emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {"layers": 3}), "a list of values"),
        (lambda: emfc.studies.sweep("toy", toy_mesh(40), 4, {"layers": [3]}), "expected a Problem"),
        (lambda: emfc.studies.penalty_sweep(toy_line(), toy_mesh(40), 4, 1.0), "a list of two or more"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), 40, 4), "a list of numbers of cells"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [40], 4), "two or more"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [40, 80], [4, 8, 16]), "one number, or 2"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [40, 80], 4, depth=3), "got the keyword 'depth'"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [40, 80], 4, reference="exact"), "richardson, finest"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [40, 80], 4, reference={"price": 1}), "'price'"),
        (lambda: emfc.studies.mesh_convergence(toy_line(), [80, 40], 4), "from coarse to fine"),
        (lambda: emfc.studies.layer_convergence(toy_line(), toy_mesh(40), [4, 8], reference="particles"), "twin=True"),
        (lambda: emfc.studies.layer_convergence(toy_line(), toy_mesh(40), [8, 4]), "numbers that grow"),
        (
            lambda: emfc.studies.mesh_convergence(
                toy_line(), [emfc.CartesianMesh([(-a, a)], 40) for a in (8.0, 8.0)], 4
            ),
            "from coarse to fine",
        ),
        (lambda: sweep_in("layers", [8, 4]), "values from coarse to fine"),
        (lambda: sweep_in("transport", ["upwind", "spline"]), "transport: got .*, expected an array of real numbers"),
        (lambda: emfc.studies.Reference(), "neither cost nor control"),
    ],
)
def test_what_studies_refuse(call, message, monkeypatch):
    """Before any job runs."""
    monkeypatch.setattr("eulerian_mfc.studies.runner.run_jobs", None)
    with pytest.raises(ArgumentError, match=message):
        call()
