"""The training loss: a weighted sum of mean squared errors over the labels that are there.

energy and virial are compared per atom (eV/atom), forces by component (eV/Å), dipoles per square root of
the number of atoms.
"""

import torch
from torch import Tensor

from leyden.derivatives import Derivatives
from leyden.system import System
from leyden.train.batch import Labels
from leyden.train.config import LossSection


def squared_errors(predicted: Derivatives, labels: Labels, system: System) -> dict[str, Tensor]:
    """Flat squared errors of every label that is there, each in the unit of the loss; missing entries are left out."""
    size = system.size.to(system.positions.dtype)
    dipole = predicted.output.dipole
    pairs = {
        "energy": (predicted.output.energy, labels.energy, size),
        "forces": (predicted.forces, labels.forces, torch.ones_like(system.positions[:, 0])),
        "stress": (predicted.stress, labels.stress, size / system.volume),
        "dipole": (dipole, labels.dipole, size.sqrt()),
    }
    return {
        name: _squared(value, label, unit)
        for name, (value, label, unit) in pairs.items()
        if value is not None and label is not None
    }


def loss(errors: dict[str, Tensor], weights: LossSection) -> Tensor:
    """Weighted sum of the mean squared errors, in float64; a label absent from this batch adds nothing."""
    terms = [
        weight * errors[name].double().sum() / max(1, len(errors[name]))
        for name, weight in weights.model_dump().items()
        if weight > 0.0 and name in errors
    ]
    return torch.stack(terms).sum()


def _squared(value: Tensor, label: Tensor, unit: Tensor) -> Tensor:
    """((value - label) / unit)^2 where the label is there: selected first, so that no NaN reaches a gradient."""
    there = ~label.isnan()
    scale = unit.view(-1, *[1] * (value.dim() - 1)).expand_as(value)
    return ((value[there] - label[there]) / scale[there]) ** 2
