"""Electron densities as coefficients of Gaussians on the atoms: the charge density without that of free neutral atoms,
fitted in the Coulomb metric with little weight on large coefficients,

    (V + LEAST diag V) p = <phi|1/r|rho>,    rho = -(n - sum_A n_A),    sum of all charges = Q,

n_A spherical, with as many electrons as A has protons (Hartree-Fock). Free atoms have no field outside, so moments and
the potential outside are those of the molecule, while cores and cusps, which the Gaussians cannot follow, cancel. In
the order and normalisation of docs/conventions.md, with the integrals of PySCF.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyscf import gto
from pyscf.df import incore
from pyscf.gto.mole import gaussian_int, gto_norm
from pyscf.scf.hf import RHF, init_guess_by_atom
from reference import BOHR, HARTREE

LEAST = 1e-3
"""Without it overlapping Gaussians share large charges of opposite signs."""
ROOT = math.sqrt(3.0) / 2
TO_OURS = np.array(
    [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, -0.5, 0, -ROOT], [0, 1, 0, 0, 0], [0, 0, ROOT, 0, -0.5]]
)  # fmt: skip
"""xz, xy, yy, yz, zz - xx of xy, yz, zz, xz, xx - yy."""


@dataclass(frozen=True)
class Fitted:
    """Coefficients (N, dim) in e, e Å, e Å^2; <rho|V|rho> of the density, and that of what the fit leaves of it, eV."""

    coefficients: np.ndarray
    whole: float
    lacking: float


def fit(field: RHF, widths: Sequence[float], lmax: int) -> Fitted:
    """The density of a self-consistent field on shells of these widths (Å)."""
    molecule = field.mol
    helper, turn = _gaussians(molecule, widths, lmax), _to_ours(molecule.natm, widths, lmax)
    matrix = turn @ helper.intor("int2c2e") @ turn.T
    change = field.make_rdm1() - init_guess_by_atom(molecule)
    source = -turn @ np.einsum("ija,ij->a", incore.aux_e2(molecule, helper, "int3c2e"), change)
    dim, regular = (lmax + 1) ** 2, matrix + LEAST * np.diag(np.diag(matrix))
    monopoles = np.zeros((len(matrix), 1))
    monopoles[::dim] = 1.0
    bordered = np.block([[regular, monopoles], [monopoles.T, np.zeros((1, 1))]])
    p = np.linalg.solve(bordered, np.append(source, molecule.charge))[:-1]
    whole = np.einsum("ij,ij", field.get_j(molecule, change), change)
    lengths = BOHR ** np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)
    coefficients = (p.reshape(-1, dim) * lengths).reshape(molecule.natm, -1)
    return Fitted(coefficients, HARTREE * whole, HARTREE * float(whole - 2 * p @ source + p @ matrix @ p))


def _gaussians(molecule: gto.Mole, widths: Sequence[float], lmax: int) -> gto.Mole:
    """One primitive of each l for each width on every atom; atoms have names of their own, as elements have a basis."""
    shells = [[rank, [0.5 * (BOHR / width) ** 2, 1.0]] for width in widths for rank in range(lmax + 1)]
    names = [f"{molecule.atom_symbol(n)}{n}" for n in range(molecule.natm)]
    return gto.M(
        atom=list(zip(names, molecule.atom_coords(), strict=True)), unit="Bohr", basis=dict.fromkeys(names, shells),
        charge=molecule.charge, spin=None, verbose=0,
    )  # fmt: skip


def _to_ours(atoms: int, widths: Sequence[float], lmax: int) -> np.ndarray:
    """Rows: our functions, of unit moments, shell by shell; columns: those of PySCF, which sorts an atom's by rank."""
    columns = sorted((rank, n) for n in range(len(widths)) for rank in range(lmax + 1))
    dim = (lmax + 1) ** 2
    block, start = np.zeros((dim * len(widths), dim * len(widths))), 0
    for rank, n in columns:
        exponent = 0.5 * (BOHR / widths[n]) ** 2
        radial = gto_norm(rank, exponent) * gaussian_int(2 * rank + 2, exponent)
        row, size = n * dim + rank * rank, 2 * rank + 1
        turn = TO_OURS if rank == 2 else np.eye(size)
        block[row : row + size, start : start + size] = turn / (radial * math.sqrt(4 * math.pi / size))
        start += size
    return np.kron(np.eye(atoms), block)
