"""Preconditioner of one dense matrix for each structure, kept on the charge plane.

For A (S, m, m), padded, and the sums C of its held groups, z = A^-1 (r - C^T lambda) with C z = 0, by a Cholesky
factorisation and the small matrix C A^-1 C^T. With the curvature itself for A, conjugate gradients end after one step.
A + c C^T C gives the same z, and is positive definite for a large c where A is so on the plane (Debreu, Econometrica
20, 295): V of a charged slab, for one, is negative.
"""

import torch
from torch import Tensor

from leyden.segment import Padding
from leyden.solve.constraint import Plane

STRENGTH = 2.0
"""c in units of the largest entry."""


class Whole:
    """A of structures index (N,) with blocks (N, dim, dim) added to its diagonal; positive definite on the plane.

    A structure whose matrix is not, because it is approximate, keeps its diagonal only.
    """

    def __init__(self, matrix: Tensor, blocks: Tensor, index: Tensor, plane: Plane) -> None:
        self.padding, dim = Padding.of(index, len(matrix)), blocks.shape[1]
        place = self.padding.slot[:, None] * dim + torch.arange(dim, device=index.device)
        whole = matrix.index_put((index[:, None, None], place[:, :, None], place[:, None, :]), blocks, accumulate=True)
        diagonal = whole.diagonal(dim1=1, dim2=2)
        diagonal += 1.0 - self.padding.pack(torch.ones_like(blocks[:, 0]))
        scale = diagonal.abs().sqrt()
        self.sums = self._sums(plane, dim, blocks)
        whole.baddbmm_(STRENGTH * whole.abs().amax((1, 2), keepdim=True) * self.sums.mT, self.sums)
        self.factor, failed = torch.linalg.cholesky_ex(whole)
        if bool(failed.any()):
            self.factor = torch.where((failed > 0)[:, None, None], torch.diag_embed(scale), self.factor)
        self.toward = torch.cholesky_solve(self.sums.mT, self.factor)
        schur = self.sums @ self.toward
        empty = (self.sums.abs().sum(2) == 0).to(schur)
        self.schur = torch.linalg.inv(schur + torch.diag_embed(empty))

    def __call__(self, r: Tensor) -> Tensor:
        """z of r (N, dim)."""
        z = torch.cholesky_solve(self.padding.pack(r)[:, :, None], self.factor)
        z = z - self.toward @ (self.schur @ (self.sums @ z))
        return self.padding.unpack(z[:, :, 0])

    def _sums(self, plane: Plane, dim: int, like: Tensor) -> Tensor:
        """C of the held groups of each structure, (S, groups, m)."""
        structure = torch.empty_like(plane.total, dtype=torch.long).index_copy_(0, plane.group, self.padding.index)
        order = torch.argsort(structure, stable=True)
        rank = torch.empty_like(order).index_copy_(0, order, Padding.of(structure[order], self.padding.count).slot)
        out = like.new_zeros(self.padding.count, int(rank.max()) + 1, self.padding.slots, dim)
        held = plane.held[plane.group].to(like)[:, None].expand(-1, len(plane.columns))
        out[
            self.padding.index[:, None], rank[plane.group][:, None], self.padding.slot[:, None],
            torch.tensor(plane.columns, device=order.device),
        ] = held  # fmt: skip
        return out.flatten(2)
