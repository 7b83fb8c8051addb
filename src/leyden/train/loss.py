"""The training loss: a weighted sum of mean squared errors over the labels that are there.

What is compared with each label, and in which unit, is said in compared.py. A cycle p = g(p) with the spectral radius r
of dg/dp adds max(0, r - limit)^2 (after Bai et al., arXiv 2106.14342).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from leyden.density import GaussianBasis
from leyden.derivatives import Derivatives
from leyden.system import System
from leyden.train.batch import Labels
from leyden.train.compared import COMPARED, Compared, Found
from leyden.train.config import LossSection

STABLE = 0.9
"""Spectral radius up to which a cycle costs nothing."""


def squared_errors(
    predicted: Derivatives,
    labels: Labels,
    system: System,
    basis: GaussianBasis | None,
    others: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Flat squared errors of every label that is there, each in the unit of the loss; missing entries are left out.

    basis: of the density; None for a model without charges. others: what takes a pass of its own, of all structures
    with the label (electric.py, points.py). What was not predicted has no errors.
    """
    found, there = Found(predicted, system, labels, basis, others or {}), labels.present()
    return {each.name: _squared(each, found) for each in COMPARED if each.name in there}


def loss(errors: dict[str, Tensor], weights: LossSection) -> Tensor:
    """Weighted sum of the mean squared errors, in float64; a label absent from this batch adds nothing."""
    terms = [
        weight * errors[name].double().sum() / max(1, len(errors[name]))
        for name, weight in weights.model_dump().items()
        if weight > 0.0 and name in errors
    ]
    return torch.stack(terms).sum()


def instability(radius: Tensor) -> Tensor:
    """Square of what spectral radii (S,) are above the limit, (S,)."""
    return (radius - STABLE).clamp(min=0.0) ** 2


def _squared(each: Compared, found: Found) -> Tensor:
    """((value - label) / unit)^2 where the label is there: selected first, so that no NaN reaches a gradient."""
    pair = each.pair(found)
    if pair is None:
        return found.output.energy[:0]  # in the graph: a batch that adds nothing has a gradient, which is zero
    value, label = pair
    there = ~label.isnan()
    unit = each.across(each.scale(found.system), found.system, value)
    return ((value[there] - label[there]) / unit[there]) ** 2
