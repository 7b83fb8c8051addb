"""Atoms a second: training steps (forces, through charges) and molecular-dynamics steps, on the devices at hand.

python benchmarks/throughput.py [--threads 2]

Synthetic water: open clusters of 45 atoms as a stand-in for molecules, and periodic boxes of 192 atoms at 1 g/cm^3.
Each figure is the median of several calls after a warm-up; ratios between rows of one table come from one process.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from harness import machine, write_table
from scipy.spatial.transform import Rotation

from leyden.derivatives import forces
from leyden.neighbors import NeighborList, neighbor_list
from leyden.potential import Potential
from leyden.spec import PotentialSpec, build
from leyden.system import System
from leyden.train.config import PRESETS

SPACING = 3.105
"""Å between waters on a cubic grid: 0.0334 molecules / Å^3."""
BASE = "les"
"""The preset whose times are the unit of the others."""


def water(side: tuple[int, int, int], periodic: bool, seed: int = 0) -> Atoms:
    """Waters of random orientation on a slightly disordered grid."""
    rng, one, out = np.random.default_rng(seed), molecule("H2O"), Atoms()
    one.positions -= one.positions[0]
    for cell in np.ndindex(*side):
        turned = one.copy()
        turned.positions = Rotation.random(random_state=rng).apply(one.positions) + np.array(cell) * SPACING
        turned.positions += rng.uniform(-0.2, 0.2, 3)
        out += turned
    out.cell, out.pbc = np.array(side) * SPACING, periodic
    return out


def potential(preset: str) -> Potential:
    """Fresh weights; the cost does not depend on them."""
    torch.manual_seed(0)
    return build(PotentialSpec(charges=PRESETS[preset].charges, elements=(1, 8), average_neighbors=30.0, baseline={}))


def median(call: Callable[[], object], device: str, repeats: int = 7) -> float:
    """Median seconds of a call, after two to warm up."""
    seconds = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:])


def training_step(model: Potential, system: System, pairs: NeighborList) -> None:
    """Forces through the charges, and the gradient of a loss of energies and forces."""
    with model.asked(order=2):  # as training does
        found = forces(model, system, pairs, stress=False, create_graph=True)
    (found.forces.square().mean() + found.output.energy.square().mean()).backward()


def measure(preset: str, system: System, device: str, dtype: torch.dtype) -> tuple[float, float]:
    """Atoms a second of a training step and of a step of dynamics (neighbor list included)."""
    model, system = potential(preset).to(device, dtype), system.to(device, dtype)
    pairs, periodic = neighbor_list(system, model.backbone.cutoff), bool(system.pbc.all())

    def train() -> None:
        training_step(model, system, pairs)

    def move() -> None:
        forces(model, system, stress=periodic)

    atoms = len(system.positions)
    return atoms / median(train, device), atoms / median(move, device)


def rows(device: str, presets: Sequence[str], only: str) -> Sequence[dict]:
    """The presets on the systems of one device whose names contain `only`."""
    batches = {
        "5 open x 45": System.from_ase([water((5, 3, 1), False, n) for n in range(5)]),
        "32 open x 45": System.from_ase([water((5, 3, 1), False, n) for n in range(32)]),
        "1 periodic x 192": System.from_ase(water((4, 4, 4), True)),
        "4 periodic x 192": System.from_ase([water((4, 4, 4), True, n) for n in range(4)]),
    }
    if device == "cuda":
        batches["1 periodic x 1536"] = System.from_ase(water((8, 8, 8), True))
    out = []
    for name, system in batches.items():
        for preset in presets if only in name else ():
            train, move = measure(preset, system, device, torch.float32)
            out.append({"device": device, "batch": name, "preset": preset, "train": train, "move": move})
            print(out[-1], flush=True)
    return out


def main() -> None:
    """Measure every device and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--devices", nargs="*", default=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
    parser.add_argument("--presets", nargs="*", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--only", default="", help="batches with this in their name, without writing a table")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = [row for device in given.devices for row in rows(device, given.presets, given.only)]
    if given.only:
        return
    where = {"cpu": f"{machine()}, {given.threads} threads"}
    if "cuda" in given.devices:
        where["cuda"] = torch.cuda.get_device_name()
    lines = [
        "# Throughput, float32, 32 channels, 2 layers, cutoff 4.5 Å",
        "",
        f"`benchmarks/throughput.py`; torch {torch.__version__}; {time.strftime('%Y-%m-%d')}",
        "",
        "| device | batch | preset | training step, atoms/s | energy + forces (+ stress), atoms/s |"
        f" time of a training step / {BASE} | of energy + forces / {BASE} |",
        "|---|---|---|---|---|---|---|",
    ]
    base = {(r["device"], r["batch"]): r for r in found if r["preset"] == BASE}
    for r in found:
        unit = base.get((r["device"], r["batch"]))
        ratios = [f"{unit[key] / r[key]:.2f}" if unit else "-" for key in ("train", "move")]
        cells = [where[r["device"]], r["batch"], r["preset"], f"{r['train']:.0f}", f"{r['move']:.0f}", *ratios]
        lines.append("| " + " | ".join(cells) + " |")
    print(write_table("throughput_" + "_".join(given.devices), lines, found))


if __name__ == "__main__":
    main()
