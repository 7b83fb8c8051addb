"""Synthetic reports with plausible numbers (ions and water, errors drawn with a fixed seed), handed out by `build`."""

from types import SimpleNamespace

import numpy as np
import pytest

from leyden.report import Check, FarRange, LearningCurve, Provenance, Report
from leyden.train.metrics import Evaluation, Parity
from leyden.units import COULOMB

MEAN = {1: 0.38, 6: 0.12, 7: -0.62, 8: -0.74}


def parity(rng, name, unit, reference, noise, frame):
    """Predictions with Gaussian errors."""
    predicted = reference + noise * rng.standard_t(4, size=len(reference))
    return Parity(name, unit, reference, predicted, frame)


def evaluation(seed=0, frames=50, noise=1.0, charges=True, kinds=("bulk water", "ion pair", "ammonium", "cluster")):
    """F frames of 12 to 60 atoms with energies, forces, dipoles and Born effective charges."""
    rng, layout = np.random.default_rng(seed), np.random.default_rng(99)
    kind = [kinds[n % len(kinds)] for n in range(frames)]
    atoms = layout.integers(12, 61, frames)
    frame = np.repeat(np.arange(frames), atoms)
    numbers = layout.choice([1, 6, 7, 8], size=len(frame), p=[0.6, 0.05, 0.05, 0.3])
    energy = -154.2 + 0.05 * layout.normal(size=frames) + 0.08 * np.array([kinds.index(k) for k in kind])
    forces, dipole = layout.normal(size=3 * len(frame)), layout.normal(size=3 * frames)
    born = 1.2 * layout.normal(size=9 * len(frame))
    parities = {
        "energy": parity(rng, "energy", "eV/atom", energy, 1.1e-3 * noise, np.arange(frames)),
        "forces": parity(rng, "forces", "eV/Å", forces, 0.037 * noise, np.repeat(frame, 3)),
        "stress": parity(
            rng, "stress", "eV/Å^3", 0.01 * layout.normal(size=6 * frames), 6e-4, np.repeat(np.arange(frames), 6)
        ),
        "dipole": parity(rng, "dipole", "e Å", dipole, 0.04 * noise, np.repeat(np.arange(frames), 3)),
        "born_effective_charges": parity(rng, "born_effective_charges", "e", born, 0.09, np.repeat(frame, 9)),
    }
    q = np.array([MEAN[z] for z in numbers]) + 0.05 * rng.normal(size=len(frame))
    q -= (np.bincount(frame, weights=q) / atoms)[frame]
    far = (-0.06 + 0.01 * rng.normal(size=frames)) * atoms
    return Evaluation(
        parities=parities,
        config_type=kind,
        energy_short=energy * atoms - far,
        energy_long=far if charges else 0 * far,
        atoms=atoms,
        numbers=numbers,
        charges=q if charges else None,
        total_charge=np.zeros(frames),
        seconds=3.21,
    )


def curve(epochs=120, floor=0.05):
    """A loss that falls to a floor."""
    t = np.arange(1, epochs + 1)
    ripple = 1 + 0.06 * np.random.default_rng(1).normal(size=epochs)
    loss = floor + 3.0 * np.exp(-t / 12) + 0.4 * np.exp(-t / 35)
    columns = {
        "train_loss": (0.8 * loss * ripple).tolist(),
        "val_loss": (loss * ripple[::-1]).tolist(),
        "val_energy_rmse": (25 * loss).tolist(),
        "val_force_rmse": (1000 * loss * ripple).tolist(),
        "learning_rate": (5e-3 * 0.5 ** (t // 30)).tolist(),
        "seconds": [1.7] * epochs,
    }
    return LearningCurve(t.tolist(), columns)


def far_range(reference=True):
    """An ion pair: the model follows the reference, the short-range baseline is flat beyond its cutoff."""
    r = 1.6 + np.geomspace(1.0, 13.4, 24)
    exact = -COULOMB / r - 60.0 / r**4 + 900 * np.exp(-3.0 * r)
    short = exact.copy()
    short[r > 5.5] = exact[r > 5.5][0]
    curves = {"this model": 0.985 * exact - 2000.0, "short-range baseline": short}
    return FarRange("NH4+ … HCOO−", r, exact if reference else None, curves)


def checks():
    """Passing checks and one that fails."""
    return [
        Check("sum of charges", 2.2e-15, 1e-6, "e", "sum_i q_i = Q in every structure"),
        Check("acoustic sum rule", 3.1e-9, 1e-6, "e", "sum_i Z*_i = Q 1"),
        Check("forces by finite difference", 4.1e-8, 1e-4, "eV/Å", "central differences of the energy"),
        Check("rotation, energy", 3e-4, 1e-5, "eV/atom"),
    ]


def provenance():
    """A small configuration."""
    return Provenance(
        config="preset: les\ndata:\n  train: train.xyz\n  valid: 0.1\nmodel:\n  cutoff: 5.0\n  channels: 64\n",
        data_hash={"train.xyz": "sha256 9f2c41…", "test.xyz": "sha256 77aa0b…"},
        versions={"leyden": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
        command="leyden train config.yaml",
        charge_scale=1.0,
        charge_scale_source="vacuum, eps_inf = 1",
        notes=["Trained on two cores."],
        model="Cartesian(cutoff=5.0, channels=64) + Local(sigma=1.0)",
        timings={"training": 204.0},
    )


def report(seed=0, **changes):
    """A complete report; keyword arguments replace its parts."""
    parts = dict(
        title="Water and ions, latent charges",
        evaluation=evaluation(seed),
        baseline=evaluation(seed + 1, noise=1.9, charges=False),
        curve=curve(),
        baseline_curve=curve(floor=0.11),
        far_range=[far_range()],
        checks=checks(),
        provenance=provenance(),
    )
    return Report(**(parts | changes))


BUILD = SimpleNamespace(
    report=report, evaluation=evaluation, curve=curve, far_range=far_range, checks=checks, provenance=provenance
)


@pytest.fixture
def build():
    """Functions that make a report and its parts."""
    return BUILD
