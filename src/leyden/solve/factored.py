"""A^-1 for small structures: A = 1 - dg/dp as one dense matrix for each, factorised once.

The same factors serve the density, its derivatives and, transposed, those by weights.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.segment import Padding
from leyden.solve.linear import Rows
from leyden.solve.newton import Newton, Step
from leyden.solve.stationary import RELATIVE, Settings, require_derivatives

POWERS, SKIPPED = 40, 30
"""Products with dg/dp from which its spectral radius is estimated, and the first ones that are left out."""


@dataclass(frozen=True)
class Factored(Newton):
    """slope: dg/dp (S, m, m), zero on padding; factors and pivots of 1 - slope; of structures rows."""

    slope: Tensor
    factors: Tensor
    pivots: Tensor
    rows: Rows
    settings: Settings
    flipped: bool = False

    @staticmethod
    def of(slope: Tensor, rows: Rows, settings: Settings) -> "Factored":
        """For matrices dg/dp (S, m, m), without gradients."""
        factors, pivots, _ = torch.linalg.lu_factor_ex(torch.eye(slope.shape[1]).to(slope) - slope)
        return Factored(slope, factors, pivots, rows, settings)

    def step(self, b: Tensor, tolerance: Tensor, limit: int) -> Step:
        """A^-1 b: one iteration, whatever is asked for."""
        x, residual = self._solved(b)
        return Step(x, torch.ones_like(residual, dtype=torch.long), residual, self._radius(b), self._turned)

    def __call__(self, b: Tensor) -> Tensor:
        """A^-1 b. Raises Unconverged where A is singular."""
        with torch.no_grad():
            x, residual = self._solved(b)
            size = torch.maximum(self.rows.largest(b), self.rows.largest(x))
        require_derivatives(residual, RELATIVE[b.dtype] * size, size, self.settings)
        return x

    @property
    def transposed(self) -> "Factored":
        """With the same factors."""
        return replace(self, flipped=not self.flipped)

    def _solved(self, b: Tensor) -> tuple[Tensor, Tensor]:
        """A^-1 b, and the largest entry (S,) of what is left of b."""
        packed = self._padding.pack(b)[:, :, None]
        x = torch.linalg.lu_solve(self.factors, self.pivots, packed, adjoint=self.flipped)
        left = packed - x + (self.slope.mT if self.flipped else self.slope) @ x
        return self._padding.unpack(x[:, :, 0]), left.abs().amax((1, 2))

    @property
    def _turned(self) -> Tensor:
        """Whether the number of real eigenvalues of dg/dp above 1 is odd: the sign of det A, (S,) bool."""
        slot = torch.arange(1, self.pivots.shape[1] + 1, device=self.pivots.device)
        exchanges = (self.pivots != slot).sum(1)
        negative = (self.factors.diagonal(dim1=1, dim2=2) < 0).sum(1)
        return (exchanges + negative) % 2 == 1

    def _radius(self, b: Tensor) -> Tensor:
        """Growth of powers of dg/dp applied to b, (S,): its spectral radius where one eigenvalue leads."""
        vector, sizes = self._padding.pack(b)[:, :, None], []
        for _ in range(POWERS):
            size = torch.linalg.vector_norm(vector, dim=(1, 2), keepdim=True)
            vector = self.slope @ (vector / torch.where(size > 0, size, 1.0))
            sizes.append(torch.linalg.vector_norm(vector, dim=(1, 2)))
        return torch.stack(sizes[SKIPPED:]).log().mean(0).exp()

    @property
    def _padding(self) -> Padding:
        return Padding.of(self.rows.index, self.rows.count)
