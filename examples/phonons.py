"""Transverse and longitudinal optical phonons of an ionic crystal with phonopy: forces, Born charges and eps_inf of one
model. At long waves their frequencies obey (LO / TO)^2 = eps_0 / eps_inf (Lyddane, Sachs & Teller)."""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

import leyden
from leyden.backbones.backbone import Backbone
from leyden.calculators import LeydenCalculator
from leyden.calculators.phonopy import nac_params
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.properties import dielectric_tensor


class Springs(Backbone):
    """Mg and O on springs of 2.1 Å. Charges see how close other atoms are."""

    cutoff, elements, channels = 3.6, (8, 12), Channels(1, 0, 0)

    def forward(self, graph: Graph) -> Features:
        """Half the energy of a spring on each of its atoms."""
        numbers, pairs = graph.system.numbers, graph.pairs
        other = numbers[pairs.centers] != numbers[pairs.neighbors]
        scalars = graph.gather((1 - (graph.lengths / self.cutoff) ** 2) ** 3)[:, None]
        none = scalars.new_zeros(len(scalars), 3, 0)
        return Features(graph.gather(5.0 * other * (graph.lengths - 2.1) ** 2), scalars, none, none[:, None])


torch.manual_seed(0)
form = Springs.channels, Springs.elements, leyden.GaussianBasis(width=0.6), {8: -2.0, 12: 2.0}
charges = leyden.charges.SplitChargeEquilibration(*form)
calculator = LeydenCalculator(leyden.Potential(Springs(), charges, leyden.Coulomb(), leyden.Baseline({})))

crystal = bulk("MgO", "rocksalt", a=4.2)
unit = PhonopyAtoms(crystal.symbols, cell=crystal.cell.array, scaled_positions=crystal.get_scaled_positions())
phonons = Phonopy(unit, 2 * np.eye(3, dtype=int), primitive_matrix=np.eye(3))
phonons.generate_displacements(distance=0.01)
cells = phonons.supercells_with_displacements
moved = [Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True, calculator=calculator) for cell in cells]
phonons.forces = [atoms.get_forces() for atoms in moved]
phonons.produce_force_constants()
phonons.nac_params = nac_params(calculator.potential, phonons.primitive)

phonons.run_qpoints([[0.0, 0.0, 0.0]], nac_q_direction=[1.0, 0.0, 0.0])
transverse, _, longitudinal = 33.35641 * phonons.qpoints.frequencies[0, 3:]
system = leyden.System.from_ase(crystal)
electronic, static = (dielectric_tensor(calculator.potential, system, ionic)[0, 0, 0] for ionic in (False, True))
print(f"Born charge of Mg {phonons.nac_params['born'][0, 0, 0]:.2f} e, eps_inf {electronic:.3f}, eps_0 {static:.3f}")
print(f"transverse {transverse:.0f} cm^-1, longitudinal {longitudinal:.0f} cm^-1")
print(f"(LO / TO)^2 {(longitudinal / transverse) ** 2:.3f}, eps_0 / eps_inf {static / electronic:.3f}")
