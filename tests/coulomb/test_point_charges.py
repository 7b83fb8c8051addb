"""Random crystals of point charges and point dipoles with published energies and forces.

Reference: torch-pme's test frames (see SOURCES.md beside the data), good to about 1e-5 relative; the tests are skipped
where the reference data are not at hand. The frames' stress is half of dE/dstrain in eV: its trace is -E/2, not -E.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read

from leyden import Coulomb, GaussianBasis, System

BESIDE = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("LEYDEN_REFERENCE_DATA", BESIDE)) / "point_charge_checks"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no reference data; set LEYDEN_REFERENCE_DATA to their folder"
)


def frame(file: str, number: int) -> Atoms:
    """One structure of a file."""
    atoms = read(DATA / file, index=number)
    assert isinstance(atoms, Atoms)
    return atoms


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(("kind", "lmax"), [("coulomb", 0), ("dipoles", 1)])
def test_frames(kind: str, lmax: int, number: int) -> None:
    """Energy, forces and, for charges, stress."""
    atoms = frame(f"{kind}_test_frames.xyz", number)
    system, basis = System.from_ase(atoms), GaussianBasis(0.0, lmax)
    density = torch.zeros(len(atoms), basis.dim, dtype=torch.float64)
    if lmax:
        density[:, 1:] = torch.as_tensor(atoms.arrays["dipoles"])
    else:
        density[:, 0] = torch.as_tensor(atoms.get_initial_charges())
    positions = system.positions.clone().requires_grad_()
    strain = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    bound = Coulomb(1e-8, "reciprocal").bind(replace(system, positions=positions).strained(strain), basis)
    energy = bound.energy(density)
    gradient, virial = torch.autograd.grad(energy.sum(), (positions, strain))
    assert energy.item() == pytest.approx(atoms.get_potential_energy(), rel=1e-4)
    np.testing.assert_allclose(-gradient.numpy(), atoms.get_forces(), rtol=0, atol=3e-4)
    if not lmax:
        np.testing.assert_allclose(0.5 * virial[0].numpy(), atoms.get_stress(voigt=False), rtol=0, atol=5e-4)
        assert virial[0].trace().item() == pytest.approx(-energy.item(), rel=1e-6)
