"""Born charges Z*_j = dP/dr_j of charges that depend on positions, P = sum_i q_i r_i where a structure is open.

Where it is periodic, sum_i q_i r_i depends on which images are given. With the reciprocal vectors b_a of its cell of
vectors a_a, the phase form (King et al., arXiv 2504.05169)

    P = sum_a a_a / (2 pi i) sum_i q_i exp(i b_a.r_i),    Z*_j = Re sum_a exp(-i b_a.r_j) dP_a/dr_j
      = q_j + sum_a a_a / (2 pi) sum_i sin(b_a.(r_i - r_j)) dq_i/dr_j

does not. Its error is of second order in the distance over which charges depend on positions, divided by the length of
the cell. A `Potential` has none (properties/periodic.py); charges of another code do not tell what is needed for that.
"""

import math

import torch
from torch import Tensor

from leyden.checks import require
from leyden.system import System


def born_charges(system: System, charges: Tensor) -> Tensor:
    """Z* (N, 3, 3) in units of charges (N,), [j, a, b] = dP_a/dr_jb; differentiable where gradients are enabled.

    Raises InputError for charges with derivatives but positions without, from which they cannot have been made.
    """
    own = charges[:, None, None] * torch.eye(3).to(charges)
    if not charges.requires_grad:
        return own
    require(
        system.positions.requires_grad,
        "compute_bec: expected positions that require gradients, as charges depend on them, got positions without; call"
        " positions.requires_grad_() before desc or latent_charges are made of them.",
    )
    periodic = system.pbc.all(1)
    box = torch.where(periodic[:, None, None], system.cell.detach(), torch.eye(3).to(system.cell))[system.index]
    place, bulk = system.positions.detach(), periodic[system.index][:, None]
    angle = 2.0 * math.pi * torch.linalg.solve(box.mT, place)
    sine, cosine = angle.sin(), angle.cos()
    along = _slopes(system, charges, torch.where(bulk, sine / (2.0 * math.pi), place))
    across = _slopes(system, charges, torch.where(bulk, cosine / (2.0 * math.pi), 0.0))
    near = torch.where(bulk, cosine, 1.0)[:, :, None] * along - torch.where(bulk, sine, 0.0)[:, :, None] * across
    return own + torch.einsum("nac,nab->ncb", box, near)


def _slopes(system: System, charges: Tensor, weights: Tensor) -> Tensor:
    """sum_i w_ia dq_i/dr_jb, (N, 3, 3), for weights (N, 3); structures do not see each other."""
    rows = [
        torch.autograd.grad(
            charges, system.positions, weights[:, axis], retain_graph=True, create_graph=torch.is_grad_enabled(),
            materialize_grads=True,
        )[0]
        for axis in range(3)
    ]  # fmt: skip
    return torch.stack(rows, 1)
