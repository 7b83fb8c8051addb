"""Energies per atom with the composition removed: E/N - sum_Z x_Z e_Z, with e_Z fitted to the reference energies.

Total energies of thousands of eV make R2 = 1 for any model over structures of different composition. The same e_Z are
subtracted from reference and prediction, so that the errors stay what they are and R2 and slope say something.
"""

from dataclasses import replace

import numpy as np

from leyden.report.content import Array
from leyden.report.summary import ErrorRow, energy_key, error_row, error_rows, labelled
from leyden.train.metrics import Evaluation, Parity

FRAMES_PER_ELEMENT = 2
NAME = "energy_without_composition"


def without_composition(evaluation: Evaluation) -> Parity | None:
    """The energy parity, less its composition; None without energies, or where all frames have the same composition.

    None too with fewer than two labelled frames an element, where the fit would leave nothing.
    """
    key = energy_key(evaluation)
    if key is None:
        return None
    parity = labelled(evaluation.parities[key])
    fractions = _fractions(evaluation)[parity.frame]
    if len(fractions) < FRAMES_PER_ELEMENT * fractions.shape[1] or np.ptp(fractions, axis=0).max() == 0.0:
        return None
    offset = fractions @ np.linalg.lstsq(fractions, parity.reference, rcond=1e-10)[0]
    return replace(parity, name=NAME, reference=parity.reference - offset, predicted=parity.predicted - offset)


def rows_of(evaluation: Evaluation) -> dict[str, ErrorRow]:
    """Errors of every property, and of the energy with the composition removed where that can be done."""
    bare = without_composition(evaluation)
    return error_rows(evaluation) | ({} if bare is None else {NAME: error_row(NAME, bare)})


def _fractions(evaluation: Evaluation) -> Array:
    """Share of each element in each frame, (F, elements)."""
    frame = np.repeat(np.arange(len(evaluation.atoms)), evaluation.atoms)
    elements = np.unique(evaluation.numbers)
    counts = np.stack(
        [np.bincount(frame[evaluation.numbers == z], minlength=len(evaluation.atoms)) for z in elements], 1
    )
    return counts / evaluation.atoms[:, None]
