"""A structure rotated, translated, permuted, doubled, or placed beside another in one batch."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from leyden.system import System

SEPARATION = 200.0
"""Distance (Å) at which two neutral molecules no longer interact: below 1e-5 eV for dipoles of a few e Å."""
SHIFT = (0.37, -1.21, 2.83)
ANGLES = (0.4, 1.1, -0.7)
MEANING = {
    "rotation": "E unchanged, F rotates along",
    "translation": "E and F unchanged",
    "permutation": "E unchanged, F follows its atom",
    "size extensivity": f"twice the cell, or two molecules {SEPARATION:g} Å apart: twice E, the same F",
    "batch equals single": "E and F do not depend on the other structures of a batch",
}

Symmetry = tuple[str, System, Callable[[Tensor], Tensor]]
"""Name, transformed system, and the map that brings its forces back."""


def symmetries(system: System) -> list[Symmetry]:
    """Rotation, translation and permutation of one structure."""
    turn = rotation().to(system.positions)
    order = torch.randperm(len(system.positions), generator=torch.Generator().manual_seed(0)).to(system.numbers.device)
    shift = system.positions.new_tensor(SHIFT)
    return [
        ("rotation", rotated(system, turn), lambda found: found @ turn),
        ("translation", replace(system, positions=system.positions + shift), lambda found: found),
        ("permutation", permuted(system, order), lambda found: found[torch.argsort(order)]),
    ]


def rotation() -> Tensor:
    """A proper rotation about no special axis, (3, 3)."""
    x, y, z = ANGLES
    generator = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(generator)


def rotated(system: System, turn: Tensor) -> System:
    """Positions, cell vectors and field turned together (row vectors)."""
    return replace(
        system, positions=system.positions @ turn.mT, cell=system.cell @ turn.mT, field=system.field @ turn.mT
    )


def permuted(system: System, order: Tensor) -> System:
    """Atom order[k] of one structure becomes atom k."""
    return replace(system, positions=system.positions[order], numbers=system.numbers[order])


def extensive(system: System) -> bool:
    """Whether doubling is a fair test: a neutral singlet, as a backbone may see the total charge and spin."""
    return system.charge.item() == 0.0 and system.spin.item() == 1.0


def doubled(system: System) -> System:
    """Two images in one cell, or two molecules far apart, as one structure."""
    periodic = system.pbc[0].nonzero().flatten()
    if len(periodic):
        axis = int(periodic[0])
        step, cell = system.cell[0, axis], system.cell.clone()
        cell[0, axis] = 2 * step
    else:
        step, cell = system.positions.new_tensor([SEPARATION, 0.0, 0.0]), system.cell
    return replace(
        system, positions=torch.cat([system.positions, system.positions + step]),
        numbers=system.numbers.repeat(2), index=system.index.repeat(2), cell=cell,
    )  # fmt: skip


def beside_another(system: System) -> System:
    """A batch of the structure and a slightly expanded copy of it."""
    strain = 0.01 * torch.eye(3).to(system.cell)[None]
    return System.join([system, system.strained(strain)])


def first_half(found: Tensor) -> Tensor:
    """Rows of the first of two copies."""
    return found[: len(found) // 2]
