"""The section on the solver: the numbers by hand, on the page and in the file; nothing where nothing is solved."""

import json
from dataclasses import replace

import numpy as np
import pytest

from leyden.report import figures, verdict, write
from leyden.report.solver import BARS, histogram, solver_row
from leyden.train.metrics import Solved

NONE = np.full(50, np.nan)


def solved(iterations=None, failed=(), curvature=NONE, radius=NONE):
    """Of 50 structures, 3 to 7 iterations each unless given."""
    iterations = 3 + np.arange(50) % 5 if iterations is None else np.asarray(iterations)
    residual = np.where(np.arange(50) == 11, 2.5e-5, 1e-6)
    return Solved(iterations, residual, curvature, radius, list(failed))


def with_solver(build, found):
    return build.report(evaluation=replace(build.evaluation(), solved=found))


def test_numbers_by_hand():
    row = solver_row(solved(failed=[4, 7], curvature=np.where(np.arange(50) == 3, -0.25, 1.5)))
    assert (row.structures, row.mean_iterations, row.most_iterations, row.left_out) == (50, 5.0, 7, [4, 7])
    assert (row.largest_residual, row.residual_unit, row.smallest_curvature) == (2.5e-5, "eV/e", -0.25)
    assert np.isnan(row.largest_radius)


def test_a_fixed_point_has_a_radius_and_a_residual_in_e():
    row = solver_row(solved(radius=np.where(np.arange(50) == 0, np.nan, np.linspace(0.1, 0.8, 50))))
    assert (row.largest_radius, row.residual_unit) == (0.8, "e") and np.isnan(row.smallest_curvature)


@pytest.mark.parametrize("most", [3, 4, 3 + BARS - 1, 3 + BARS, 500])
def test_every_structure_is_in_one_bar_that_spans_its_iterations(most):
    iterations = np.r_[np.full(30, 3), np.full(20, most)]
    bars = histogram(solved(iterations, failed=range(45, 50)))
    assert len(bars.middle) <= BARS
    assert bars.found.sum() == 45 and bars.left_out.sum() == 5
    for middle, count in zip(bars.middle, bars.found + bars.left_out, strict=True):
        assert count == (np.abs(iterations - middle) < bars.width / 2).sum()
    if most - 3 < BARS:
        assert bars.width == 1 and bars.middle.tolist() == list(range(3, most + 1))


@pytest.mark.parametrize(("failed", "bars"), [([], {"found": 50}), ([4, 7], {"found": 48, "left out": 2})])
def test_the_figure_counts_every_structure_once(failed, bars):
    plot = figures.iterations(solved(failed=failed))
    assert {trace.name: trace.y.sum() for trace in plot.data} == bars
    assert list(plot.data[0].customdata) == ["3", "4", "5", "6", "7"]


def test_wide_bars_say_what_they_span():
    plot = figures.iterations(solved(np.r_[np.full(49, 0), 2 * BARS - 1]))
    assert (plot.data[0].customdata[0], plot.data[0].customdata[-1]) == ("0 to 1", f"{2 * BARS - 2} to {2 * BARS - 1}")


def test_axes_have_whole_numbers():
    few = figures.iterations(solved(np.ones(50, dtype=int))).layout
    assert (few.xaxis.dtick, few.yaxis.dtick, few.xaxis.range[0]) == (1, None, 0.5)
    assert figures.iterations(solved(10 * np.arange(50))).layout.xaxis.dtick is None
    assert figures.iterations(solved(10 * np.arange(50))).layout.yaxis.dtick == 1


def test_page_and_file_show_the_same(build, tmp_path):
    found = solved(failed=[4, 7], curvature=np.linspace(0.5, 2.0, 50))
    path = write(with_solver(build, found), tmp_path)
    html, data = path.read_text(encoding="utf-8"), json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    told = data["evaluation"]["solver"]
    assert told["mean_iterations"] == np.mean(told["iterations"]) == 5.0
    assert told["left_out"] == [4, 7] and told["largest_radius"] is None and told["smallest_curvature"] == 0.5
    assert html.index('id="charges"') < html.index('id="solver"') < html.index('id="far-range"')
    for cell in ("<td>5.00</td>", "<td>2.5\u00a0×\u00a010⁻⁵</td>", "<td>0.500</td>", "structures 4, 7"):
        assert cell in html, cell
    assert "Largest spectral radius" not in html


def test_what_was_left_out_is_in_the_verdict(build):
    said = [line for line in verdict(with_solver(build, solved(failed=[4, 7]))) if "2 of 50 structures" in line.text]
    assert [line.status for line in said] == ["bad"]
    assert not any("density" in line.text for line in verdict(with_solver(build, solved())))


def test_nothing_is_said_where_nothing_is_solved(build, tmp_path):
    path = write(build.report(), tmp_path)
    assert 'id="solver"' not in path.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["evaluation"]["solver"] is None


def test_many_left_out_are_not_all_named(build, tmp_path):
    html = write(with_solver(build, solved(failed=range(50))), tmp_path).read_text(encoding="utf-8")
    assert "structures 0, 1, 2, 3, 4, 5, 6, 7, …" in html
