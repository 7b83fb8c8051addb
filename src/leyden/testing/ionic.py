"""Ionic crystals on springs, whose charges depend on their surroundings: what properties of crystals are tested on."""

import torch
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from torch import nn

from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.calculators import LeydenCalculator
from leyden.charges import Local, Split, SplitChargeEquilibration
from leyden.charges.model import ChargeModel
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.potential import Potential

STIFFNESS, LENGTH = 10.0, 2.1
"""eV/Å^2 and Å, of the spring between an Mg and an O that are closer than the cutoff."""
ROCKSALT = bulk("MgO", "rocksalt", a=2.0 * LENGTH)
ZINCBLENDE = bulk("MgO", "zincblende", a=4.0 * LENGTH / 3.0**0.5)
FORMAL = {8: -2.0, 12: 2.0}


class Springs(Backbone):
    """Atoms see how close others are, element by element; only neighbors of another element are bound."""

    cutoff, elements, channels = 3.6, (8, 12), Channels(2, 0, 0)

    def forward(self, graph: Graph) -> Features:
        """Half the energy of a spring on each of its atoms."""
        numbers, pairs = graph.system.numbers, graph.pairs
        bound = (numbers[pairs.centers] != numbers[pairs.neighbors]) * 0.25 * STIFFNESS
        seen = numbers[pairs.neighbors][:, None] == numbers.new_tensor(self.elements)
        scalars = graph.gather(seen * (1 - (graph.lengths[:, None] / self.cutoff) ** 2) ** 3)
        none = scalars.new_zeros(len(scalars), 3, 0)
        return Features(graph.gather(bound * (graph.lengths - LENGTH) ** 2), scalars, none, none[:, None])


def latent(charge: float = 1.0, slope: float = 20.0, scale: float = 1.0) -> Potential:
    """Charges of about 1 and -1, that change with the distances by a slope."""
    torch.manual_seed(0)
    model = Local(Springs.channels, Springs.elements, GaussianBasis(0.6), scale=scale, hidden=4).double()
    with torch.no_grad():
        model.charge.bias.copy_(torch.tensor([-charge, charge], dtype=torch.float64))
        last = model.charge.layers[2]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(slope)
    return _bound(model)


def transferred(scale: float = 1.0) -> Potential:
    """Formal charges from which some moves back along the bonds."""
    torch.manual_seed(0)
    form = Springs.channels, Springs.elements, GaussianBasis(0.6), FORMAL
    return _bound(Split(*form, scale=scale, hidden=4).double())


def equilibrated() -> Potential:
    """The same, as far as it lowers the energy: charge moves in a field."""
    torch.manual_seed(0)
    form = Springs.channels, Springs.elements, GaussianBasis(0.6), FORMAL
    return _bound(SplitChargeEquilibration(*form, hidden=4).double())


def distorted(atoms: Atoms) -> Atoms:
    """Strained without symmetry, with two of its atoms out of place."""
    atoms = atoms.copy()
    strain = [[0.08, 0.03, -0.05], [0.04, -0.04, 0.03], [0.0, 0.05, 0.06]]
    atoms.set_cell(atoms.cell @ strain + atoms.cell.array, scale_atoms=True)
    atoms.positions[1] += [0.05, -0.03, 0.04]
    return atoms


def relaxed(potential: Potential, atoms: Atoms) -> Atoms:
    """At rest in its cell."""
    atoms = atoms.copy()
    atoms.calc = LeydenCalculator(potential)
    BFGS(atoms, logfile=None).run(fmax=1e-9)
    return atoms


def _bound(charges: ChargeModel) -> Potential:
    return Potential(Springs(), charges, Coulomb(1e-8), Baseline({}))
