"""Why charges of mlipops differ in periodic cells: its equations, changed to the Ewald sum one term at a time.

python benchmarks/mlipops_qeq.py

Both solve (J + V) q + mu = -chi, sum q = Q, here in float64 with dense matrices and k_e = 1. With the screened pair sum
D of Gaussians, the waves W_ij = sum_k cos(k.r_ij) exp(-k^2 / 4 alpha^2) / k^2 of half of space and the volume v, the V
of Ewald is

    V_ij = D_ij + (8 pi / v) W_ij,    V_ii = self + (8 pi / v) W_ii - 2 alpha / sqrt(pi)

and the matrix that mlipops makes for a single structure is V_ij = (4 pi / v) (D_ij + W_ij), V_ii = self.
"""

import math
import time

import torch
from harness import machine, write_table
from solvers import BASIS, CHI, HARDNESS, Elements, Solve, cases
from torch import Tensor

from leyden.system import System
from leyden.units import COULOMB

CUTOFF = 9.0
"""Å, of its pair sum."""


def matrices(system: System) -> dict[str, Tensor]:
    """J + V (N, N) in 1/Å of one orthorhombic cell, by name."""
    edges, width = system.cell[0].diagonal(), math.sqrt(2) * BASIS.widths(system.numbers, torch.float64)[:, 0]
    hardness = system.positions.new_tensor([HARDNESS[z] / COULOMB for z in system.numbers.tolist()])
    cutoff = min(CUTOFF, 0.49 * float(edges.min()))
    alpha, volume = 3.5 / cutoff, edges.prod()
    close, waves = pairs(system.positions, edges, width, cutoff, alpha), lattice(system.positions, edges, alpha)
    own = hardness + math.sqrt(2 / math.pi) / width
    image = 8 * math.pi / volume * waves.diagonal() - 2 * alpha / math.sqrt(math.pi)

    def whole(between: Tensor, diagonal: Tensor) -> Tensor:
        return torch.where(torch.eye(len(own), dtype=torch.bool), torch.diag(diagonal), between)

    all_waves, half = 8 * math.pi / volume * waves, 4 * math.pi / volume
    return {
        "Ewald": whole(close + all_waves, own + image),
        "pair sum times 4 pi / v": whole(half * close + all_waves, own + image),
        "half of the waves": whole(close + half * waves, own + image),
        "no images on the diagonal": whole(close + all_waves, own),
        "all three": whole(half * (close + waves), own),
    }


def pairs(positions: Tensor, edges: Tensor, width: Tensor, cutoff: float, alpha: float) -> Tensor:
    """D: (erf(r / sqrt(w_i^2 + w_j^2)) - erf(alpha r)) / r within the cutoff, to the nearest image."""
    away = positions[:, None] - positions[None]
    r = (away - edges * (away / edges).round()).norm(dim=2)
    same = torch.eye(len(r), dtype=torch.bool)
    r, screening = torch.where(same, 1.0, r), (width[:, None] ** 2 + width[None] ** 2).rsqrt()
    return torch.where(same | (r > cutoff), 0.0, (torch.erf(screening * r) - torch.erf(alpha * r)) / r)


def lattice(positions: Tensor, edges: Tensor, alpha: float) -> Tensor:
    """W, of every wave or its opposite."""
    most = (edges * 2 * alpha * 3.5 / (2 * math.pi)).ceil().int() + 1
    n = torch.cartesian_prod(*(torch.arange(-int(m), int(m) + 1) for m in most)).double()
    later = (n[:, 1] > 0) | ((n[:, 1] == 0) & (n[:, 2] > 0))
    k = 2 * math.pi * n[(n[:, 0] > 0) | ((n[:, 0] == 0) & later)] / edges
    square, phase = (k * k).sum(1), positions @ k.T
    weight = torch.exp(-square / (4 * alpha**2)) / square
    return (phase.cos() * weight) @ phase.cos().T + (phase.sin() * weight) @ phase.sin().T


def charges(matrix: Tensor, system: System) -> Tensor:
    """q (N,) e."""
    chi = system.positions.new_tensor([CHI[z] / COULOMB for z in system.numbers.tolist()])
    one = torch.ones_like(chi)[:, None]
    bordered = torch.cat([torch.cat([matrix, one], 1), torch.cat([one.T, torch.zeros_like(one[:1])], 1)])
    return torch.linalg.solve(bordered, torch.cat([-chi, system.charge]))[:-1]


def main() -> None:
    """Print and write the largest differences of a charge."""
    rows, lines = [], []
    for name, atoms in cases([200]):
        if name not in ("water", "rock salt"):
            continue
        solve = Solve(System.from_ase(atoms, charge=0), Elements().double())
        ours, theirs = solve.charges().density[:, 0], solve.peer("direct").double()
        for changed, matrix in matrices(solve.system).items():
            q = charges(matrix, solve.system)
            row = {"case": name, "atoms": len(atoms), "matrix": changed}
            row |= {"leyden": float((q - ours).abs().max()), "mlipops": float((q - theirs).abs().max())}
            rows.append(row)
            lines.append(f"| {name} | {len(atoms)} | {changed} | {row['leyden']:.1e} | {row['mlipops']:.1e} |")
    header = [
        "# Charges of mlipops in periodic cells",
        "",
        f"`benchmarks/mlipops_qeq.py`; {machine()}; {time.strftime('%Y-%m-%d')}; largest difference of a charge, e,"
        " from those of Leyden and of mlipops.",
        "",
        "| structure | atoms | matrix | Leyden | mlipops |",
        "|---|---|---|---|---|",
    ]
    print(write_table("mlipops_qeq", [*header, *lines], rows))


if __name__ == "__main__":
    main()
