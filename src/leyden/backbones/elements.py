"""The elements that a model knows."""

import torch
from torch import Tensor, nn

from leyden.checks import InputError


class Elements(nn.Module):
    """Place of each atom's element among those of a model, in the order in which it has them."""

    table: Tensor

    def __init__(self, elements: tuple[int, ...]) -> None:
        super().__init__()
        self.elements = elements
        table = torch.full((max(119, *elements) + 1,), -1)
        table[list(elements)] = torch.arange(len(elements))
        self.register_buffer("table", table, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Atomic numbers (N,) -> places (N,). Raises InputError for an element the model does not know."""
        species = self.table[numbers]
        if (species < 0).any():
            unknown = sorted(set(numbers[species < 0].tolist()))
            raise InputError(
                f"numbers: expected atomic numbers among {sorted(self.elements)}, got {unknown};"
                " train a model on structures with these elements."
            )
        return species
