"""Sentences follow from the numbers: each changes when its number does."""

from dataclasses import replace

import numpy as np
import pytest

from leyden.checks import InputError
from leyden.report import Check, FarRange, LearningCurve, verdict
from leyden.report.trends import convergence, tail
from leyden.units import COULOMB


def line(report, word):
    found = [entry for entry in verdict(report) if word.lower() in entry.text.lower()]
    assert len(found) == 1, (word, [entry.text for entry in verdict(report)])
    return found[0]


def loss(values):
    return LearningCurve(list(range(1, len(values) + 1)), {"val_loss": [float(v) for v in values]})


def test_headline_quotes_the_errors(build):
    report = build.report()
    text = verdict(report)[0].text
    rmse = 1000 * report.evaluation.parities["forces"].rmse
    assert f"Force RMSE {rmse:.1f}\u00a0meV/Å" in text and "50 test frames" in text


@pytest.mark.parametrize(
    ("values", "status", "word"),
    [
        (np.linspace(10, 1, 50), "attention", "still falling"),
        (np.r_[np.linspace(10, 1, 30), np.ones(20)], "good", "converged"),
        (np.r_[np.linspace(10, 1, 30), np.linspace(1, 2, 20)], "attention", "overfitting"),
        ([3, 2, 1], "note", "too few"),
    ],
)
def test_convergence(build, values, status, word):
    assert line(build.report(curve=loss(values)), word).status == status


def test_convergence_counts_epochs_of_the_table_and_skips_gaps():
    found = convergence(LearningCurve([10, 20, 30, 40, 50, 60], {"val_loss": [9, 4, float("nan"), 2, 3, 3]}))
    assert found is not None and (found.best_epoch, found.last_epoch, found.last_over_best) == (40, 60, 1.5)


@pytest.mark.parametrize(
    ("noise", "status", "word"), [(2.0, "good", "below"), (0.5, "bad", "above"), (1.0, "attention", "equals")]
)
def test_baseline(build, noise, status, word):
    report = build.report(baseline=build.evaluation(seed=0, noise=noise))
    found = [entry for entry in verdict(report) if "baseline" in entry.text and "Force" in entry.text]
    assert [entry.status for entry in found] == [status] and word in found[0].text


def test_baseline_on_other_frames_is_not_compared_frame_by_frame(build):
    same = [entry.text for entry in verdict(build.report())]
    other = [entry.text for entry in verdict(build.report(baseline=build.evaluation(frames=20)))]
    assert any("better on" in text for text in same) and not any("better on" in text for text in other)


def test_charge_conservation_sees_one_bad_frame(build):
    evaluation = build.evaluation()
    assert line(build.report(), "charge conserved").status == "good"
    charges = evaluation.charges.copy()
    charges[-1] += 0.25
    bad = line(build.report(evaluation=replace(evaluation, charges=charges)), "not conserved")
    assert bad.status == "bad" and "0.250" in bad.text
    charges[-1] = np.nan
    assert line(build.report(evaluation=replace(evaluation, charges=charges)), "not finite").status == "bad"


def test_failed_predictions_are_said_first(build):
    evaluation = build.evaluation()
    forces = evaluation.parities["forces"]
    broken = replace(forces, predicted=np.where(np.arange(len(forces.frame)) == 0, np.inf, forces.predicted))
    lines = verdict(build.report(evaluation=replace(evaluation, parities=evaluation.parities | {"forces": broken})))
    assert lines[1].status == "bad" and "1 of forces" in lines[1].text


def test_tail_recovers_the_charge_product_and_a_flat_curve_is_bad(build):
    r = np.linspace(3, 20, 30)
    flat = np.zeros(30)
    probe = FarRange("pair", r, None, {"flat": flat}, charge_product=-2.0)
    assert tail(probe, -2.0 * COULOMB / r + 7.0) == pytest.approx(-2.0)
    assert tail(probe, flat) == pytest.approx(0.0, abs=1e-12)
    assert line(build.report(far_range=[probe]), "Far range").status == "bad"
    good = replace(probe, curves={"exact": -2.0 * COULOMB / r})
    assert line(build.report(far_range=[good]), "Far range").status == "good"


def test_zero_of_a_probe_is_the_largest_separation_that_all_curves_reach():
    reference = np.array([3.0, 2.0, np.nan])
    probe = FarRange("pair", np.array([2.0, 5.0, 9.0]), reference, {"model": np.array([1.0, 4.0, 8.0])})
    np.testing.assert_allclose(probe.relative(probe.curves["model"]), [-3.0, 0.0, 4.0])
    np.testing.assert_allclose(probe.coulomb, COULOMB * (-1 / np.array([2.0, 5.0, 9.0]) + 1 / 5.0))
    alone = replace(probe, zero="separated fragments")
    np.testing.assert_allclose(alone.relative(alone.curves["model"]), [1.0, 4.0, 8.0])


@pytest.mark.parametrize(("value", "passed"), [(0.9, True), (-0.9, True), (1.1, False), (-1.1, False), (np.nan, False)])
def test_check_passes_within_its_tolerance(build, value, passed):
    check = Check("x", value, 1.0, "e")
    assert check.passed is passed
    assert line(build.report(checks=[check]), "allowed").status == ("good" if passed else "bad")


def test_worst_check_is_relative_to_its_tolerance(build):
    checks = [Check("large", 5.0, 100.0, "e"), Check("small", 1e-6, 1e-7, "e")]
    assert "worst: small" in line(build.report(checks=checks), "failed").text


def test_learning_curve_from_csv(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("epoch,train_loss,val_loss\n0,3,4\n1,2,\n1,2.5,3.5\n2,1,nan\n")
    curve = LearningCurve.from_csv(path)
    assert curve.epoch == [0, 1, 2] and curve.columns["train_loss"] == [3.0, 2.5, 1.0]
    assert curve.columns["val_loss"][1] == 3.5 and np.isnan(curve.columns["val_loss"][2])


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "column 'epoch'"), ("epoch,loss\n1,x\n", "'x'"), ("epoch,loss\n,1\n", "every row")],
)
def test_learning_curve_from_a_bad_csv(tmp_path, text, message):
    path = tmp_path / "train.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        LearningCurve.from_csv(path)
