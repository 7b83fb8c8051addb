"""Vibrations of a structure at rest: eigenmodes of the Hessian H, all of whose derivatives go through the charges,

    D = M^-1/2 H M^-1/2,    D u = lambda u,    nu = sqrt(lambda) / (2 pi c)

on the complement of translations and, for open structures, of rotations (five of both for a linear molecule). With the
normal coordinates Q = u.M^1/2 x, infrared intensities and Raman activities are (Wilson, Decius & Cross, Molecular
Vibrations)

    A = N_A pi k_e / (3 c^2) |dmu/dQ|^2,    dmu/dQ = sum_i Z*_i u_i / sqrt(m_i)
    S = 45 a'^2 + 7 gamma'^2                with a = tr alpha / 3, gamma^2 = 3/2 tr (alpha - a)^2, ' = d/dQ
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor

from leyden.checks import require, shaped
from leyden.derivatives import forces, hessian_vector
from leyden.potential import Potential
from leyden.properties.wavenumber import INTENSITY, Array, wavenumber
from leyden.system import System

ATOMS = 2000
"""Atoms in the copies of the structure that are evaluated at a time."""
STEP = 5e-3
"""Å sqrt(amu), of the finite differences of polarizabilities along a mode."""
AT_REST = 0.01
"""eV/Å; where a force is larger, the curvature is not that of a minimum."""
DEPENDENT = 1e-5
"""Relative size of a rotation that moves no atom, that of a linear molecule about its axis."""


@dataclass(frozen=True)
class NormalModes:
    """K modes by ascending wavenumbers (K,) cm^-1, of which an imaginary one is negative.

    directions (K, N, 3): orthonormal u; displacements (K, N, 3): u / sqrt(m), 1/sqrt(amu); hessian (3N, 3N) eV/Å^2;
    force: the largest on an atom, eV/Å; warning: a sentence where the structure is not at rest, otherwise None.
    """

    system: System
    wavenumbers: Array
    directions: Tensor
    masses: Tensor
    hessian: Tensor
    force: float

    @property
    def displacements(self) -> Tensor:
        """dx/dQ."""
        return self.directions / self.masses.sqrt()[:, None]

    @property
    def warning(self) -> str | None:
        """Whether the modes are those of a structure at rest."""
        if self.force <= AT_REST:
            return None
        return (
            f"expected forces below {AT_REST} eV/Å, got {self.force:.3g}: rotations mix with vibrations; relax the"
            " structure first."
        )


def hessian(potential: Potential, system: System, atoms: int = ATOMS) -> Tensor:
    """d2E/dR2 (3N, 3N), eV/Å^2, of one structure, for copies of it with about so many atoms at a time."""
    require(system.count == 1, f"hessian: expected one structure, got {system.count}; take them one by one.")
    along = torch.eye(system.positions.numel(), dtype=system.positions.dtype, device=system.positions.device)
    columns = []
    for part in along.split(max(1, atoms // len(system.positions))):
        copies = System.join([system] * len(part))
        columns.append(hessian_vector(potential, copies, part.reshape(-1, 3)).reshape(len(part), -1))
    return torch.cat(columns)


def normal_modes(potential: Potential, system: System, masses: Tensor | None = None, atoms: int = ATOMS) -> NormalModes:
    """Modes of one structure, with the standard atomic masses unless others (N,) are given, in amu."""
    if masses is None:
        masses = torch.as_tensor(atomic_masses)[system.numbers.cpu()]
    masses = shaped("masses", masses.to(system.positions), len(system.positions))
    found = hessian(potential, system, atoms)
    force = forces(potential, system, stress=False).forces.norm(dim=1).max().item()
    curvatures, directions = modes(found, system.positions, masses, rotations=not bool(system.pbc.any()))
    return NormalModes(system, wavenumber(curvatures.cpu().double().numpy()), directions, masses, found, force)


def modes(hessian: Tensor, positions: Tensor, masses: Tensor, rotations: bool = True) -> tuple[Tensor, Tensor]:
    """Eigenvalues (K,), eV/Å^2/amu, and orthonormal eigenvectors (K, N, 3) of the Hessian weighted by masses (N,), with
    translations and rotations of positions (N, 3) projected out."""
    root = masses.sqrt().repeat_interleave(3)
    weighted = 0.5 * (hessian + hessian.mT) / (root[:, None] * root)
    inside = _internal(positions, masses, rotations)
    values, vectors = torch.linalg.eigh(inside.mT @ weighted @ inside)
    return values, (inside @ vectors).mT.unflatten(1, (-1, 3))


def infrared_intensities(found: NormalModes, born: Tensor) -> Array:
    """Of each mode (K,), km/mol, from Born charges (N, 3, 3) in e."""
    slope = torch.einsum("nab,knb->ka", born.to(found.directions), found.displacements)
    return INTENSITY * slope.square().sum(1).cpu().double().numpy()


def raman_activities(
    found: NormalModes, polarizability: Callable[[System], Tensor], step: float = STEP, atoms: int = ATOMS
) -> Array:
    """Of each mode (K,), Å^4/amu, from a function that gives the polarizabilities (S, 3, 3), Å^3, of S structures."""
    slopes = []
    for part in found.displacements.split(max(1, atoms // (2 * len(found.masses)))):
        moved = torch.cat([found.system.positions + step * part, found.system.positions - step * part])
        copies = replace(System.join([found.system] * len(moved)), positions=moved.flatten(0, 1))
        up, down = polarizability(copies).detach().cpu().double().chunk(2)
        slopes.append((up - down) / (2.0 * step))
    slope = torch.cat(slopes).numpy()
    trace = slope.trace(axis1=1, axis2=2) / 3.0
    gamma = 1.5 * ((slope - trace[:, None, None] * np.eye(3)) ** 2).sum((1, 2))
    return 45.0 * trace**2 + 7.0 * gamma


def _internal(positions: Tensor, masses: Tensor, rotations: bool) -> Tensor:
    """An orthonormal basis (3N, K) of the mass-weighted motions that neither translate nor rotate the whole."""
    centred = positions - (masses[:, None] * positions).sum(0) / masses.sum()
    axes = torch.linalg.eigh(centred.mT @ centred).eigenvectors.mT  # that of a linear molecule is one of them
    moves = [axis.expand_as(centred) for axis in axes]
    if rotations:
        moves += [torch.linalg.cross(move, centred) for move in moves]
    rigid = torch.stack([(masses.sqrt()[:, None] * move).flatten() for move in moves], 1)
    size = rigid.norm(dim=0)
    left, sizes, _ = torch.linalg.svd(rigid[:, size > DEPENDENT * size.max()], full_matrices=True)
    return left[:, len(sizes) :]
