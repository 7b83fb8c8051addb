"""What the Coulomb benchmark sums over: boxes of water, batches, their neighbors and converged forces.

Two forms: 'smeared' charges interact as erf(r / (sqrt(2) s)) / r with s = 1 Å, a reciprocal sum alone where periodic;
'point' charges interact as 1 / r. Energies in e^2/Å.
"""

import importlib.metadata
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from vesin import NeighborList

from leyden import System

SMEARED = 1.0
"""Å: s of the smeared form, sqrt(2) times the standard deviation of each density."""
OPERATIONS = ("energy", "E + F", "E + F + dE/dq", "training")
SPACING = 3.105
"""Å between waters on a cubic grid: 0.0334 molecules / Å^3."""
WATER = np.array([[0.0, 0.0, 0.0], [0.9572, 0.0, 0.0], [-0.23999, 0.92663, 0.0]])
CHUNK = 3e7
"""Numbers in an array of the reference."""


@dataclass(frozen=True)
class Case:
    """Structures of equal size, all periodic in cubes or all open, with charges (N,) in e; form: smeared or point."""

    name: str
    form: str
    system: System
    charges: Tensor
    periodic: bool

    @property
    def kind(self) -> str:
        """Boundary and form."""
        return f"{'periodic' if self.periodic else 'open'} {self.form}"

    @property
    def length(self) -> float:
        """Edge of the cubes, Å."""
        return self.system.cell[0, 0, 0].item()


@dataclass(frozen=True)
class Settings:
    """s (Å), cutoff of the pair part (Å), mesh spacing (Å) or largest k (1/Å), order of the splines on a mesh."""

    width: float
    cutoff: float
    fine: float
    order: int = 0

    @property
    def alpha(self) -> float:
        """1/Å: the pair part is erfc(alpha r) / r."""
        return 1 / (math.sqrt(2) * self.width)

    def __str__(self) -> str:
        far = f"mesh {self.fine:g} Å, order {self.order}" if self.order else f"k < {self.fine:g}/Å"
        return f"s {self.width:g} Å, {far}" + (f", cutoff {self.cutoff:g} Å" if self.cutoff else "")


class Peer(ABC):
    """A library, what it offers, and its settings for each form; `package` is its name at the registry."""

    package: str
    offers: tuple[str, ...] = ("periodic smeared", "periodic point", "open point")
    operations: tuple[str, ...] = OPERATIONS
    batches: bool = True
    kept: str = ""
    """What is kept between calls, and so not in their times."""
    images: int = 0
    """Copies of half a sphere of k vectors in an array N x K, 0 where there is no such array."""

    def __init__(self, smeared: Settings | None = None, point: Settings | None = None) -> None:
        self.settings = {"smeared": smeared, "point": point}

    @property
    def version(self) -> str:
        """Of the package, or that it is not installed."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    def refuses(self, case: Case, operation: str) -> str:
        """Why the library does not do this, or ''."""
        if case.kind not in self.offers:
            return f"no {case.kind} charges"
        if case.system.count > 1 and not self.batches:
            return "no batches"
        return "" if operation in self.operations else f"no {operation}"

    def products(self, case: Case) -> float:
        """Numbers in an array over atoms and k vectors, or 0 where there is none."""
        s = self.settings[case.form]
        if not (self.images and case.periodic and s):
            return 0.0
        return self.images * len(case.charges) * case.system.volume[0].item() * s.fine**3 / (12 * math.pi**2)

    @abstractmethod
    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Energy, a scalar or one for each structure or atom."""


def water(atoms: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Positions, charges that vary a little, and edge of a cube of waters of random orientation."""
    rng, side = np.random.default_rng(seed), round((atoms / 3) ** (1 / 3))
    if 3 * side**3 != atoms:
        raise SystemExit(f"coulomb: expected sizes 3 n^3, for instance 192, 648, 1536, 5184; got {atoms}.")
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3) * SPACING
    turns = Rotation.random(side**3, random_state=rng).as_matrix()
    positions = (grid + rng.uniform(-0.25, 0.25, grid.shape))[:, None] + np.einsum("nij,aj->nai", turns, WATER)
    charges = np.tile([-0.8, 0.4, 0.4], side**3) + 0.05 * rng.normal(size=atoms)
    return positions.reshape(-1, 3), charges - charges.mean(), SPACING * side


def molecule(atoms: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Positions and charges of a disordered open cluster."""
    rng, side = np.random.default_rng(seed), math.ceil(atoms ** (1 / 3))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:atoms] * 1.6
    charges = 0.4 * rng.normal(size=atoms)
    return grid + 0.15 * rng.normal(size=grid.shape), charges - charges.mean(), 0.0


