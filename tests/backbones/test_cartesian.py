"""Cartesian: the contract of a backbone, and what this one promises beyond it."""

import torch
from ase import Atoms

from leyden.backbones.cartesian import Cartesian
from leyden.system import System
from leyden.testing.backbone import MOLECULE, BackboneContract, evaluate


class TestCartesian(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> Cartesian:
        return Cartesian(elements, cutoff=4.0, channels=8, layers=3, average_neighbors=8.0).to(dtype)


def test_neutral_singlet_ignores_conditioning() -> None:
    """Charge and spin weights have no effect for Q = 0, 2S+1 = 1."""
    model, system = Cartesian((1, 6, 8), channels=8).double(), System.from_ase(MOLECULE, charge=0, spin=1)
    before = evaluate(model, system)
    with torch.no_grad():
        model.embedding.conditioning.state.mul_(-3.0)
        model.embedding.conditioning.outer.mul_(5.0)
    after = evaluate(model, system)
    assert torch.equal(before.energy, after.energy)
    assert torch.equal(before.scalars, after.scalars)


def test_single_layer_and_no_pairs() -> None:
    """One layer works, and so does a batch without a single pair."""
    model = Cartesian((1, 8), channels=8, layers=1).double()
    out = evaluate(model, System.from_ase([Atoms("O"), Atoms("H")]))
    assert torch.isfinite(out.energy).all()
    assert (out.energy[0] - out.energy[1]).abs() > 1e-6
