"""What is handed to phonopy, by what phonopy makes of it."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from phonopy import Phonopy
from phonopy.file_IO import parse_BORN
from phonopy.structure.atoms import PhonopyAtoms

from leyden.calculators import LeydenCalculator
from leyden.calculators.phonopy import nac_params, write_born
from leyden.charges import Local
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.storage import save
from leyden.system import System
from leyden.testing.assembly import SALT, assembled
from leyden.testing.ionic import ROCKSALT, ZINCBLENDE, distorted, equilibrated, latent, transferred
from leyden.units import COULOMB

DIRECTION = [0.3, -0.2, 0.7]


def phonons(potential: Potential, atoms: Atoms, cells: int = 1) -> Phonopy:
    """With force constants of the potential, and how they behave at long waves."""
    unit = PhonopyAtoms(atoms.symbols, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions())
    phonon = Phonopy(unit, np.diag([cells] * 3), primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=1e-3, is_plusminus=True)
    calculator, forces = LeydenCalculator(potential), []
    for cell in phonon.supercells_with_displacements:
        moved = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True, calculator=calculator)
        forces.append(moved.get_forces())
    phonon.forces = forces
    phonon.produce_force_constants()
    phonon.nac_params = nac_params(potential, phonon.primitive)
    return phonon


def at_gamma(phonon: Phonopy, direction: list[float] | None) -> np.ndarray:
    """The dynamical matrix, eV/Å^2/amu."""
    phonon.dynamical_matrix.run(np.zeros(3), q_direction=direction)
    return phonon.dynamical_matrix.dynamical_matrix.copy()


@pytest.mark.parametrize("make", [latent, transferred, equilibrated])
def test_splitting_of_a_cubic_crystal(make: Callable[[], Potential]) -> None:
    """4 pi Z*^2 / (eps_inf V mu), also of a model that answers to fields."""
    potential = make()
    phonon = phonons(potential, ROCKSALT, 2)
    given, masses = phonon.nac_params, phonon.primitive.masses
    transverse = np.linalg.eigvalsh(at_gamma(phonon, None))
    split = np.linalg.eigvalsh(at_gamma(phonon, DIRECTION))
    born, eps = given["born"][0, 0, 0], given["dielectric"][0, 0]
    exact = 4 * math.pi * COULOMB * born**2 / (eps * phonon.primitive.volume) * (1 / masses).sum()
    assert transverse[3] == pytest.approx(transverse[5], rel=1e-6)
    assert split[5] - transverse[5] == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(split[3:5], transverse[3:5], rtol=1e-6)
    assert exact > 0.1 * transverse[5] and (eps > 1.1) == (make is equilibrated)


def test_rows_are_polarizations() -> None:
    """Of a crystal without symmetry, whose Born charges are no symmetric tensors."""
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6, 1), hidden=4))
    phonon = phonons(potential, SALT)
    given, masses = phonon.nac_params, phonon.primitive.masses
    q = np.linalg.inv(phonon.primitive.cell) @ DIRECTION
    added = at_gamma(phonon, DIRECTION) - at_gamma(phonon, None)

    def exact(born: np.ndarray) -> np.ndarray:
        charge = (np.einsum("a,nab->nb", q, born) / np.sqrt(masses)[:, None]).ravel()
        size = 4 * math.pi * COULOMB / phonon.primitive.volume / (q @ given["dielectric"] @ q)
        return size * np.outer(charge, charge)

    born = born_charges(potential, System.from_ase(SALT)).numpy()
    np.testing.assert_allclose(added, exact(born), atol=1e-6 * np.abs(added).max())
    assert np.abs(added - exact(born.transpose(0, 2, 1))).max() > 1e-3 * np.abs(added).max()


@pytest.mark.parametrize("atoms", [ROCKSALT, ROCKSALT.repeat((2, 1, 1)), distorted(ZINCBLENDE)])
def test_file(atoms: Atoms, tmp_path: Path) -> None:
    """What phonopy reads, for its primitive cell."""
    write_born(tmp_path / "BORN", equilibrated(), atoms)
    cell = ROCKSALT if len(atoms) > 2 else atoms
    primitive = PhonopyAtoms(cell.symbols, cell=cell.cell.array, scaled_positions=cell.get_scaled_positions())
    found, given = parse_BORN(primitive, filename=tmp_path / "BORN"), nac_params(equilibrated(), cell)
    assert set(found) == set(given) and found["factor"] == given["factor"] == COULOMB
    for name in ("born", "dielectric"):
        np.testing.assert_allclose(found[name], given[name], atol=2e-7)
    assert np.abs(given["born"]).max() > 0.5


def test_scale() -> None:
    """Of latent charges: another eps_inf changes Z*, and no frequency."""
    plain, scaled = nac_params(latent(), ROCKSALT), nac_params(latent(scale=1.3), ROCKSALT)
    given = nac_params(latent(scale=1.3), ROCKSALT, eps_inf=2.5)
    np.testing.assert_allclose(plain["born"], born_charges(latent(), System.from_ase(ROCKSALT)).numpy(), atol=1e-12)
    for other, eps in ((scaled, 1.69), (given, 2.5)):
        np.testing.assert_allclose(other["dielectric"], eps * np.eye(3), atol=1e-12)
        np.testing.assert_allclose(other["born"], math.sqrt(eps) * plain["born"], atol=1e-12)


def test_cells_of_phonopy_are_neutral(tmp_path: Path) -> None:
    """Also where a model demands a total charge."""
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6), hidden=4))
    folder = save(potential, tmp_path / "model", {"total_charges": [0.0, 1.0]})
    cell = PhonopyAtoms(SALT.symbols, cell=SALT.cell.array, scaled_positions=SALT.get_scaled_positions())
    np.testing.assert_allclose(nac_params(folder, cell)["born"], nac_params(potential, SALT)["born"], atol=1e-9)


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^eps_inf: expected none, as SplitChargeEquilibration has one of its own"):
        nac_params(equilibrated(), ROCKSALT, eps_inf=2.0)
    with pytest.raises(InputError, match=r"^eps_inf: expected at least 1, got 0.5"):
        nac_params(latent(), ROCKSALT, eps_inf=0.5)
    charged = ROCKSALT.copy()
    charged.info["total_charge"] = 1
    with pytest.raises(InputError, match=r"^nac_params: expected neutral structures"):
        nac_params(latent(), charged)
    with pytest.raises(InputError, match="expected a file that can be written"):
        write_born("/proc/x/BORN", latent(), ROCKSALT)
    monkeypatch.setitem(sys.modules, "phonopy", None)
    with pytest.raises(InputError, match=r"expected phonopy, found none; run: pip install 'leyden\[phonopy\]'\.$"):
        write_born(tmp_path / "BORN", latent(), ROCKSALT)
    assert nac_params(latent(), ROCKSALT)["factor"] == COULOMB
