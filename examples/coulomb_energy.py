"""The Coulomb operator alone: the Madelung constant of rock salt, and the potential at a point."""

import torch
from ase.build import bulk

import leyden
from leyden.coulomb.pair import self_interaction
from leyden.units import COULOMB

salt = bulk("NaCl", "rocksalt", 5.64, cubic=True)
system = leyden.System.from_ase(salt)
basis = leyden.GaussianBasis(width=0.25)
charges = torch.tensor([[1.0 if z == 11 else -1.0] for z in salt.numbers], dtype=torch.float64)

operator = leyden.Coulomb(accuracy=1e-12).bind(system, basis)
own = 0.5 * (charges**2 * self_interaction(basis.widths(system.numbers, torch.float64)[:, 0], 0)).sum()
energy = (operator.energy(charges) - own) / 4
print(f"Madelung constant {-energy.item() * 2.82 / COULOMB:.9f}, literature 1.747564595")

point = torch.tensor([[1.41, 1.41, 1.41]], dtype=torch.float64)
print(f"potential at {point[0].tolist()} Å: {operator.at(charges, point, torch.tensor([0])).item():+.6f} V")