def build(form: str, count: int, atoms: int, periodic: bool, dtype: torch.dtype, device: str) -> Case:
    """A box of water, or a batch of boxes or of open clusters."""
    parts = [(water if periodic else molecule)(atoms, seed) for seed in range(count)]
    zero, index = torch.zeros(count, dtype=torch.float64), torch.arange(count).repeat_interleave(atoms)
    system = System(
        positions=torch.tensor(np.concatenate([p for p, _, _ in parts])),
        numbers=torch.ones_like(index),
        cell=torch.tensor(np.stack([length * np.eye(3) for _, _, length in parts])),
        pbc=torch.full((count, 3), periodic),
        index=index,
        charge=zero,
        spin=zero + 1,
        field=torch.zeros(count, 3, dtype=torch.float64),
    )
    name = str(atoms) if count == 1 else f"{count} {'periodic' if periodic else 'open'} x {atoms}"
    charges = torch.tensor(np.concatenate([q for _, q, _ in parts]), dtype=dtype, device=device)
    return Case(name, form, system.to(device, dtype), charges, periodic)


def neighbors(positions: Tensor, case: Case, cutoff: float, full: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Atoms i and j (P,), cells between them (P, 3), sorted by i if full: all pairs where open, none if smeared."""
    count, device = case.system.count, positions.device
    size, found = len(positions) // count, []
    for n, x in enumerate(positions.detach().chunk(count)):
        if not case.periodic:
            i, j = _all_pairs(size, full)
            shift = torch.zeros(len(i), 3, dtype=torch.long)
        elif case.form == "point":
            search = NeighborList(cutoff=cutoff, full_list=full, sorted=full, n_threads=torch.get_num_threads())
            box = case.system.cell[n].cpu().double().numpy()
            i, j, shift = search.compute(points=x.cpu().double().numpy(), box=box, periodic=True, quantities="ijS")
            i, j, shift = (torch.as_tensor(part.astype(np.int64)) for part in (i, j, shift))
        else:
            i, j, shift = torch.zeros(3, 0, 3, dtype=torch.long).unbind(0)
            i, j = i[:, 0], j[:, 0]
        found.append((i + n * size, j + n * size, shift))
    i, j, shift = (torch.cat(part).to(device) for part in zip(*found, strict=True))
    return i, j, shift


def _all_pairs(size: int, full: bool) -> tuple[Tensor, Tensor]:
    i, j = torch.cartesian_prod(torch.arange(size), torch.arange(size)).T
    keep = i != j if full else i < j
    return i[keep], j[keep]


def vectors(positions: Tensor, case: Case, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """Half a list of pairs i, j (P,) and the vectors between them (P, 3), differentiable."""
    i, j, shift = neighbors(positions, case, cutoff)
    across = torch.einsum("pa,pad->pd", shift.to(positions.dtype), case.system.cell[case.system.index[i]])
    return i, j, positions[j] - positions[i] + across


def half_waves(cell: Tensor, cutoff: float, width: float) -> tuple[Tensor, Tensor]:
    """One k (K, 3) of each pair +-k below the cutoff, and its weight 2 * 4 pi / (V k^2) exp(-s^2 k^2 / 2)."""
    most = (cell.norm(dim=1) * cutoff / (2 * math.pi)).long().tolist()
    m = torch.cartesian_prod(*(torch.arange(-n, n + 1, device=cell.device) for n in most))
    k = 2 * math.pi * m[len(m) // 2 + 1 :].to(cell.dtype) @ torch.linalg.inv(cell).T
    square = (k * k).sum(1)
    k, square = k[square < cutoff**2], square[square < cutoff**2]
    return k, 8 * math.pi / torch.linalg.det(cell).abs() * torch.exp(-(width**2) * square / 2) / square


def reference(case: Case) -> Tensor:
    """Converged forces (N, 3) of one periodic box in float64: sums over every k and every pair, in e^2/Å^2."""
    width = SMEARED if case.form == "smeared" else 0.9
    x, q, cell = case.system.positions.double(), case.charges.double(), case.system.cell[0].double()
    k, weights = half_waves(cell, 7.0 / width, width)
    forces, step = torch.zeros_like(x), max(1, int(CHUNK / len(q)))
    for part, weight in zip(k.split(step), weights.split(step), strict=True):
        phase = x @ part.T
        c, s = phase.cos(), phase.sin()
        forces += q[:, None] * ((s * (weight * (q @ c)) - c * (weight * (q @ s))) @ part)
    if case.form == "smeared":
        return forces
    i, j, d = vectors(x, Case(case.name, case.form, case.system.to(dtype=torch.float64), q, True), 7.0 * width)
    r, a = d.norm(dim=1, keepdim=True), 1 / (math.sqrt(2) * width)
    pull = torch.erfc(a * r) / r + 2 * a / math.sqrt(math.pi) * torch.exp(-((a * r) ** 2))
    pair = (q[i] * q[j])[:, None] * pull / r**2 * d
    return forces.index_add(0, j, pair).index_add(0, i, -pair)
