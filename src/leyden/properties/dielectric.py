"""Dielectric tensors of crystals: of the electrons alone, and with ions that follow a static field,

    eps_inf = 1 + 4 pi alpha / V,    eps_0 = eps_inf + (4 pi k_e / V) Z* H^+ Z*^T

with the polarizability alpha (Å^3) of fixed ions, their Born charges Z* and the Hessian H at constant field (Gonze &
Lee, Phys. Rev. B 55, 10355, where the sum runs over the modes of H). The charges of `Local` and `Split` feel no field:
alpha = 0. Where the electrons of a bulk are in the scale of charges (charges/local.py), its square stands for the 1.
"""

import math

import torch
from torch import Tensor

from leyden.charges import Local, Split
from leyden.charges.model import Bonded
from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.properties.electric import born_charges, polarizability
from leyden.properties.relaxation import compliance
from leyden.system import System
from leyden.units import COULOMB

FIELDLESS = (Local, Split)
"""Models whose charges feel no field."""
NEUTRAL = 1e-6
"""e; a structure that has more is accelerated by a field."""


def dielectric_tensor(potential: Potential, system: System, ionic: bool = False) -> Tensor:
    """eps_inf, or eps_0 if ionic, of each structure, (S, 3, 3).

    Raises InputError for a model without charges, or whose charge can flow round the cell, for structures that are not
    periodic along three axes, and, if ionic, for those that are charged or not at a minimum of the energy.
    """
    require_crystal("dielectric_tensor", potential, system)
    electronic = _electronic(potential, system)
    if not ionic:
        return electronic
    require_neutral("dielectric_tensor", system)
    return electronic + torch.stack([_ionic(potential, one) for one in system.split()])


def require_crystal(name: str, potential: Potential, system: System) -> None:
    """Raise InputError where no electric field is held inside a crystal with charges."""
    if potential.charges is None:
        raise InputError(
            f"{name}: expected a model with charges, got a short-range one; train one with the preset 'les'."
        )
    bulk = system.pbc.all(1)
    require(
        bool(bulk.all()),
        f"{name}: expected structures periodic along three axes, got pbc {system.pbc[~bulk][:1].flatten().tolist()};"
        " others have a polarizability.",
    )
    require(
        math.isinf(potential.coulomb.surroundings),
        f"{name}: expected conducting surroundings, got a permittivity of {potential.coulomb.surroundings:g}; set"
        " coulomb.surroundings to inf.",
    )
    require(
        system.displacement is None,
        f"{name}: expected no displacement that is held, as it is the field that is; drop it.",
    )


def require_neutral(name: str, system: System) -> None:
    """Raise InputError for charged structures."""
    most = system.charge.abs().max().item()
    require(most < NEUTRAL, f"{name}: expected neutral structures, got a total charge of {most:g} e; compensate it.")


def _electronic(potential: Potential, system: System) -> Tensor:
    assert potential.charges is not None
    medium = potential.charges.permittivity * torch.eye(3).to(system.cell).expand(system.count, 3, 3)
    if isinstance(potential.charges, FIELDLESS):
        return medium
    require(
        isinstance(potential.charges, Bonded),
        "dielectric_tensor: expected a model whose charge moves along bonds or feels no field, got"
        f" {type(potential.charges).__name__}, whose charge can flow round the cell; take one with the preset 'sqe',"
        " 'split' or 'les'.",
    )
    return medium + 4.0 * math.pi * polarizability(potential, system) / system.volume[:, None, None]


def _ionic(potential: Potential, system: System) -> Tensor:
    """What the ions of one structure add, (3, 3)."""
    born = born_charges(potential, system).transpose(0, 1).flatten(1)
    return 4.0 * math.pi * COULOMB / system.volume * (born @ compliance(potential, system) @ born.mT)
