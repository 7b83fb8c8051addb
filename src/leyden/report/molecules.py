"""Charge that has moved between the molecules of a structure: mean, largest, and the structures with most of it."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from leyden.train.metrics import Evaluation, Molecules

WORST = 5
"""Structures that are named."""
DECIMALS = 6
"""Of two molecules that agree to these, as they must in a structure of two, the first counts as the worst."""


@dataclass(frozen=True)
class MoleculeRow:
    """A molecule of a frame: formula, charge and expected charge in e, and by how much they differ."""

    frame: int
    config_type: str
    formula: str
    charge: float
    expected: float
    transferred: float


@dataclass(frozen=True)
class TransferRow:
    """Over all molecules of the frames that have several: mean and largest |charge - expected| in e.

    worst: of the frames with the largest, the molecule with the largest.
    """

    frames: int
    molecules: int
    mean: float
    largest: float
    worst: list[MoleculeRow]


def transfer_row(evaluation: Evaluation) -> TransferRow | None:
    """Charge that has moved between molecules; None where there are no charges, or no two molecules."""
    found = evaluation.molecules
    if found is None:
        return None
    transferred = found.transferred
    order = np.argsort(-np.round(transferred, DECIMALS), kind="stable")
    _, first = np.unique(found.frame[order], return_index=True)
    worst = order[np.sort(first)][:WORST]
    return TransferRow(
        frames=len(first),
        molecules=len(transferred),
        mean=float(transferred.mean()),
        largest=float(transferred.max()),
        worst=[_molecule(evaluation, found, int(number)) for number in worst],
    )


def _molecule(evaluation: Evaluation, found: Molecules, number: int) -> MoleculeRow:
    frame = int(found.frame[number])
    return MoleculeRow(
        frame=frame,
        config_type=evaluation.config_type[frame],
        formula=Atoms(evaluation.numbers[found.of == number]).get_chemical_formula(),
        charge=float(found.charge[number]),
        expected=float(found.expected[number]),
        transferred=float(found.transferred[number]),
    )
