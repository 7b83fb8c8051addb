"""What is compared with which label: one entry for each label, the same for the loss, evaluations and the log.

In the loss energy and virial are per atom (eV/atom); dipoles (e Å), quadrupoles (e Å^2) and polarizabilities (Å^3) are
over the square root of the number of atoms: sums over atoms, whose errors grow with it where those of atoms are
independent. Moments are about the origin of the coordinates; dipoles of periodic structures are those of the branch
nearest to the label (branch.py). Potentials of periodic structures are relative to the mean
over the points of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis
from leyden.density.moments import quadrupole
from leyden.derivatives import Derivatives
from leyden.potential import Output
from leyden.system import System
from leyden.train.batch import Labels
from leyden.train.branch import nearest_branch
from leyden.train.electric import defined
from leyden.train.labels import PROPERTIES
from leyden.train.points import relative


@dataclass(frozen=True)
class Found:
    """What a potential says of a batch, beside its labels.

    basis: of the density, None for a model without charges; others: what electric.py and points.py give, by label.
    """

    derivatives: Derivatives
    system: System
    labels: Labels
    basis: GaussianBasis | None
    others: Mapping[str, Tensor]

    @property
    def output(self) -> Output:
        """Of the potential."""
        return self.derivatives.output


Predict = Callable[[Found], Tensor | None]
Divide = Callable[[System], Tensor]
Which = Callable[[ChargeModel | None, System], Tensor]


def one(system: System) -> Tensor:
    """Errors as they are, (S,)."""
    return torch.ones_like(system.charge)


def atoms(system: System) -> Tensor:
    """Errors of an atom, (S,)."""
    return system.size.to(system.positions.dtype)


def root(system: System) -> Tensor:
    """Errors over the square root of the number of atoms, (S,)."""
    return atoms(system).sqrt()


def virial(system: System) -> Tensor:
    """Stress times volume, of an atom, (S,)."""
    return atoms(system) / system.volume


def everywhere(charges: ChargeModel | None, system: System) -> Tensor:
    """All structures, (S,)."""
    return torch.ones_like(system.charge, dtype=torch.bool)


def bulk(charges: ChargeModel | None, system: System) -> Tensor:
    """Structures that are periodic along three axes, (S,)."""
    return system.pbc.all(1)


def molecules(charges: ChargeModel | None, system: System) -> Tensor:
    """Open structures, (S,): moments of others depend on the cell chosen."""
    return ~system.pbc.any(1)


def as_given(values: Tensor, system: System) -> Tensor:
    """Values with a zero that everybody shares."""
    return values


@dataclass(frozen=True)
class Compared:
    """A label, and what is compared with it.

    unit: of evaluations; column: of the log; predicted: None where the model has no such thing; scale, shown: what
    errors are divided by in the loss and in evaluations; zero: taken from label and prediction; meant: structures that
    have the property; charged: whether only models with charges do; signed: whether it changes its sign with them.
    """

    name: str
    unit: str
    column: str
    predicted: Predict
    scale: Divide = one
    shown: Divide = one
    zero: Callable[[Tensor, System], Tensor] = as_given
    meant: Which = everywhere
    charged: bool = True
    signed: bool = True

    def pair(self, found: Found) -> tuple[Tensor, Tensor] | None:
        """Prediction and label, in rows of atoms or structures, NaN where the label is missing; None without one of
        the two."""
        label = found.labels.present().get(self.name)
        value = None if label is None else self.predicted(found)
        if label is None or value is None:
            return None
        return self.zero(value, found.system), self.zero(label, found.system)

    def owner(self, system: System) -> Tensor:
        """Structure of each row."""
        if PROPERTIES[self.name].per_atom:
            return system.index
        return torch.arange(system.count, device=system.index.device)

    def across(self, values: Tensor, system: System, like: Tensor) -> Tensor:
        """The values (S,) of structures for every entry of rows (..., ) like these."""
        return values[self.owner(system)].view(-1, *[1] * (like.dim() - 1)).expand_as(like)


def _dipole(found: Found) -> Tensor | None:
    """On the branch of the label."""
    dipole, label = found.output.dipole, found.labels.dipole
    return dipole if dipole is None or label is None else nearest_branch(dipole, label, found.system)


def _second_moment(found: Found) -> Tensor | None:
    density, basis = found.output.density, found.basis
    return None if density is None or basis is None else quadrupole(density, found.system, basis)


def _coefficients(found: Found) -> Tensor | None:
    """The density, where the labels are those of its basis."""
    density, labels = found.output.density, found.labels.density_coefficients
    return density if density is not None and labels is not None and density.shape == labels.shape else None


BORN, ALPHA, POTENTIAL = "born_effective_charges", "polarizability", "electrostatic_potential"
COMPARED = (
    Compared("energy", "eV/atom", "energy_rmse", lambda f: f.output.energy, atoms, atoms, charged=False, signed=False),
    Compared("forces", "eV/Å", "force_rmse", lambda f: f.derivatives.forces, charged=False, signed=False),
    Compared(
        "stress", "eV/Å^3", "virial_rmse", lambda f: f.derivatives.stress, virial, meant=bulk, charged=False,
        signed=False,
    ),
    Compared("dipole", "e Å", "dipole_rmse", _dipole, root, meant=partial(defined, "dipole")),
    Compared("quadrupole", "e Å^2", "quadrupole_rmse", _second_moment, root, meant=molecules),
    Compared("density_coefficients", "e, e Å", "density_rmse", _coefficients),
    Compared(
        "chemical_potential", "eV/e", "chemical_potential_rmse", lambda f: f.derivatives.chemical_potential
    ),
    Compared(BORN, "e", "born_rmse", lambda f: f.others.get(BORN), meant=partial(defined, BORN)),
    Compared(
        ALPHA, "Å^3", "polarizability_rmse", lambda f: f.others.get(ALPHA), root, meant=partial(defined, ALPHA),
        signed=False,
    ),
    Compared(POTENTIAL, "V", "potential_rmse", lambda f: f.others.get(POTENTIAL), zero=relative),
    Compared("charges", "e", "charge_rmse", lambda f: f.output.charges),
)  # fmt: skip
"""Every label, in the order of tables and logs."""
