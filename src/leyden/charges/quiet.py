"""Charges that start from almost nothing, so that a trained backbone to which they are added stays right.

At p = 0 the Coulomb energy is zero, but so is its derivative by any weight: it would stay there. Sources are therefore
made small, not zero: charges of 1e-5 e have energies of 1e-9 eV, and grow where that lowers the loss. Energies that are
linear in sources, as those read from densities, are of the order of 1e-6 eV.
"""

import torch

from leyden.charges.model import ChargeModel, Quiet
from leyden.checks import InputError

SIZE = 1e-5
"""Of sources, relative to those with which training starts from scratch."""


def quieten(model: ChargeModel) -> None:
    """Multiply the sources of a model with fresh weights by SIZE.

    Neutral structures without field then have almost no charges, and U + 1/2 <p|V|p> almost vanishes; the total charge
    of others stays, as does its energy. Raises InputError for a model that has charges without sources.
    """
    if not isinstance(model, Quiet):
        raise InputError(
            f"start: expected a charge model that can start without charges, got {type(model).__name__}; take another,"
            " or start: usual."
        )
    with torch.no_grad():
        for weight in model.sources():
            weight.mul_(SIZE)
