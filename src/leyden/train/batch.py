"""Labelled structures and flat batches of them; a label that a structure lacks is NaN in a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import require
from leyden.neighbors import NeighborList
from leyden.system import System
from leyden.train.labels import LABELS, POINTS


@dataclass(frozen=True)
class Labels:
    """Reference values of S structures with N atoms in all; None where no structure has one, NaN where some lack it.

    energy (S,) eV, always float64; forces (N, 3) eV/Å; stress (S, 3, 3) eV/Å^3; dipole (S, 3) e Å; charges (N,) e;
    born_effective_charges (N, 3, 3) e, row = polarization, column = displacement; quadrupole (S, 3, 3) e Å^2,
    traceless; polarizability (S, 3, 3) Å^3; density_coefficients (N, dim) of the basis of the model, in e, e Å, e Å^2;
    chemical_potential (S,) dE/dQ, eV/e; electrostatic_potential (S, M) V at potential_points (S, M, 3) Å, M the largest
    number of points of a structure, NaN beyond those it has.
    """

    energy: Tensor | None = None
    forces: Tensor | None = None
    stress: Tensor | None = None
    dipole: Tensor | None = None
    charges: Tensor | None = None
    born_effective_charges: Tensor | None = None
    quadrupole: Tensor | None = None
    polarizability: Tensor | None = None
    density_coefficients: Tensor | None = None
    chemical_potential: Tensor | None = None
    electrostatic_potential: Tensor | None = None
    potential_points: Tensor | None = None

    def present(self) -> dict[str, Tensor]:
        """The labels that are there, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Labels":
        """Move to a device and convert to a dtype; energies stay float64."""
        return Labels(
            **{k: v.to(device=device, dtype=None if k == "energy" else dtype) for k, v in self.present().items()}
        )

    def without(self, structures: Tensor, system: System) -> "Labels":
        """The same with nothing for some structures, (S,) bool."""
        atoms = structures[system.index]
        kept = {}
        for prop in (*LABELS, POINTS):
            value = self.present().get(prop.name)
            if value is not None:
                left_out = (atoms if prop.per_atom else structures).view(-1, *[1] * (value.dim() - 1))
                kept[prop.name] = value.masked_fill(left_out, torch.nan)
        return Labels(**kept)

    @staticmethod
    def join(parts: Sequence["Labels"], sizes: Sequence[int]) -> "Labels":
        """Concatenate the labels of single structures with the given numbers of atoms."""
        joined = {}
        for prop in (*LABELS, POINTS):
            values = [part.present().get(prop.name) for part in parts]
            like = max((v for v in values if v is not None), key=lambda v: v.shape[1:], default=None)
            if like is not None:
                rows = [n if prop.per_atom else 1 for n in sizes]
                joined[prop.name] = torch.cat([_filled(v, like, n) for v, n in zip(values, rows, strict=True)])
        return Labels(**joined)


def _filled(value: Tensor | None, like: Tensor, rows: int) -> Tensor:
    """A label (rows, ...) as wide as that of another structure, with NaN for what is not there."""
    out = like.new_full((rows, *like.shape[1:]), torch.nan)
    if value is None or value.shape == out.shape:
        return out if value is None else value
    out[:, : value.shape[1]] = value
    return out


@dataclass(frozen=True)
class Frame:
    """One labelled structure: a System with S = 1, its labels, its kind, its pairs, and where it came from."""

    system: System
    labels: Labels
    config_type: str = "default"
    pairs: NeighborList | None = None
    origin: str = ""


@dataclass(frozen=True)
class Batch:
    """S structures with their pairs and labels."""

    system: System
    pairs: NeighborList
    labels: Labels

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "Batch":
        """Move to a device and convert to a dtype; energy labels stay float64."""
        return Batch(self.system.to(device, dtype), self.pairs.to(device, dtype), self.labels.to(device, dtype))


def collate(frames: Sequence[Frame]) -> Batch:
    """Join frames that have their pairs (see with_pairs). Raises InputError if there are none or one lacks them."""
    pairs = [frame.pairs for frame in frames if frame.pairs is not None]
    require(len(frames) > 0, "collate: expected at least one frame, got none.")
    require(len(pairs) == len(frames), "collate: expected neighbor lists, got frames without; call with_pairs.")
    sizes = [len(frame.system.positions) for frame in frames]
    return Batch(
        System.join([frame.system for frame in frames]),
        NeighborList.join(pairs, sizes),
        Labels.join([frame.labels for frame in frames], sizes),
    )
