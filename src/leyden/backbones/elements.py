"""The elements that a model knows."""

import torch
from torch import Tensor, nn

from leyden.checks import InputError


class Elements(nn.Module):
    """Index of each atom's element among the sorted ones of a model."""

    table: Tensor

    def __init__(self, elements: tuple[int, ...]) -> None:
        super().__init__()
        self.elements = tuple(sorted(elements))
        table = torch.full((max(119, *elements) + 1,), -1)
        table[list(self.elements)] = torch.arange(len(elements))
        self.register_buffer("table", table, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Atomic numbers (N,) -> indices (N,). Raises InputError for an element the model does not know."""
        species = self.table[numbers]
        if (species < 0).any():
            unknown = sorted(set(numbers[species < 0].tolist()))
            raise InputError(
                f"numbers: expected atomic numbers among {list(self.elements)}, got {unknown};"
                " train a model on structures with these elements."
            )
        return species
