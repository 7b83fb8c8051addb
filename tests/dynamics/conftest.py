"""A water molecule on springs, with charges that depend on the distances: cheap, smooth and bound."""

import pytest
import torch
from ase import Atoms

from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.calculators import LeydenCalculator
from leyden.charges import Local
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.potential import Potential

STIFFNESS, OH, HH = 30.0, 0.96, 1.52


class Springs(Backbone):
    """Every pair of atoms on a spring; scalars say which element an atom is and how close the others are."""

    cutoff, elements, channels = 6.0, (1, 8), Channels(2, 0, 0)

    def forward(self, graph: Graph) -> Features:
        numbers, pairs = graph.system.numbers, graph.pairs
        length = torch.where(numbers[pairs.centers] == numbers[pairs.neighbors], HH, OH)
        energy = graph.gather(STIFFNESS / 4 * (graph.lengths - length) ** 2)
        scalars = torch.stack([graph.gather(torch.exp(-(graph.lengths**2))), numbers / 8], 1)
        vectors = scalars.new_zeros(len(numbers), 3, 0)
        return Features(energy, scalars, vectors, vectors[:, None])


@pytest.fixture
def calculator() -> LeydenCalculator:
    torch.manual_seed(0)
    charges = Local(Springs.channels, Springs.elements, GaussianBasis(0.5), self_interaction=False, hidden=4)
    with torch.no_grad():
        charges.charge.layers[2].weight.uniform_(-3.0, 3.0)
        charges.charge.bias.copy_(torch.tensor([0.06, -0.06]))
    return LeydenCalculator(Potential(Springs(), charges, Coulomb(), Baseline({})))


@pytest.fixture
def water() -> Atoms:
    return Atoms("OH2", [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]], info={"total_charge": 0})
