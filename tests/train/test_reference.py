"""Reference energies of a backbone that was trained elsewhere: those of its file, those of the data, and charging."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from leyden.baseline import Baseline
from leyden.potential import Potential
from leyden.spec import ModelSpec
from leyden.testing.assembly import assembled, batch
from leyden.train.batch import Frame, Labels
from leyden.train.data import with_pairs
from leyden.train.reference import fitted

SHIFTS = {1: 0.3, 6: -0.2, 8: 0.1}
"""eV: reference energies of the data less those of the model."""
CHARGING = 9.25
"""eV/e, of the data."""


def frames(potential: Potential, shifts: dict[int, float], charging: float) -> list[Frame]:
    """Structures of several charges whose energies are those of the potential with another reference."""
    systems = [replace(s, charge=torch.tensor([q]).double()) for s in batch().split() for q in (-1.0, 0.0, 2.0)]
    other = Baseline(shifts, charging)
    energies = [potential(system).energy + other(system) for system in systems]
    labelled = [Frame(s, Labels(energy=e.detach())) for s, e in zip(systems, energies, strict=True)]
    return with_pairs(labelled, potential.backbone.cutoff)


def config(reference: str) -> ModelSpec:
    """A model in a file, which is not read here."""
    return ModelSpec(backbone={"kind": "mace", "from": Path("model"), "reference": reference}, charges=None)


@pytest.fixture
def potential() -> Potential:
    """Without charges; its reference energies know no charge, as those of a file do not."""
    made = assembled(lambda channels, elements: None)
    made.baseline = Baseline(made.baseline.energies)
    return made


def test_energies_of_the_file_stay_and_charging_is_fitted(potential: Potential) -> None:
    before = potential.baseline.energies
    assert fitted(potential, config("model"), frames(potential, {}, CHARGING)) == []
    assert potential.baseline.energies == before
    assert potential.baseline.charging == pytest.approx(CHARGING, abs=1e-6)


def test_energies_of_the_data(potential: Potential) -> None:
    before = potential.baseline.energies
    assert fitted(potential, config("data"), frames(potential, SHIFTS, CHARGING)) == []
    moved = {z: energy - before[z] for z, energy in potential.baseline.energies.items()}
    assert moved == pytest.approx(SHIFTS, abs=1e-6)
    assert potential.baseline.charging == pytest.approx(CHARGING, abs=1e-6)


def test_another_reference_is_said(potential: Potential) -> None:
    (warning,) = fitted(potential, config("model"), frames(potential, {8: -5.0}, 0.0))
    assert "if the data have another reference, set model.backbone.reference=data" in warning
    assert potential.baseline.charging == pytest.approx(0.0, abs=1e-6)
