"""External potentials v_ext that the density feels beside its own: uniform fields and electrodes.

A uniform field F adds -F.r to the potential, so that <p|v_ext> = -mu.F (with the origin of the coordinates as the zero
of the potential). Along a periodic axis such a potential does not exist; see macroscopic.py. An electrode at the
potential Psi adds -Psi to each of its charges: with it, E + <p|v_ext> is stationary where V p = Psi on the electrode
(Siepmann & Sprik, J. Chem. Phys. 102, 511).
"""

import torch
from torch import Tensor

from leyden.checks import InputError, shaped
from leyden.density.basis import GaussianBasis
from leyden.info import DISPLACEMENT_KEY
from leyden.system import System

ALONG = 1e-6
"""How large the component of a field along a periodic axis may be, relative to the field: rounding in float32."""


def external(system: System, basis: GaussianBasis, charging: float = 0.0) -> Tensor:
    """v_ext (N, dim) in eV/e of electrodes and of the part of fields that is across periodic axes.

    charging: eV/e, reference energy of a unit of charge, also of that on electrodes.
    """
    field = system.field
    if bool(system.pbc.any()):
        field = field - torch.einsum("sab,sb->sa", system.periodic_space, field)
    out = _linear(system, field, basis)
    if system.ensemble is None:
        return out
    return out + electrodes((system.ensemble.potential - charging).nan_to_num(), basis)


def uniform(system: System, basis: GaussianBasis) -> Tensor:
    """v_ext (N, dim) in eV/e of the system's fields (S, 3) in V/Å: -r.F on charges, -F on dipoles, 0 on quadrupoles.

    Raises InputError for a field with a component along a periodic axis.
    """
    require_open(system)
    return _linear(system, system.field, basis)


def _linear(system: System, field: Tensor, basis: GaussianBasis) -> Tensor:
    field = field[system.index]
    rows = [-(system.positions * field).sum(1, keepdim=True)]
    if basis.lmax > 0:
        rows.append(-field)
    if basis.lmax > 1:
        rows.append(field.new_zeros(len(field), 5))
    return torch.cat(rows, 1).repeat(1, basis.shells)


def electrodes(potential: Tensor, basis: GaussianBasis) -> Tensor:
    """v_ext (N, dim) in eV/e of potentials (N,) in V, 0 for atoms that belong to no electrode."""
    shaped("potential", potential, None)
    one = torch.cat([-potential[:, None], potential.new_zeros(len(potential), basis.multipoles - 1)], 1)
    return one.repeat(1, basis.shells)


def require_open(system: System, remedy: str = "turn the field or set pbc to False along it") -> None:
    """Raise InputError for a field with a component along a periodic axis, or a displacement."""
    if system.displacement is not None:
        raise InputError(f"{DISPLACEMENT_KEY}: expected none, got {system.displacement.tolist()} V/Å; {remedy}.")
    if not system.field.any():
        return
    axes = torch.where(system.pbc[:, :, None], system.cell, torch.zeros_like(system.cell))
    along = torch.einsum("sad,sd->sa", axes, system.field).abs()
    size = torch.linalg.vector_norm(axes, dim=2) * torch.linalg.vector_norm(system.field, dim=1, keepdim=True)
    bad = (along > ALONG * size).nonzero()
    if len(bad):
        structure, axis = bad[0].tolist()
        raise InputError(
            f"external_field: expected no component along periodic axes, got {system.field[structure].tolist()} V/Å for"
            f" structure {structure}, periodic along axis {axis}; {remedy}."
        )
