"""A slab that is charged and polar: two plates, a layer of dipoles between them, and the potential across it all."""

import math

import torch
from ase import Atoms

import leyden
from leyden.units import COULOMB

PLATE, LAYER, HEIGHT, PERIOD = 0.004, 0.03, 12.0, 2.0  # charge (e) and dipole (e Å) of an atom; Å

grid = [[PERIOD * i, PERIOD * j] for i in range(2) for j in range(2)]
sites = [[x, y, z] for z in (0.0, HEIGHT / 2, HEIGHT) for x, y in grid]
slab = Atoms("Au4O4Au4", sites, cell=[2 * PERIOD, 2 * PERIOD, 0.0], pbc=[True, True, False])  # no vacuum needed

density = torch.zeros(12, 4, dtype=torch.float64)  # charge, then dipole x, y, z
density[:4, 0], density[4:8, 3], density[8:, 0] = -PLATE, -LAYER, PLATE

system, basis = leyden.System.from_ase(slab), leyden.GaussianBasis(width=0.8, lmax=1)
operator = leyden.Coulomb(accuracy=1e-8).bind(system, basis)

z = torch.arange(-4.0, HEIGHT + 4.5)
points = torch.stack([0.5 * torch.ones_like(z), torch.zeros_like(z), z], 1).double()
potential = operator.at(density, points, torch.zeros(len(z), dtype=torch.long))
for height, volts in zip(z.tolist(), potential.tolist(), strict=True):
    print(f"z = {height:4.0f} Å  {volts:+z6.3f} V  {' ' * round(20 + 20 * volts)}*")

plates = 4 * math.pi * COULOMB * PLATE / PERIOD**2 * HEIGHT
dipoles = 4 * math.pi * COULOMB * LAYER / PERIOD**2
print(f"drop across the slab {(potential[-1] - potential[0]).item():.4f} V")
print(f"4 pi k_e (sigma d - mu / A) = {plates:.4f} - {dipoles:.4f} = {plates - dipoles:.4f} V")
