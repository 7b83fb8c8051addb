"""System: a flat batch of structures, validated once, here.

N atoms in S structures. Cell vectors are rows; any handedness; a structure may be periodic along some axes only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from leyden import ensemble, info, segment
from leyden.checks import finite, require
from leyden.ensemble import Ensemble
from leyden.info import CHARGE_KEYS, DISPLACEMENT_KEY, SPIN_KEYS, Number

THINNEST = 0.1
"""Å; a periodic cell thinner than this is a mistake, and its neighbors could not be counted."""


@dataclass(frozen=True)
class System:
    """A flat batch of S structures with N atoms in all.

    positions (N, 3) Å; numbers (N,) atomic numbers; cell (S, 3, 3) Å, vectors are rows; pbc (S, 3) bool;
    index (N,) structure of each atom, ascending; charge (S,) e; spin (S,) multiplicity 2S+1; field (S, 3) V/Å;
    ensemble: fragments with charges of their own, and electrodes; None where there are none. displacement (S, 3) V/Å:
    D / eps_0 of structures periodic along three axes, NaN along directions where the field is held; None without any.
    """

    positions: Tensor
    numbers: Tensor
    cell: Tensor
    pbc: Tensor
    index: Tensor
    charge: Tensor
    spin: Tensor
    field: Tensor
    ensemble: Ensemble | None = None
    displacement: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of structures S."""
        return len(self.cell)

    @property
    def size(self) -> Tensor:
        """Atoms in each structure, (S,)."""
        return torch.bincount(self.index, minlength=self.count)

    @property
    def volume(self) -> Tensor:
        """|det cell| (S,), Å^3; meaningful where the structure is periodic along three axes."""
        return volumes(self.cell)

    @property
    def periodic_space(self) -> Tensor:
        """Projectors (S, 3, 3) onto the space of the periodic cell vectors, not differentiated."""
        vectors = torch.where(self.pbc[:, :, None], self.cell, torch.zeros_like(self.cell)).detach()
        everywhere = self.pbc.all(1)[:, None, None]
        return torch.where(everywhere, torch.eye(3).to(vectors), torch.linalg.pinv(vectors) @ vectors)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "System":
        """Move to a device and convert floating tensors to a dtype."""
        moved = {
            name: (t.to(device=device, dtype=dtype) if t.is_floating_point() else t.to(device=device))
            for name in TENSORS
            for t in [getattr(self, name)]
        }
        held = None if self.displacement is None else self.displacement.to(device=device, dtype=dtype)
        return replace(self, **moved, ensemble=self.ensemble and self.ensemble.to(device, dtype), displacement=held)

    def strained(self, strain: Tensor) -> "System":
        """Apply (1 + strain) to positions and cell, strain (S, 3, 3): x -> x + x strain (row vectors)."""
        return replace(
            self,
            positions=self.positions + torch.einsum("ni,nij->nj", self.positions, strain[self.index]),
            cell=self.cell + self.cell @ strain,
        )

    def neutral(self) -> "System":
        """The same atoms as neutral singlets."""
        return replace(self, charge=torch.zeros_like(self.charge), spin=torch.ones_like(self.spin))

    def split(self) -> list["System"]:
        """The structures of the batch one by one."""
        edge = segment.starts(self.index, self.count).tolist()
        return [
            System(
                self.positions[a:b], self.numbers[a:b], self.cell[s : s + 1], self.pbc[s : s + 1],
                torch.zeros_like(self.index[a:b]), self.charge[s : s + 1], self.spin[s : s + 1], self.field[s : s + 1],
                self.ensemble and self.ensemble.select(slice(a, b)),
                None if self.displacement is None else self.displacement[s : s + 1],
            )
            for s, (a, b) in enumerate(pairwise(edge))
        ]  # fmt: skip

    def select(self, structures: Tensor) -> tuple["System", Tensor]:
        """Some structures, by ascending number, as a batch of their own, and the atoms (n,) they consist of."""
        place = torch.full((self.count,), -1, dtype=torch.long, device=self.index.device)
        place[structures] = torch.arange(len(structures), device=self.index.device)
        atoms = (place[self.index] >= 0).nonzero().squeeze(1)
        part = System(
            self.positions[atoms], self.numbers[atoms], self.cell[structures], self.pbc[structures],
            place[self.index[atoms]], self.charge[structures], self.spin[structures], self.field[structures],
            self.ensemble and self.ensemble.select(atoms),
            None if self.displacement is None else self.displacement[structures],
        )  # fmt: skip
        return part, atoms

    @staticmethod
    def join(systems: Sequence["System"]) -> "System":
        """Concatenate batches into one."""
        offset = np.cumsum([0] + [s.count for s in systems[:-1]])
        joined = {name: torch.cat([getattr(s, name) for s in systems]) for name in TENSORS}
        joined["index"] = torch.cat([s.index + int(o) for s, o in zip(systems, offset, strict=True)])
        together = replace(systems[0], **joined, ensemble=None, displacement=None)
        if any(s.displacement is not None for s in systems):
            held = [torch.full_like(s.field, torch.nan) if s.displacement is None else s.displacement for s in systems]
            together = replace(together, displacement=torch.cat(held))
        if all(s.ensemble is None for s in systems):
            return together
        parts = [s.ensemble or Ensemble.none(s.positions[:, 0]) for s in systems]
        return replace(together, ensemble=Ensemble.join(parts))

    @staticmethod
    def from_ase(
        atoms: Atoms | Sequence[Atoms],
        charge: Number | Sequence[Number] | None = None,
        spin: Number | Sequence[Number] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> "System":
        """Build a System from one Atoms or a list of them.

        charge (e) and spin (multiplicity 2S+1) are read from atoms.info (total_charge, total_spin) where not given.
        Where neither names a charge, the structure is taken as neutral only if no frame of the list names one.

        Raises InputError for a missing charge, NaN, no atoms, or a cell that cannot be periodic.
        """
        frames = [atoms] if isinstance(atoms, Atoms) else list(atoms)
        require(len(frames) > 0, "System.from_ase: expected at least one structure, got none.")
        return System.join(
            [
                _single(frame, q, m, dtype)
                for frame, q, m in zip(
                    frames,
                    info.per_frame(frames, charge, CHARGE_KEYS, 0.0),
                    info.per_frame(frames, spin, SPIN_KEYS, 1.0),
                    strict=True,
                )
            ]
        )

    def to_ase(self) -> list[Atoms]:
        """One Atoms for each structure, with total_charge, total_spin, external_field (where non-zero) and
        displacement_field (where held) in info, and fragments and electrodes (where there are any) as arrays."""
        out = []
        for s in self.split():
            said: dict[str, object] = {"total_charge": s.charge.item(), "total_spin": s.spin.item()}
            if s.field.any():
                said["external_field"] = s.field[0].detach().cpu().numpy()
            if s.displacement is not None and not bool(s.displacement.isnan().all()):
                said[DISPLACEMENT_KEY] = s.displacement[0].detach().cpu().numpy()
            out.append(
                Atoms(
                    s.numbers.cpu().numpy(), s.positions.detach().cpu().numpy(), cell=s.cell[0].detach().cpu().numpy(),
                    pbc=s.pbc[0].cpu().numpy(), info=said,
                )
            )  # fmt: skip
            if s.ensemble is not None:
                values = s.ensemble.fragment, s.ensemble.charge, s.ensemble.potential
                out[-1].arrays |= {k: v.cpu().numpy() for k, v in zip(ensemble.KEYS, values, strict=True)}
        return out


TENSORS = tuple(f.name for f in fields(System) if f.name not in ("ensemble", "displacement"))


def volumes(cell: Tensor) -> Tensor:
    """|a.(b x c)| of cells (S, 3, 3), (S,) Å^3."""
    return (cell[:, 0] * torch.linalg.cross(cell[:, 1], cell[:, 2])).sum(1).abs()


def _single(atoms: Atoms, charge: float, spin: float, dtype: torch.dtype) -> System:
    def real(x: object) -> Tensor:
        return torch.as_tensor(np.asarray(x, dtype=float), dtype=dtype)

    system = System(
        positions=real(atoms.positions),
        numbers=torch.as_tensor(atoms.numbers, dtype=torch.long),
        cell=real(atoms.cell.array)[None],
        pbc=torch.as_tensor(np.asarray(atoms.pbc, dtype=bool))[None],
        index=torch.zeros(len(atoms), dtype=torch.long),
        charge=real([charge]),
        spin=real([spin]),
        field=info.field(atoms, dtype),
        ensemble=ensemble.read(atoms, charge, dtype),
        displacement=info.displacement(atoms, dtype),
    )
    _validate(system)
    return system


def _validate(system: System) -> None:
    """Reject a structure that no model can evaluate."""
    require(len(system.positions) > 0, "positions: expected at least one atom, got an empty structure.")
    for name in ("positions", "cell", "charge", "spin", "field"):
        finite(name, getattr(system, name))
    require(
        float(system.spin[0]) >= 1.0,
        f"spin: expected a multiplicity 2S + 1 of at least 1, got {float(system.spin[0]):g}; a singlet is 1.",
    )
    cell = system.cell[0][system.pbc[0]]
    if len(cell) > 0:
        thickness = torch.linalg.svdvals(cell).min().item()
        require(
            thickness > THINNEST,
            f"cell: expected {len(cell)} independent vectors along the periodic axes {system.pbc[0].tolist()}, got"
            f" {system.cell[0].tolist()}; set the cell, or pbc to False.",
        )
