"""The section on the solver: the numbers by hand, on the page and in the file; nothing where nothing is solved."""

import json
from dataclasses import replace

import numpy as np
import pytest

from leyden.report import figures, verdict, write
from leyden.report.solver import BARS, charge_states, hardness_rows, histogram, solver_row
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


def charged(build, **given):
    """Total charges -1, 0 and 1 in turn, the second neutral one a rounding error away from 0."""
    charge = np.where(np.arange(50) == 4, -1e-9, np.arange(50) % 3 - 1.0)
    return replace(build.evaluation(), total_charge=charge, solved=solved(**given))


def test_each_total_charge_by_hand(build):
    radius = np.linspace(0.1, 0.59, 50)
    states = charge_states(charged(build, iterations=np.arange(50), failed=[4, 7, 48], radius=radius))
    assert [state.total_charge for state in states] == [-1.0, 0.0, 1.0]
    assert [state.solver.structures for state in states] == [17, 17, 16]
    assert [state.solver.most_iterations for state in states] == [48, 49, 47]
    assert [state.solver.mean_iterations for state in states] == [24.0, 25.0, 24.5]
    assert [state.solver.left_out for state in states] == [[48], [4, 7], []]
    assert [state.solver.largest_residual for state in states] == [1e-6, 1e-6, 2.5e-5]
    np.testing.assert_allclose([state.solver.largest_radius for state in states], [0.58, 0.59, 0.57])
    assert {state.solver.residual_unit for state in states} == {"e"}


def test_curvature_of_each_total_charge(build):
    states = charge_states(charged(build, curvature=np.arange(50) + 0.5))
    assert [state.solver.smallest_curvature for state in states] == [0.5, 1.5, 2.5]


def test_hardness_by_hand(build):
    """Of each element; atoms of structures that were left out do not count."""
    evaluation = charged(build, failed=[0])
    hardness = evaluation.numbers + np.linspace(0.0, 0.5, len(evaluation.numbers))
    hardness[: evaluation.atoms[0]] = np.nan
    rows = hardness_rows(replace(evaluation, solved=replace(evaluation.solved, hardness=hardness)))
    assert [row.element for row in rows] == ["H", "C", "N", "O"]
    for row, z in zip(rows, (1, 6, 7, 8), strict=True):
        here = hardness[evaluation.atoms[0] :][evaluation.numbers[evaluation.atoms[0] :] == z]
        assert (row.atoms, row.smallest, row.largest) == (len(here), here.min(), here.max())
    assert hardness_rows(evaluation) == hardness_rows(build.evaluation()) == []
    assert charge_states(build.evaluation()) == []


def test_charge_states_and_hardness_on_page_and_in_file(build, tmp_path):
    evaluation = charged(build, failed=[4])
    found = replace(evaluation.solved, hardness=7.0 + 0.01 * evaluation.numbers)
    path = write(build.report(evaluation=replace(evaluation, solved=found)), tmp_path)
    html, data = path.read_text(encoding="utf-8"), json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    told = data["evaluation"]["solver"]
    assert [(row["total_charge"], row["solver"]["left_out"]) for row in told["by_total_charge"]] == [
        (-1.0, []), (0.0, [4]), (1.0, [])
    ]  # fmt: skip
    assert [(row["element"], row["smallest"]) for row in told["hardness_ev_per_e2"]] == [
        ("H", 7.01), ("C", 7.06), ("N", 7.07), ("O", 7.08)
    ]  # fmt: skip
    solver = html[html.index('id="solver"') : html.index('id="far-range"')]
    for cell in ("<td>−1</td>", "<td>0</td>", "<td>+1</td>", "Largest residual (eV/e)", "<td>7.080</td>"):
        assert cell in solver, cell
    assert "Smallest curvature (eV/e²)" not in solver and "Largest spectral radius" not in solver


def test_one_total_charge_is_no_table(build, tmp_path):
    html = write(with_solver(build, solved()), tmp_path).read_text(encoding="utf-8")
    assert "By total charge" not in html and "Hardness by element" not in html


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
