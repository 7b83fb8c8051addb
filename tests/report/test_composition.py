"""Removing the composition leaves the errors alone and takes away what any model gets right."""

from dataclasses import replace

import numpy as np
import pytest

from leyden.report.composition import NAME, rows_of, without_composition
from leyden.report.summary import error_rows


def offset(evaluation, per_element):
    """The evaluation with the same energy for every atom of an element added to reference and prediction."""
    frame = np.repeat(np.arange(len(evaluation.atoms)), evaluation.atoms)
    extra = np.bincount(frame, weights=[per_element[z] for z in evaluation.numbers]) / evaluation.atoms
    energy = evaluation.parities["energy"]
    moved = replace(energy, reference=energy.reference + extra, predicted=energy.predicted + extra)
    return replace(evaluation, parities=evaluation.parities | {"energy": moved})


def test_the_energies_of_the_elements_drop_out_and_errors_stay(build):
    evaluation = build.evaluation()
    shifted = offset(evaluation, {1: -13.6, 6: -1030.0, 7: -1480.0, 8: -2041.0})
    row = rows_of(shifted)[NAME]
    assert row.rmse == pytest.approx(error_rows(evaluation)["energy"].rmse)
    assert row.spread < 200 < error_rows(shifted)["energy"].spread
    np.testing.assert_allclose(row.spread, rows_of(evaluation)[NAME].spread, rtol=1e-6)
    np.testing.assert_allclose(row.r2, rows_of(evaluation)[NAME].r2, rtol=1e-6)


def test_not_done_for_one_composition_few_frames_or_no_energy(build):
    evaluation = build.evaluation()
    same = replace(evaluation, numbers=np.full_like(evaluation.numbers, 8))
    for unsuitable in (same, build.evaluation(frames=5), replace(evaluation, parities={})):
        assert without_composition(unsuitable) is None and NAME not in rows_of(unsuitable)


def test_a_model_without_skill_shows_as_such(build):
    evaluation = offset(build.evaluation(), {1: -13.6, 6: -1030.0, 7: -1480.0, 8: -2041.0})
    energy = evaluation.parities["energy"]
    bare = without_composition(evaluation)
    guess = replace(energy, predicted=energy.reference - bare.reference)
    rows = rows_of(replace(evaluation, parities={"energy": guess}))
    assert rows["energy"].r2 > 0.99
    assert abs(rows[NAME].slope) < 1e-6
