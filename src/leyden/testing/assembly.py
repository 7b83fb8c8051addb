"""Whole potentials with a small random backbone, and the structures that the suites above the backbone share."""

from collections.abc import Callable

import torch
from ase import Atoms

from leyden.backbones.cartesian import Cartesian
from leyden.baseline import Baseline
from leyden.charges.model import ChargeModel
from leyden.coulomb import Coulomb
from leyden.features import Channels
from leyden.potential import Potential
from leyden.system import System
from leyden.testing.backbone import CRYSTAL, ELEMENTS, MOLECULE

HYDROXIDE = Atoms("OH", [[0.1, 0.0, 0.2], [0.5, 0.7, -0.3]])
SALT = Atoms(
    "OHC",
    [[0.0, 0.0, 0.0], [1.7, 1.8, 0.1], [0.1, 1.6, 1.7]],
    cell=[[3.8, 0.0, 0.0], [0.6, 3.5, 0.0], [0.0, 0.2, 3.3]],
    pbc=True,
)
FRAMES = [MOLECULE, CRYSTAL, HYDROXIDE, SALT]
CHARGES = [0, 1, -1, 0]
"""Total charges of the four structures; the first and third are open, the others periodic along three axes."""

HYDROGENS = [3, 4, 5, 6]
"""Atoms of one element in different surroundings, in the first structure."""


def batch(dtype: torch.dtype = torch.float64) -> System:
    """Open and periodic structures, neutral and charged."""
    return System.from_ase(FRAMES, charge=CHARGES, spin=[1, 2, 1, 1], dtype=dtype)


def molecules() -> System:
    """The open structures of the batch."""
    return batch().select(torch.tensor([0, 2]))[0]


def assembled(make: Callable[[Channels, tuple[int, ...]], ChargeModel | None], noise: float = 0.2) -> Potential:
    """A small random float64 potential around a charge model: the same weights whenever it is called.

    noise: standard deviation of what is added to the weights with which the model starts.
    """
    torch.manual_seed(0)
    backbone = Cartesian(ELEMENTS, cutoff=3.0, channels=4, layers=2, average_neighbors=6.0, basis=4)
    charges = make(backbone.channels, ELEMENTS)
    baseline = Baseline({1: -13.6, 6: -1030.0, 8: -2040.0}, charging=7.5)
    potential = Potential(backbone, charges, Coulomb(), baseline).double()
    with torch.no_grad():
        for weight in [] if charges is None else charges.parameters():
            weight.add_(noise * torch.randn_like(weight))
    return potential
