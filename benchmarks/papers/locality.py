"""How far does the charge of an atom feel the others? Chains of water, with models trained on water clusters.

python benchmarks/papers/locality.py             of the finished runs of water_densities.py; table and picture
python benchmarks/papers/locality.py --quick     of its quick runs

Thomas et al. (arXiv:2406.10915) show that charges which solve a self-consistent equation are sums of local functions
of positions and potential, though they depend on far atoms through the potential, and that the iteration is stable
where its Jacobian is small enough. Here, for atoms i and j of a chain of hydrogen-bonded molecules,

    |dq_i / dr_j|, Frobenius norm over the directions of r_j, root mean square in bins of the distance,

of the density, and of the same where atoms feel the potential that they felt before anything moved, and exchange charge
with a reservoir instead of with each other (`held`). Features end at twice the cutoff, 9 Å. Beside them the spectral
radius of the map whose fixed point the density is, where it has one. Runs of several machines make one table.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from experiment import grid, heading
from harness import RESULTS, together, write_table
from matplotlib import pyplot
from numpy.typing import NDArray
from torch import Tensor

from leyden.charges.model import Cyclic
from leyden.charges.problem import Problem
from leyden.coulomb import BoundCoulomb
from leyden.density import GaussianBasis
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve.constraint import Plane
from leyden.storage import load
from leyden.system import System

NAME = "locality"
MOLECULES, STEP = 16, 2.85
"""Of the chain, and from oxygen to oxygen, Å."""
DENSITIES = ("whole", "held")
EDGES = np.array([0.5, 1.5, 2.5, 4, 6, 9, 12, 18, 26, 44])
"""Å."""


def chain() -> Atoms:
    """Molecules one behind the other, each with a hydrogen towards the next, turned by turns."""
    one = molecule("H2O")
    one.positions -= one.positions[0]
    bond = one.positions[1] / np.linalg.norm(one.positions[1])
    one.rotate(bond, "x")
    out = Atoms()
    for n in range(MOLECULES):
        turned = one.copy()
        turned.rotate(180 * (n % 2), "x")
        turned.positions[:, 0] += n * STEP
        out += turned
    return out


class Held(BoundCoulomb):
    """V for atoms that feel what a density of a bound V makes, whatever their own density is, and wherever they go.

    What the Gaussians of the density feel is external; here is what those of other widths feel beyond it.
    """

    def __init__(self, bound: BoundCoulomb, density: Tensor) -> None:
        super().__init__(bound.system, bound.basis, [], bound.charged)
        self.bound, self.density, self.felt = bound, density, bound.apply(density).detach()

    def project(self, basis: GaussianBasis, density: Tensor, own: bool = True) -> Tensor:
        """The same for any density."""
        return self.bound.project(basis, self.density, own).detach() - self.felt.repeat(1, basis.shells)


class Reservoir(Problem):
    """No structure has to have its total charge."""

    @property
    def plane(self) -> Plane:
        """Every density."""
        plane = super().plane
        return replace(plane, held=torch.zeros_like(plane.held))


def densities(potential: Potential, system: System) -> dict[str, Tensor]:
    """Whole and held, (N, dim), differentiable by positions.

    The reservoir has the chemical potential of the charges, for those of least energy, which are the same for both;
    others differ by what shifts them onto their total.
    """
    graph, model = Graph.of(system, neighbor_list(system, potential.backbone.cutoff)), potential.charges
    problem = potential.problem(system, potential.features(graph), graph)
    solution = model.solve(problem)
    held = Held(problem.coulomb, solution.density.detach())
    external = problem.external.detach() + held.felt
    external[:, problem.plane.columns] -= solution.potential.nan_to_num()[system.index, None]
    free = Reservoir(system, problem.features, graph, held, external, solving=problem.solving)
    return {"whole": solution.density, "held": model.solve(free).density}


def sensitivities(charges: Tensor, positions: Tensor) -> NDArray[np.float64]:
    """|dq_i / dr_j| (N, N), e/Å."""
    rows = (torch.autograd.grad(charge, positions, retain_graph=True)[0].norm(dim=1) for charge in charges)
    return torch.stack(list(rows)).numpy()


def binned(values: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square in bins of the distance."""
    where = np.digitize(distances, EDGES) - 1
    return np.array([np.sqrt(np.mean(values[where == n] ** 2)) for n in range(len(EDGES) - 1)])


