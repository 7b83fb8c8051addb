"""Dipoles on the branch of a label."""

import torch
from ase import Atoms

from leyden.system import System
from leyden.testing.assembly import MOLECULE, SALT
from leyden.testing.backbone import SLAB
from leyden.testing.numeric import close, random
from leyden.train.branch import nearest_branch


def test_branch_of_the_label() -> None:
    """Whatever whole numbers of cell vectors they are apart, crystals and slabs come back; molecules stay."""
    frames: list[Atoms] = [SALT, SLAB, MOLECULE]
    system = System.from_ase(frames, charge=0)
    label, near = 3.0 * random(0, 3, 3), 0.2 * random(1, 3, 3)
    cell = torch.where(system.pbc[:, :, None], system.cell, 0.0)
    moved = label + near + torch.einsum("sb,sba->sa", torch.tensor([[2.0, -1, 3], [1, 4, 2], [1, 1, 1]]).double(), cell)
    assert (moved[:2] - label[:2]).abs().max() > 3.0
    close(nearest_branch(moved, label, system), label + near, 1e-12)


def test_labels_that_are_not_there_and_gradients() -> None:
    system = System.from_ase(SALT, charge=0)
    dipole = (7.0 * random(2, 1, 3)).requires_grad_()
    nothing = torch.full((1, 3), torch.nan, dtype=torch.float64)
    close(nearest_branch(dipole, nothing, system), dipole, 0.0)
    moved = nearest_branch(dipole, torch.zeros_like(dipole), system)
    (slope,) = torch.autograd.grad(moved.sum(), dipole)
    close(slope, torch.ones_like(dipole), 0.0)
    assert (moved - dipole).abs().max() > 1.0
