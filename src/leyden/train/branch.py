"""Dipoles of periodic structures are defined modulo e times the periodic cell vectors, the quantum of polarization
(King-Smith & Vanderbilt, Phys. Rev. B 47, 1651): a model's is compared on the branch nearest to the label."""

import torch
from torch import Tensor

from leyden.system import System


def nearest_branch(dipole: Tensor, label: Tensor, system: System) -> Tensor:
    """Dipoles (S, 3) e Å moved by whole numbers of e times periodic cell vectors, each to the branch whose numbers are
    nearest to those of the label (S, 3); NaN of a label moves nothing, nor does anything in open structures."""
    cell = torch.where(system.pbc[:, :, None], system.cell, 0.0).detach()
    with torch.no_grad():
        away = torch.einsum("sa,sab->sb", (label - dipole).nan_to_num(), torch.linalg.pinv(cell))
        quantum = torch.einsum("sb,sba->sa", away.round(), cell)
    return dipole + quantum
