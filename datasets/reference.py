"""Reference labels: wB97X-D3BJ/def2-SVPD with density fitting, energies E, forces F = -dE/dR and dipoles mu.

A range-separated hybrid leaves whole electrons on separated ions (+-1.00 e); GGA functionals and GFN-xTB do not.
Forces include the response of the integration grid, so that they are the derivatives of the printed energy.
Units: eV, eV/Å, e Å. The dipole is about the origin of the coordinates, hence origin-dependent for charged systems.
"""

import numpy as np
from ase import Atoms
from pyscf import dft, gto, lib

HARTREE = 27.211386245988  # eV, CODATA 2018
BOHR = 0.529177210903  # Å, CODATA 2018
FUNCTIONAL = "wb97x-d3bj"
BASIS = "def2-svpd"
GRID_LEVEL = 3
SCF_TOLERANCE = 1e-9  # Hartree
NET_FORCE_TOLERANCE = 1e-3  # eV/Å, per Cartesian component

lib.num_threads(1)


def ground_state(atoms: Atoms, charge: int) -> dft.rks.RKS | None:
    """The self-consistent field of a closed shell; None if it did not converge."""
    geometry = list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True))
    molecule = gto.M(atom=geometry, basis=BASIS, charge=charge, spin=0, verbose=0)
    field = dft.RKS(molecule, xc=FUNCTIONAL).density_fit()
    field.grids.level, field.conv_tol, field.max_cycle = GRID_LEVEL, SCF_TOLERANCE, 100
    field.kernel()
    return field if field.converged else None


def solve(atoms: Atoms, charge: int) -> tuple[float, np.ndarray, np.ndarray] | None:
    """Energy (eV), forces (n, 3) (eV/Å) and dipole (3,) (e Å) of a closed shell; None if it did not converge."""
    field = ground_state(atoms, charge)
    if field is None:
        return None
    gradient = field.Gradients()
    gradient.grid_response = True
    forces = -gradient.kernel() * HARTREE / BOHR
    return field.e_tot * HARTREE, forces, field.dip_moment(unit="AU", verbose=0) * BOHR


def label(atoms: Atoms, charge: int) -> Atoms | None:
    """Copy of `atoms` (closed shell, total charge in e) with reference values, or None if they are not trustworthy.

    Adds `REF_energy` (eV), `REF_forces` (n, 3) (eV/Å), `REF_dipole` (3,) (e Å), `total_charge` (e) and `total_spin`
    (2S+1). None means that the self-consistent field did not converge or that the forces do not sum to zero.
    """
    solution = solve(atoms, charge)
    if solution is None:
        return None
    energy, forces, dipole = solution
    if np.abs(forces.sum(0)).max() > NET_FORCE_TOLERANCE:
        return None
    labelled = atoms.copy()
    labelled.arrays["REF_forces"] = forces
    labelled.info.update(REF_energy=energy, REF_dipole=dipole, total_charge=charge, total_spin=1)
    return labelled
