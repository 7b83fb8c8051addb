"""Which charges are held, beside the total one: fragments with a charge of their own, electrodes at a potential.

The charges of a fragment sum to its charge; atoms of an electrode exchange charge with a reservoir at the potential
Psi, so that E - sum_i Psi_i q_i is what is stationary. The total charge of a structure is that of its atoms outside
electrodes; those that belong to no fragment share what the fragments leave of it. A periodic structure is neutral
together with its electrodes: only differences of their potentials count (Scalfi et al., J. Chem. Phys. 153, 174704).
"""

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from leyden.checks import InputError, require, shaped

FRAGMENT, CHARGE, POTENTIAL = KEYS = ("fragment", "fragment_charge", "electrode_potential")
"""Arrays of ase.Atoms: the number of a fragment; its charge in e, on all its atoms; V on atoms of an electrode, else
NaN."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Ensemble:
    """fragment (N,) number within its structure; charge (N,) e of the fragment, NaN: a part of the rest; potential (N,)
    V of the electrode, NaN: no electrode."""

    fragment: Tensor
    charge: Tensor
    potential: Tensor

    @property
    def electrode(self) -> Tensor:
        """Atoms of electrodes, (N,) bool."""
        return ~self.potential.isnan()

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Ensemble":
        """Move to a device and convert floating tensors to a dtype."""
        return Ensemble(
            self.fragment.to(device), self.charge.to(device=device, dtype=dtype), self.potential.to(device, dtype)
        )

    def select(self, atoms: Tensor | slice) -> "Ensemble":
        """Of some atoms."""
        return Ensemble(self.fragment[atoms], self.charge[atoms], self.potential[atoms])

    @staticmethod
    def none(like: Tensor) -> "Ensemble":
        """Neither fragments nor electrodes, for atoms like (N,)."""
        nothing = torch.full_like(like, torch.nan)
        return Ensemble(torch.zeros_like(like, dtype=torch.long), nothing, nothing)

    @staticmethod
    def join(parts: list["Ensemble"]) -> "Ensemble":
        """Concatenate."""
        return Ensemble(*(torch.cat([getattr(part, name) for part in parts]) for name in Ensemble.__annotations__))

    def groups(self, index: Tensor, total: Tensor, periodic: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Group of each atom (N,), charge (G,) of each group, and whether it is held (G,).

        Atoms of structures index (N,), which have the total charges (S,) and are periodic (S,) or not. A fragment is a
        group, the atoms that have no charge of their own are one in each structure, and so are those of its electrodes.
        """
        own, electrode = ~self.charge.isnan() & ~self.electrode, self.electrode
        kind = torch.where(electrode, -1, torch.where(own, self.fragment + 1, 0))
        keys, group = torch.unique(torch.stack([index, kind]), dim=1, return_inverse=True)
        structure, kind = keys
        atom = torch.arange(len(group), device=group.device)
        first = torch.full_like(structure, len(group)).scatter_reduce(0, group, atom, "amin")
        charge = torch.where(kind > 0, self.charge[first], 0.0)
        rest = total - torch.zeros_like(total).index_add(0, structure, charge)
        others = torch.where(kind == 0, rest[structure], -total[structure])
        return group, torch.where(kind > 0, charge, others), (kind >= 0) | periodic[structure]


def read(atoms: Atoms, charge: float, dtype: torch.dtype) -> Ensemble | None:
    """From the arrays of a structure with a total charge (e); None where it has none of them.

    Raises InputError for a fragment with two charges, charges that do not add up, and potentials that are not finite.
    """
    arrays = {key: np.asarray(atoms.arrays[key]) for key in KEYS if key in atoms.arrays}
    if not arrays:
        return None
    for key, values in arrays.items():
        require(values.shape == (len(atoms),), f"{key}: expected one number an atom, got shape {values.shape}.")
    nothing = np.full(len(atoms), np.nan)
    out = Ensemble(
        torch.as_tensor(arrays.get(FRAGMENT, np.zeros(len(atoms))), dtype=torch.long),
        torch.as_tensor(arrays.get(CHARGE, nothing), dtype=dtype),
        torch.as_tensor(arrays.get(POTENTIAL, nothing), dtype=dtype),
    )
    _validate(out, charge)
    return out


def _validate(ensemble: Ensemble, charge: float) -> None:
    shaped(FRAGMENT, ensemble.fragment, None)
    require(not bool(ensemble.potential.isinf().any()), f"{POTENTIAL}: expected finite potentials in V, got infinity.")
    together = 0.0
    for number in ensemble.fragment.unique().tolist():
        values = ensemble.charge[(ensemble.fragment == number) & ~ensemble.electrode].unique()
        if len(values) > 1 and not bool(values.isnan().all()):
            raise InputError(
                f"{CHARGE}: expected one charge on all atoms of fragment {number}, got {values.tolist()}; repeat the"
                " same number."
            )
        together += float(values[:1].nan_to_num().sum())
    free = bool((ensemble.charge.isnan() & ~ensemble.electrode).any())
    if not free and abs(together - charge) > ROUNDING:
        raise InputError(
            f"{CHARGE}: expected charges of fragments that sum to the total charge {charge:g} e, got {together:g} e;"
            " correct one of them."
        )
