"""Baseline: reference energies of elements and their fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden.baseline import Baseline
from leyden.system import System

FORMULAS = ["H2O", "CH4", "CO2", "H2", "C2H2O"]


def systems(formulas: list[str]) -> list[System]:
    return [System.from_ase(Atoms(f, positions=np.arange(3 * len(Atoms(f))).reshape(-1, 3))) for f in formulas]


def test_sum_of_element_energies() -> None:
    baseline = Baseline({1: -13.5, 8: -2040.25})
    found = baseline(System.join(systems(["H2O", "CO2"])))
    assert found.dtype == torch.float64
    assert found.tolist() == [2 * -13.5 - 2040.25, 2 * -2040.25]


def test_stays_in_double_precision_for_single_precision_structures() -> None:
    """A total energy of a large structure to a nanoelectronvolt, which float32 misses by far."""
    system = System.join(systems(["H2O"] * 3)).to(dtype=torch.float32)
    assert Baseline({8: -2040.123456789})(system)[2].item() == -2040.123456789


def test_fit_recovers_the_energies_of_elements() -> None:
    exact = {1: -13.6, 6: -1030.5, 8: -2041.0}
    data = systems(FORMULAS)
    energies = Baseline(exact)(System.join(data)).tolist()
    assert Baseline.fit(data, energies).energies == pytest.approx(exact, abs=1e-8)


def test_total_charge_has_a_reference_energy() -> None:
    charged = System.join(
        [replace(s, charge=torch.tensor([q])) for s, q in zip(systems(["H2O"] * 2), (2.0, -1.0), strict=True)]
    )
    found = Baseline({1: -13.5, 8: -2040.25}, charging=9.5)(charged)
    assert found.tolist() == pytest.approx([-2067.25 + 19.0, -2067.25 - 9.5], abs=1e-12)


def test_fit_recovers_the_energy_of_charging() -> None:
    exact = Baseline({1: -13.6, 6: -1030.5, 8: -2041.0}, charging=11.25)
    states = [0.0, 1.0, 2.0, 0.0, -1.0]
    data = [replace(s, charge=torch.tensor([q])) for s, q in zip(systems(FORMULAS), states, strict=True)]
    fitted = Baseline.fit(data, exact(System.join(data)).tolist())
    assert fitted.energies == pytest.approx(exact.energies, abs=1e-7)
    assert fitted.charging == pytest.approx(11.25, abs=1e-8)


def test_fit_takes_no_energy_of_charging_from_charges_that_compositions_tell() -> None:
    """Every H2O+ is charged, every CO2 neutral: elements say it all."""
    data = systems(["H2O", "H2O", "CO2"])
    data = [replace(s, charge=torch.tensor([q])) for s, q in zip(data, (1.0, 1.0, 0.0), strict=True)]
    fitted = Baseline.fit(data, [-10.0, -10.0, -7.0])
    assert fitted.charging == 0.0
    assert fitted(System.join(data)).tolist() == pytest.approx([-10.0, -10.0, -7.0], abs=1e-9)


def test_fit_is_least_squares() -> None:
    data = systems(FORMULAS)
    noise = np.random.default_rng(0).normal(size=len(data))
    energies = np.array(Baseline({1: -13.6, 6: -1030.5, 8: -2041.0})(System.join(data)).tolist()) + noise
    fitted = Baseline.fit(data, energies.tolist())
    residual = energies - np.array(fitted(System.join(data)).tolist())
    counts = np.array([[(s.numbers == z).sum().item() for z in fitted.energies] for s in data])
    np.testing.assert_allclose(counts.T @ residual, 0.0, atol=1e-8)
    assert np.abs(residual).max() > 1e-2


def test_fit_shares_what_the_data_leave_open() -> None:
    """One composition only: the norm is smallest, so every atom of H2O2 counts in proportion to its number."""
    fitted = Baseline.fit(systems(["H2O", "H2O"]), [-10.0, -10.0]).energies
    assert fitted == pytest.approx({1: -4.0, 8: -2.0})
