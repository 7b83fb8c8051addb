"""Charge equilibration by conjugate gradients, by a dense matrix, and by mlipops: time, iterations, agreement.

In the environment of benchmarks/coulomb.py (mlipops is optional), at the root of the project:

    python benchmarks/solvers.py [--sizes 200 600] [--threads 2]

Water, rock salt, a metal slab in a field and open clusters of about the given numbers of atoms; Gaussian charges, with
electronegativities and hardnesses of the elements, that of the metal so low that it screens. `solve` binds the
operator and finds the charges; `E + F` adds energy and forces, and the solve that derivatives by weights need; `atoms`
solves with one block for each atom as preconditioner; `dense` makes the matrix and solves the equations with a Lagrange
multiplier. mlipops works in float32: its charges are compared with ours. A time is the least of the repetitions, CPU
time of all threads.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from coulomb_cases import molecule, water
from harness import RESULTS, machine
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.charges import Equilibration, Problem
from leyden.coulomb import BoundCoulomb, field
from leyden.features import Channels, Features
from leyden.neighbors import Graph, NeighborList
from leyden.solve import Blocks, Solution
from leyden.solve.linear import Linear
from leyden.units import COULOMB

CHI = {1: 4.0, 8: 9.0, 11: 3.0, 17: 9.0, 79: 5.0}
HARDNESS = {1: 14.0, 8: 13.0, 11: 9.0, 17: 11.0, 79: 0.5}
"""eV/e and eV/e^2; V adds the energy of each Gaussian with itself."""
BASIS = GaussianBasis({1: 0.5, 8: 0.7, 11: 0.9, 17: 1.0, 79: 0.9})
ACCURACY = 1e-6
LARGEST_DENSE = 700
LARGEST_PEER = 1600


class Elements(Equilibration):
    """The same electronegativity and hardness for all atoms of an element."""

    def __init__(self) -> None:
        super().__init__(Channels(1, 0, 0), tuple(CHI), BASIS, 1)

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """chi (N, 1) and eta (N, 1, 1)."""
        numbers = problem.system.numbers.tolist()
        chi, hardness = (problem.external.new_tensor([table[z] for z in numbers]) for table in (CHI, HARDNESS))
        return chi[:, None], hardness[:, None, None]


class OfAtoms(Problem):
    """Preconditioned without what lies between atoms."""

    def preconditioner(self, stiffness: Tensor) -> Linear:
        """The blocks of V + J."""
        return Blocks((stiffness + torch.diag_embed(self.own)).detach(), self.plane)


@dataclass(frozen=True)
class Solve:
    """One structure and the model."""

    system: System
    model: Elements
    problem: type[Problem] = Problem

    def bound(self, positions: Tensor) -> tuple[Problem, Solution]:
        """The operator bound to positions, and the charges."""
        system = System(**{**vars(self.system), "positions": positions})
        none = positions.new_zeros(len(positions), 0)
        features = Features(none.sum(1), none, none[:, None], none[:, None, None])
        empty = torch.zeros(0, dtype=torch.long)
        graph = Graph.of(system, NeighborList(empty, empty, positions.new_zeros(0, 3), 1.0))
        problem = self.problem(system, features, graph, self.operator(system), field.external(system, BASIS))
        return problem, self.model.solve(problem)

    @staticmethod
    def operator(system: System) -> BoundCoulomb:
        """V."""
        return Coulomb(ACCURACY).bind(system, BASIS)

    def charges(self) -> Solution:
        """Without gradients."""
        with torch.no_grad():
            return self.bound(self.system.positions)[1]

    def forces(self) -> Tensor:
        """-dE/dr (N, 3)."""
        positions = self.system.positions.clone().requires_grad_()
        problem, solution = self.bound(positions)
        p = solution.density
        energy = self.model.energy(p, problem) + problem.coulomb.energy(p)
        return -torch.autograd.grad(energy.sum(), positions)[0]

    def dense(self) -> Tensor:
        """The charges from a matrix."""
        with torch.no_grad():
            matrix = self.operator(self.system).dense()
            chi, hardness = (matrix.new_tensor([t[z] for z in self.system.numbers.tolist()]) for t in (CHI, HARDNESS))
            one = torch.ones_like(chi)[:, None]
            whole = torch.cat([torch.cat([matrix + torch.diag(hardness), one], 1), torch.cat([one.T, one[:1] * 0], 1)])
            external = field.external(self.system, BASIS)[:, 0]
            return torch.linalg.solve(whole, torch.cat([-chi - external, self.system.charge]))[:-1]

    def peer(self, solver: str) -> Tensor:
        """The charges from mlipops, for open and fully periodic structures."""
        import mlipops

        s, numbers = self.system.to(dtype=torch.float32), self.system.numbers.tolist()
        chi, hardness = (s.positions.new_tensor([t[z] / COULOMB for z in numbers]) for t in (CHI, HARDNESS))
        radius = math.sqrt(2) * BASIS.widths(s.numbers, torch.float32)[:, 0]
        if s.pbc.any():
            cell = s.cell[0]
            cutoff = min(9.0, 0.49 * float(cell.diagonal().min()))
            alpha, edges = 3.5 / cutoff, torch.linalg.vector_norm(cell, dim=1)
            waves = [int(n) for n in (edges * 2 * alpha * 3.5 / (2 * math.pi)).ceil() + 1]
            pairs = mlipops.NeighborList(cutoff)
            coulomb, box = mlipops.CoulombEwald(pairs, None, *waves, alpha, 1.0), cell
        else:
            coulomb, box = mlipops.CoulombNC(None, 1.0), None
        solve = mlipops.ChargeEquilibration(coulomb)
        return solve(s.positions, chi, hardness, radius, total_charge=0.0, box_vectors=box, solver=solver)


def cases(sizes: list[int]) -> list[tuple[str, Atoms]]:
    """Structures of about so many atoms."""
    found = []
    for size in sizes:
        positions, _, edge = water(3 * round((size / 3) ** (1 / 3)) ** 3)
        found.append(("water", Atoms("OH2" * (len(positions) // 3), positions, cell=[edge] * 3, pbc=True)))
        salt = bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat(max(1, round((size / 8) ** (1 / 3))))
        salt.rattle(0.1, seed=0)
        found.append(("rock salt", salt))
        side = max(2, round((size / 4) ** 0.5))
        slab = Atoms("Au", cell=[2.7] * 3).repeat((side, side, 4))
        slab.pbc = [True, True, False]
        slab.rattle(0.1, seed=0)
        slab.info["external_field"] = [0.0, 0.0, 0.1]
        found.append(("metal slab", slab))
        if size <= LARGEST_DENSE:
            found.append(("cluster", Atoms(np.where(np.arange(size) % 3, 1, 8), 1.3 * molecule(size, 0)[0])))
    return found


def least(run: Callable[[], object], budget: float) -> float:
    """CPU seconds of the fastest call; one call to warm up, at least one more."""
    run()
    times, began = [], time.perf_counter()
    while not times or (time.perf_counter() - began < budget and len(times) < 10):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def measure(name: str, atoms: Atoms, budget: float) -> dict:
    """All that this structure allows."""
    solve = Solve(System.from_ase(atoms, charge=0), Elements().double())
    solution = solve.charges()
    q, size = solution.density[:, 0], len(atoms)
    row = {"case": name, "atoms": size, "iterations": int(solution.iterations[0])}
    row |= {"solve": least(solve.charges, budget), "forces": least(solve.forces, budget)}
    plain = replace(solve, problem=OfAtoms)
    other = plain.charges()
    row |= {"atoms iterations": int(other.iterations[0]), "atoms solve": least(plain.charges, budget)}
    row |= {"atoms difference": float((other.density[:, 0] - q).abs().max())}
    if size <= LARGEST_DENSE:
        row |= {"dense": least(solve.dense, budget), "difference": float((solve.dense() - q).abs().max())}
    if size <= LARGEST_PEER and name != "metal slab":
        for solver in ("direct", "minres"):
            try:
                found = solve.peer(solver).double()
                row |= {solver: least(lambda s=solver: solve.peer(s), budget)}
                row |= {f"{solver} difference": float((found - q).abs().max())}
            except Exception as error:
                row |= {f"{solver} reason": f"{type(error).__name__}: {str(error)[:80]}"}
    print(json.dumps(row), flush=True)
    return row


def table(found: dict) -> list[str]:
    """Times in ms; others as multiples of ours."""
    lines = [
        "# Solving for charges",
        "",
        f"`{found['command']}`; {found['machine']}, {found['threads']} threads; {found['date']}",
        "",
        f"Accuracy of V {ACCURACY:g}, residual below 1e-9 eV/e, float64.",
        "",
        "iterations: products with V; solve: bind V and find the charges; E + F: and energy with forces; others: their"
        " time / ours. In brackets: the largest difference of a charge. Blocks: of atoms, as the preconditioner."
        " mlipops computes in float32; why its charges differ in periodic cells is in mlipops_qeq.md.",
        "",
        "| structure | atoms | iterations | solve, ms | E + F, ms | iterations with blocks | blocks | dense matrix |"
        " mlipops direct | mlipops MINRES |",
        "|---" * 10 + "|",
    ]
    for row in sorted(found["rows"], key=lambda r: (r["case"], r["atoms"])):
        cells = [
            row["case"],
            row["atoms"],
            row["iterations"],
            f"{1e3 * row['solve']:.1f}",
            f"{1e3 * row['forces']:.1f}",
            row["atoms iterations"],
        ]
        columns = ("atoms solve", "atoms difference"), ("dense", "difference")
        for key, difference in (*columns, *((s, f"{s} difference") for s in ("direct", "minres"))):
            there = f"{row[key] / row['solve']:.2g} ({row[difference]:.0e} e)" if key in row else "-"
            cells.append(there)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def main() -> None:
    """Measure and write results/solvers.md and .json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[200, 600, 1500, 5000, 20000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for the repetitions of a call")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = [measure(*case, given.budget) for case in cases(given.sizes)]
    found = {"command": "benchmarks/solvers.py", "machine": machine(), "threads": given.threads}
    found |= {"date": time.strftime("%Y-%m-%d"), "rows": rows}
    (given.output / "solvers.json").write_text(json.dumps(found, indent=1) + "\n")
    (given.output / "solvers.md").write_text("\n".join(table(found)) + "\n")


if __name__ == "__main__":
    main()
