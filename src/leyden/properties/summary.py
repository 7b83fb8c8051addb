"""The electrical properties of structures in one place, and why a model or a structure lacks one of them.

Each is a derivative of the energy or a moment of the density; docs/response.md has the formulas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from ase.data import chemical_symbols
from torch import Tensor

from leyden.charges.model import Bonded, ChargeModel, Polarized
from leyden.checks import InputError, nearest, require
from leyden.density.moments import quadrupole
from leyden.derivatives import forces
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.properties.charge import hardness
from leyden.properties.dielectric import dielectric_tensor
from leyden.properties.electric import born_charges, polarizability
from leyden.properties.piezoelectric import piezoelectric_tensor
from leyden.system import System

PROPERTIES = (
    "charges", "dipole", "quadrupole", "polarizability", "born_effective_charges", "chemical_potential", "hardness",
)  # fmt: skip
OF_CRYSTALS: dict[str, Callable[[Potential, System], Tensor]] = {
    "electronic_dielectric_tensor": dielectric_tensor,
    "static_dielectric_tensor": partial(dielectric_tensor, ionic=True),
    "piezoelectric_tensor": piezoelectric_tensor,
    "relaxed_piezoelectric_tensor": partial(piezoelectric_tensor, ionic=True),
}
"""What is computed only where it is asked for: half of it needs the Hessian."""
OF_ATOMS = ("charges", "born_effective_charges")
OF_ENERGY = ("chemical_potential", "hardness")
"""What a model has that knows no charges of atoms."""


@dataclass(frozen=True)
class ElectricalProperties:
    """Of one structure; None where it was not asked for, or where `absent` says why there is none.

    charges (N,) e; dipole (3,) e Å and quadrupole (3, 3) e Å^2, traceless, of the density about the origin, in periodic
    structures the polarization of the cell, on the branch of the given images;
    polarizability (3, 3) Å^3; born_effective_charges (N, 3, 3) e, row = polarization; chemical_potential (), eV/e;
    hardness (), eV/e^2. Of crystals with fixed ions: electronic_dielectric_tensor (3, 3) and piezoelectric_tensor (3,
    3, 3) e/Å^2; with ions that follow a field or a strain: static_dielectric_tensor and relaxed_piezoelectric_tensor.
    """

    system: System
    charges: Tensor | None = None
    dipole: Tensor | None = None
    quadrupole: Tensor | None = None
    polarizability: Tensor | None = None
    born_effective_charges: Tensor | None = None
    chemical_potential: Tensor | None = None
    hardness: Tensor | None = None
    electronic_dielectric_tensor: Tensor | None = None
    static_dielectric_tensor: Tensor | None = None
    piezoelectric_tensor: Tensor | None = None
    relaxed_piezoelectric_tensor: Tensor | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def centre(self) -> Tensor:
        """Centre of nuclear charge sum_i Z_i r_i / sum_i Z_i, (3,) Å."""
        weight = self.system.numbers.to(self.system.positions)
        return weight @ self.system.positions / weight.sum()

    @property
    def centred_dipole(self) -> Tensor | None:
        """mu - Q centre, (3,) e Å, with the sum Q of the charges: no other origin changes it."""
        if self.dipole is None or self.charges is None:
            return None
        return self.dipole - self.charges.sum() * self.centre

    @property
    def polarizabilities(self) -> Tensor | None:
        """Eigenvalues of the polarizability (3,), ascending, Å^3; their mean is the isotropic one."""
        alpha = self.polarizability
        return None if alpha is None else torch.linalg.eigvalsh(0.5 * (alpha + alpha.mT))

    @property
    def acoustic_sum(self) -> Tensor | None:
        """Largest entry of |sum_i Z*_i - Q 1| with the total charge Q that was given, e."""
        born = self.born_effective_charges
        if born is None:
            return None
        return (born.sum(0) - self.system.charge * torch.eye(3).to(born)).abs().max()

    @property
    def mean_born_charges(self) -> dict[str, float]:
        """Mean of a third of the trace over the atoms of each element, e; empty without Born charges."""
        if self.born_effective_charges is None:
            return {}
        thirds, numbers = self.born_effective_charges.diagonal(dim1=1, dim2=2).mean(1), self.system.numbers
        return {chemical_symbols[z]: thirds[numbers == z].mean().item() for z in numbers.unique().tolist()}


def electrical_properties(
    potential: Potential, system: System, wanted: Sequence[str] = PROPERTIES
) -> list[ElectricalProperties]:
    """One for each structure of a batch, whatever their boundaries.

    Raises InputError for an unknown name, and for structures that the model cannot evaluate.
    """
    offered = (*PROPERTIES, *OF_CRYSTALS)
    for name in wanted:
        known = f"property: expected one of {', '.join(offered)}, got {name!r}{nearest(name, offered)}."
        require(name in offered, known)
    found: dict[int, ElectricalProperties] = {}
    for kind in (system.pbc.any(1), ~system.pbc.any(1)):
        structures = kind.nonzero().squeeze(1)
        if len(structures) > 0:
            part, _ = system.select(structures)
            found |= zip(structures.tolist(), _alike(potential, part, wanted), strict=True)
    return [found[number] for number in range(system.count)]


def _alike(potential: Potential, system: System, wanted: Sequence[str]) -> list[ElectricalProperties]:
    """Of structures that are all open, or all periodic along an axis or more."""
    absent = {name: why for name in wanted if (why := _none(name, potential.charges, bool(system.pbc.any())))}
    values = _values(potential, system, [name for name in wanted if name in PROPERTIES and name not in absent])
    asked = [name for name in wanted if name in OF_CRYSTALS]
    sizes = system.size.tolist()
    single = {
        name: value.detach().split(sizes) if name in OF_ATOMS else value.detach().unbind()
        for name, value in values.items()
    }
    return [
        _with_reason(potential, part, {name: parts[number] for name, parts in single.items()}, absent, asked)
        for number, part in enumerate(system.split())
    ]


def _values(potential: Potential, system: System, wanted: Sequence[str]) -> dict[str, Tensor]:
    """Properties (S, ...) or (N, ...) that all of the structures have."""
    pairs = neighbor_list(system, potential.backbone.cutoff)
    first = forces(potential, system, pairs, stress=False, chemical_potential=True)
    offered: dict[str, Callable[[], Tensor | None]] = {
        "polarizability": lambda: polarizability(potential, system, pairs=pairs),
        "born_effective_charges": lambda: born_charges(potential, system, pairs=pairs),
        "chemical_potential": lambda: first.chemical_potential,
        "hardness": lambda: hardness(potential, system, pairs),
    }
    if potential.charges is not None and first.output.density is not None:
        density, basis = first.output.density, potential.charges.basis
        offered |= {
            "charges": lambda: basis.atomic(density)[:, 0],
            "dipole": lambda: first.output.dipole,
            "quadrupole": lambda: quadrupole(density, system, basis),
        }
    return {name: value for name in wanted if (value := offered[name]()) is not None}


def _none(name: str, charges: ChargeModel | None, periodic: bool) -> str | None:
    """Why there is none, if there is none."""
    if name in OF_ENERGY or name in OF_CRYSTALS:
        return None
    if charges is None:
        return "a short-range model has no charges; train one with the preset 'les'"
    if periodic and (name == "quadrupole" or (name == "dipole" and not isinstance(charges, Bonded))):
        return "that of a periodic structure depends on the cell that is chosen"
    if periodic and name == "polarizability" and not isinstance(charges, Bonded):
        return "along periodic axes a uniform field is no potential"
    if periodic and name == "born_effective_charges" and not isinstance(charges, Polarized):
        return (
            f"the charge of {type(charges).__name__} can flow round the cell; take the preset 'les', 'split' or 'sqe'"
        )
    return None


def _with_reason(
    potential: Potential, system: System, values: dict[str, Tensor], absent: Mapping[str, str], asked: Sequence[str]
) -> ElectricalProperties:
    """Of one structure, with what is asked of crystals. A polarizability that is exactly zero is none."""
    reasons, alpha = dict(absent), values.get("polarizability")
    if alpha is not None and not bool(alpha.any()):
        del values["polarizability"]
        reasons["polarizability"] = "none of the charges and dipoles of this model move in a field here"
    for name in asked:
        try:
            values[name] = OF_CRYSTALS[name](potential, system)[0].detach()
        except InputError as error:
            reasons[name] = str(error).split(": ", 1)[1].removesuffix(".")
    return ElectricalProperties(system, **values, absent=reasons)
