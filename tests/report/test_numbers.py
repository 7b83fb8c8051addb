"""report.json: round trip, the same numbers as the metrics, null for what is not a number; files replaced whole."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from leyden.report import write
from leyden.report.numbers import numbers
from leyden.report.text import number


def read(path):
    def forbid(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads((path.parent / "report.json").read_text(encoding="utf-8"), parse_constant=forbid)


def test_json_round_trips_and_equals_the_metrics(build, tmp_path):
    report = build.report()
    data = read(write(report, tmp_path))
    assert data == numbers(report)
    for name, unit, rmse, mae, r2, slope in report.evaluation.table():
        row = data["evaluation"]["errors"][name]
        factor = 1000 if unit.startswith("eV") else 1
        assert row["unit"] == ("m" + unit if factor == 1000 else unit)
        found = [row["rmse"] / factor, row["mae"] / factor, row["r2"], row["slope"]]
        np.testing.assert_allclose(found, [rmse, mae, r2, slope], rtol=1e-12)


def test_the_page_shows_the_numbers_of_the_file(build, tmp_path):
    path = write(build.report(), tmp_path)
    html, data = path.read_text(encoding="utf-8"), read(path)
    for row in data["evaluation"]["errors"].values():
        assert f"<td>{number(row['rmse'])}</td>" in html
    for line in data["verdict"]:
        assert line["text"].replace("<", "&lt;") in html


def test_charges_energies_and_probe_by_hand(build):
    report = build.report()
    data = numbers(report)
    evaluation = report.evaluation
    oxygen = next(row for row in data["evaluation"]["charges"] if row["element"] == "O")
    assert oxygen["mean"] == pytest.approx(evaluation.charges[evaluation.numbers == 8].mean())
    assert oxygen["atoms"] == (evaluation.numbers == 8).sum()
    bulk = np.array(evaluation.config_type) == "bulk water"
    split = next(r for r in data["evaluation"]["energy_split_ev_per_atom"] if r["config_type"] == "bulk water")
    assert split["mean_long"] == pytest.approx((evaluation.energy_long / evaluation.atoms)[bulk].mean())
    forces = evaluation.parities["forces"]
    error = (forces.predicted - forces.reference)[bulk[forces.frame]]
    row = next(r for r in data["evaluation"]["by_config_type"] if r["config_type"] == "bulk water")
    assert row["force_rmse"] == pytest.approx(1000 * np.sqrt(np.mean(error**2)))
    probe = data["far_range"][0]
    assert probe["curves_ev"]["this model"][-1] == probe["reference_ev"][-1] == probe["coulomb_ev"][-1] == 0.0


def test_scaled_charges_carry_the_scale(build):
    report = build.report()
    report = replace(report, provenance=replace(report.provenance, charge_scale=1.33))
    for row in numbers(report)["evaluation"]["charges"]:
        assert row["latent_mean"] == pytest.approx(row["mean"] / 1.33) and row["mean"] != 0.0


def test_nan_becomes_null(build, tmp_path):
    evaluation = build.evaluation()
    energy = evaluation.parities["energy"]
    energy = replace(energy, reference=np.full_like(energy.reference, np.nan))
    report = build.report(evaluation=replace(evaluation, parities=evaluation.parities | {"energy": energy}))
    row = read(write(report, tmp_path))["evaluation"]["errors"]["energy"]
    assert row["rmse"] is None and row["points"] == 0 and row["unlabelled"] == 50


def test_a_failed_write_leaves_the_old_files(build, tmp_path, monkeypatch):
    path = write(build.report(), tmp_path / "new" / "folder")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fdopen", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(build.report(title="second"), path.parent)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.json"]
