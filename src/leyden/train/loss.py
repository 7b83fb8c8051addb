"""The training loss: a weighted sum of mean squared errors over the labels that are there.

energy and virial are compared per atom (eV/atom), forces by component (eV/Å), dipoles (e Å) and quadrupoles (e Å^2, of
open structures, about the origin of the coordinates) per square root of the number of atoms, density coefficients (e,
e Å) by component, chemical potentials dE/dQ in eV/e, Born charges (e) by component, and polarizabilities (Å^3) per
square root of the number of atoms: sums over atoms, like the moments, whose errors grow with it where those of atoms
are independent. A cycle p = g(p) with the spectral radius r of dg/dp adds max(0, r - limit)^2 (after Bai et al., arXiv
2106.14342).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from leyden.density import GaussianBasis
from leyden.density.moments import quadrupole
from leyden.derivatives import Derivatives
from leyden.system import System
from leyden.train.batch import Labels
from leyden.train.config import LossSection

STABLE = 0.9
"""Spectral radius up to which a cycle costs nothing."""


def squared_errors(
    predicted: Derivatives,
    labels: Labels,
    system: System,
    basis: GaussianBasis | None,
    response: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Flat squared errors of every label that is there, each in the unit of the loss; missing entries are left out.

    basis: of the density; None for a model without charges. response: Born charges and polarizabilities, of all
    structures with the label (electric.py). What was not predicted has no errors.
    """
    response = response or {}
    size = system.size.to(system.positions.dtype)
    output, structure, atom = predicted.output, torch.ones_like(size), torch.ones_like(system.positions[:, 0])
    second = None
    if labels.quadrupole is not None and output.density is not None and basis is not None:
        second = quadrupole(output.density, system, basis)
    pairs = {
        "energy": (output.energy, labels.energy, size),
        "forces": (predicted.forces, labels.forces, atom),
        "stress": (predicted.stress, labels.stress, size / system.volume),
        "dipole": (output.dipole, labels.dipole, size.sqrt()),
        "quadrupole": (second, labels.quadrupole, size.sqrt()),
        "density_coefficients": (output.density, labels.density_coefficients, atom),
        "chemical_potential": (predicted.chemical_potential, labels.chemical_potential, structure),
        "born_effective_charges": (response.get("born_effective_charges"), labels.born_effective_charges, atom),
        "polarizability": (response.get("polarizability"), labels.polarizability, size.sqrt()),
    }
    nothing = output.energy[:0]  # in the graph: a batch that adds nothing has a gradient, which is zero
    return {
        name: nothing if value is None else _squared(value, label, unit)
        for name, (value, label, unit) in pairs.items()
        if label is not None
    }


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


def _squared(value: Tensor, label: Tensor, unit: Tensor) -> Tensor:
    """((value - label) / unit)^2 where the label is there: selected first, so that no NaN reaches a gradient."""
    there = ~label.isnan()
    scale = unit.view(-1, *[1] * (value.dim() - 1)).expand_as(value)
    return ((value[there] - label[there]) / scale[there]) ** 2
