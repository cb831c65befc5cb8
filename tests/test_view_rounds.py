"""The rounds of a solve to a tolerance, and its error, in figures and reports."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, EulerianError
from eulerian_mfc.results.solution_error import ToleranceRound
from eulerian_mfc.views import report
from eulerian_mfc.views.figures import figures, of_rounds

from .conftest import toy_line


@pytest.fixture(scope="module")
def met():
    solution = emfc.solve(toy_line(), tol=1e-4)
    assert solution.error.met
    return solution


@pytest.fixture(scope="module")
def missed():
    solution = emfc.solve(toy_line(), emfc.CartesianMesh([(-6.0, 6.0)], 20), tol=1e-9, tol_control=1e-7)
    assert not solution.error.met
    return solution


@pytest.fixture(scope="module")
def many(met):
    """Many rounds, near to each other, with errors that fall from 1e-2 to zero, around a tolerance of 2e-4."""
    rng, seconds, rows = np.random.default_rng(0), 0.2, []
    for k in range(18):
        seconds *= 1.0 + 0.4 * rng.random()
        rows.append(ToleranceRound("time", 100, 2 + k, 1, 0.3, 1e-2 / 3.0**k, seconds))
    for k in range(5):
        seconds *= 1.0 + rng.random()
        cells = 36 * 2**k if k < 4 else 10**24  # a text that only fits to the left of its point
        rows.append(ToleranceRound("mesh", cells, 20, 3, 0.3, 1e-2 / 4.0**k if k < 4 else 0.0, seconds))
    return replace(met, tolerance_rounds=tuple(rows))


def points_of(figure):
    """The points of each stage, by the name in the legend."""
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    return {line.get_label().split(":")[0]: np.array(line.get_data()).T for line in lines}


def texts_of(figure):
    return [text for text in figure.axes[0].texts if text.get_text() != "or smaller"]


def test_the_figure_shows_every_round(many):
    figure = many.plot("rounds")
    rows, points = many.tolerance_rounds, points_of(figure)
    for stage, name in (("time", "without a mesh"), ("mesh", "on the mesh")):
        expected = [(row.seconds, max(row.error, 1e-4 * many.error.tolerance)) for row in rows if row.stage == stage]
        np.testing.assert_allclose(points[name], expected, rtol=1e-14)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "work: time since the start [s]"
    assert axes.get_ylabel() == "estimated error of the cost $J$"
    level = [line for line in axes.lines if line.get_label().startswith("tolerance")]
    assert list(level[0].get_ydata()) == [many.error.tolerance] * 2
    assert f"tolerance {many.error.tolerance:.1e}" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_the_unknowns_stand_beside_the_points(met):
    """One parameter; layers and degree as the rounds say."""
    time, mesh = met.tolerance_rounds
    counts = [row.layers * (row.degree + 1) for row in (time, mesh)]
    written = {text.xy: text.get_text() for text in texts_of(met.plot("rounds"))}
    floor = 1e-4 * met.error.tolerance
    assert written[time.seconds, max(time.error, floor)] == f"{counts[0]} unknowns"
    assert written[mesh.seconds, max(mesh.error, floor)] == f"{counts[1]}, {mesh.points} cells"


def test_nothing_overlaps(many, met, missed):
    for solution in (many, met, missed):
        figure = of_rounds(solution)
        axes = figure.axes[0]
        frame, texts = axes.get_window_extent(), [text.get_window_extent() for text in texts_of(figure)]
        assert len(texts) >= 0.8 * len(solution.tolerance_rounds)
        assert not any(a.overlaps(b) for a, b in itertools.combinations(texts, 2))
        for place in axes.transData.transform(np.concatenate(list(points_of(figure).values()))):
            assert frame.contains(*place)
            assert not any(text.contains(*place) for text in texts)
        for text in texts:
            assert frame.x0 <= text.x0 < text.x1 <= frame.x1
            assert frame.y0 <= text.y0 < text.y1 <= frame.y1
        # The legend lies below the axes, inside the figure.
        box = figure.legends[0].get_window_extent()
        assert box.y1 <= axes.xaxis.label.get_window_extent().y0
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_the_axis_of_time_has_labels(many, met):
    for solution in (many, met):
        figure = of_rounds(solution)
        low, high = figure.axes[0].get_xlim()
        ticks = [t for t in figure.axes[0].get_xticks() if low <= t <= high]
        assert 2 <= len(ticks) <= 8
        labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert {f"{t:g}" for t in ticks} <= set(labels)


def test_a_solution_without_rounds_says_so(toy_solution):
    with pytest.raises(EulerianError, match=r'plot\("rounds"\) .* has none, .*: call solve\(problem, tol=1e-6\)'):
        toy_solution.plot("rounds")
    with pytest.raises(ArgumentError, match=r"what: got 'round', .*rounds"):
        toy_solution.plot("round")
    assert "rounds" not in figures(toy_solution)
    assert "<h2>Error</h2>" not in report.html(toy_solution, {}, "A title", analyse=False)


def test_the_report_shows_the_error(met, missed, tmp_path):
    for solution, words, other in ((met, "Tolerance met", "Tolerance NOT met"), (missed, "Tolerance NOT met", None)):
        report.write(solution, tmp_path, "A title", analyse=False)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert f'">{words}</p>' in page
        assert other is None or other not in page
        assert "large" in page.split(words)[0][-40:]  # in large letters
        error = solution.error
        for value in error.bracket:
            assert f"{value:.14g}" in page
        assert f'<td class="number">{error.cost:.1e}</td><td class="number">{error.tolerance:.1e}</td>' in page
        for name, value in error.sources.items():
            assert f'<tr><td>{name}</td><td class="number">{value:+.1e}</td>' in page
        assert "Rounds of the solve to the tolerance" in page
        assert "over the iterations of the last round" in page
        assert (tmp_path / "rounds.png").read_bytes().startswith(b"\x89PNG")
    asked = missed.error.tolerance_control
    assert f'<td class="number">{missed.error.control:.1e}</td><td class="number">{asked:.1e}</td>' in page
    assert "The mesh was given" in page or "the mesh was given" in page


def test_a_loaded_solution_shows_the_same(met, tmp_path):
    met.save(tmp_path / "solution.h5")
    loaded = emfc.Solution.load(tmp_path / "solution.h5", toy_line())
    one, other = points_of(met.plot("rounds")), points_of(loaded.plot("rounds"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_costs_that_differ_by_round_off_are_drawn_as_a_constant(missed):
    """A warm start: the cost changes in the 14th digit only, which the axis does not magnify."""
    costs = [row.cost for row in missed.history]
    assert len(costs) > 1
    low, high = figures(missed)["convergence"].axes[0].get_ylim()
    assert high - low >= 1e-11 * missed.cost
    assert low <= min(costs) <= max(costs) <= high
    first = replace(missed, history=missed.history[:1])
    assert figures(first)["convergence"].axes[0].get_xlim() == (-1.0, 1.0)


@pytest.fixture(scope="module")
def cut_off():
    solution = emfc.solve(toy_line(), tol=1e-8, seconds=1e-6)
    assert np.isinf(solution.error.cost)
    return solution


def test_errors_that_are_not_known_are_drawn_above_and_told(cut_off, tmp_path):
    axes = of_rounds(cut_off).axes[0]
    drawn = [line for line in axes.lines if line.get_marker() == "s"]
    assert drawn[0].get_ydata()[0] > cut_off.error.tolerance
    assert drawn[0].get_ydata()[0] < axes.get_ylim()[1]
    assert "not known" in axes.get_title()
    assert any("error not known" in text.get_text() for text in axes.texts)
    report.write(cut_off, tmp_path, "cut", "", False)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not known" in text
    assert "is at most" in text
    assert ">inf<" not in text
    assert "inf" not in str(cut_off.error)
    assert "inf" not in cut_off.error.shortfall
    assert set(cut_off.error.sources) == {"mesh", "box", "quadrature"}  # the others were not measured