def measure(best: Path) -> dict:
    """Decay of all densities, and the spectral radius."""
    potential, structure = load(best, torch.float64), chain()
    system, distances = System.from_ase(structure), structure.get_all_distances()
    positions = system.positions.requires_grad_()
    with potential.asked(order=2):
        found = densities(potential, system)
    charges = {name: potential.charges.basis.atomic(density)[:, 0] for name, density in found.items()}
    out: dict = {name: binned(sensitivities(q, positions), distances).tolist() for name, q in charges.items()}
    if isinstance(potential.charges, Cyclic):
        with potential.asked(stability=True):
            solution = potential(system).solution
        out["radius"] = float(solution.radius.detach())
    return out


def mean(results: Iterable[dict], density: str) -> NDArray[np.float64]:
    """Of the decays of all seeds."""
    return np.mean([r[density] for r in results], axis=0)


def table(results: list[dict]) -> list[str]:
    """Means over seeds; one row a model and density."""
    bins = [f"{low:g}-{high:g} Å" for low, high in pairwise(EDGES)]
    rows = []
    for name in dict.fromkeys(r["preset"] for r in results):
        there = [r for r in results if r["preset"] == name]
        for density in DENSITIES:
            cells = [name, density, str(len(there)), *(f"{1000 * value:.3g}" for value in mean(there, density))]
            radius = [r["radius"] for r in there if "radius" in r and density == "whole"]
            rows.append([*cells, f"{np.mean(radius):.2f}" if radius else "-"])
    return [
        *heading("How far charges of water feel other atoms", f"`benchmarks/papers/{NAME}.py`", results),
        *grid(["model", "density", "seeds", *bins, "spectral radius"], rows),
        "",
        f"Root mean square of |dq_i / dr_j|, me/Å, of atoms at these distances in a chain of {MOLECULES} molecules, by"
        " models of `water_densities.py`. Whole: of the charges of the model; what shifts them onto their total spreads"
        " what one atom changes over all others. Held: of atoms that still feel the potential that they felt, and"
        " exchange charge with a reservoir, not with each other; in `response`, where differences of potentials alone"
        " move charge, their mean over the chain is left.",
    ]


def plot(results: list[dict], path: Path) -> None:
    """Decay of all models."""
    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    middles = np.sqrt(EDGES[1:] * EDGES[:-1])
    for number, name in enumerate(dict.fromkeys(r["preset"] for r in results)):
        there = [r for r in results if r["preset"] == name]
        for density, style in zip(DENSITIES, ("-o", ":s"), strict=True):
            axis.loglog(middles, 1000 * mean(there, density), style, color=f"C{number}", label=f"{name}, {density}")
    axis.axvline(9.0, color="0.8", lw=6, zorder=0, label="features end")
    axis.set(xlabel="distance, Å", ylabel="|dq_i / dr_j|, me/Å")
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """All finished runs that were trained on densities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/papers/water_densities"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    runs, tables = (given.runs / "quick",) * 2 if given.quick else (given.runs, RESULTS)
    found = [(path.parent / "best", json.loads(path.read_text())) for path in sorted(runs.glob("*/result.json"))]
    chosen = [(best, r) for best, r in found if r["trained"] == "and densities"]
    if not chosen:
        raise SystemExit(f"{runs}: expected finished runs of water_densities.py, got none; run that first.")
    kept = ("preset", "seed", "machine", "threads", "date")
    here = [measure(best) | {key: r[key] for key in kept} | {"run": best.parent.name} for best, r in chosen]
    results = together(here, tables / f"{NAME}.json")
    print(write_table(NAME, table(results), results, tables))
    plot(results, tables / f"{NAME}.png")


if __name__ == "__main__":
    main()
