"""What charges cost beside a MACE model: a step of dynamics and of training, with latent charges and without.

python benchmarks/backbone_speed.py                          in an environment with leyden[mace]
python benchmarks/backbone_speed.py --size small --atoms 192 1029

Periodic boxes of synthetic water at 1 g/cm^3, float32. The models are fresh, with the sizes of the published ones:
small has 128 scalars, medium 128 scalars and vectors, both two layers, harmonics up to rank 3, correlation 3 and a
cutoff of 4.5 Å. With and without charges are timed in turn, in CPU time, and the quickest of several calls counts,
since other work on the machine only ever adds to it. A step of training: derivatives of a loss of energies and forces
by all weights.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence

import torch
from harness import machine, write_table
from throughput import water

from leyden.derivatives import forces
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.spec import MACESpec, PotentialSpec, build
from leyden.spec.presets import PRESETS
from leyden.system import System

SIZES = {"small": 0, "medium": 1}
"""Highest rank of the features."""
EDGES = (3, 4, 6, 7, 10, 12)
"""Molecules along the edge of a box: 81 to 5,184 atoms."""
LARGEST = {("small", "train"): 648, ("medium", "train"): 192, ("small", "move"): 5184, ("medium", "move"): 3000}
"""Atoms that are tried by default; more need more than 20 GB."""


def potential(size: str, preset: str) -> Potential:
    """Fresh weights; the cost does not depend on them."""
    torch.manual_seed(0)
    backbone = MACESpec(cutoff=4.5, channels=128, lmax=SIZES[size])
    charges = PRESETS[preset].charges
    made = build(
        PotentialSpec(backbone=backbone, charges=charges, elements=(1, 8), average_neighbors=38.0, baseline={})
    )
    return made.float()


def step(model: Potential, system: System, kind: str) -> Callable[[], object]:
    """A step of dynamics, neighbor list included, or of training."""
    if kind == "move":
        model.requires_grad_(False)
        return lambda: forces(model, system)
    pairs = neighbor_list(system, model.backbone.cutoff)

    def train() -> None:
        with model.asked(order=2):
            found = forces(model, system, pairs, stress=False, create_graph=True)
        loss = found.forces.square().mean() + found.output.energy.square().mean()
        loss.backward(inputs=[w for w in model.parameters() if w.requires_grad])

    return train


def seconds(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """CPU seconds of the quickest of each, in turn, after one call to warm up."""
    best = [float("inf")] * len(calls)
    for round_ in range(repeats + 1):
        for n, call in enumerate(calls):
            started = time.process_time()
            call()
            if round_:
                best[n] = min(best[n], time.process_time() - started)
    return best


def measure(size: str, atoms: int, kind: str, preset: str, repeats: int) -> dict:
    """Both models on one box."""
    edge = round((atoms / 3) ** (1 / 3))
    system = System.from_ase(water((edge,) * 3, True), dtype=torch.float32)
    bare, full = seconds([step(potential(size, name), system, kind) for name in ("short-range", preset)], repeats)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {"size": size, "atoms": atoms, "kind": kind, "preset": preset, "bare": bare, "full": full, "memory": memory}
    print(row, flush=True)
    return row


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    boxes = [3 * edge**3 for edge in EDGES]
    parser.add_argument("--size", choices=SIZES, nargs="*", default=list(SIZES))
    parser.add_argument("--atoms", type=int, choices=boxes, nargs="*", default=boxes)
    parser.add_argument("--preset", choices=PRESETS, default="les")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = [
        measure(size, atoms, kind, given.preset, given.repeats)
        for size in given.size
        for kind in ("move", "train")
        for atoms in given.atoms
        if atoms <= LARGEST[size, kind]
    ]
    lines = [
        "# What latent charges cost beside MACE",
        "",
        f"`benchmarks/backbone_speed.py`; {machine()}, {given.threads} threads; torch {torch.__version__}, float32;"
        f" {time.strftime('%Y-%m-%d')}",
        "",
        f"| MACE | step of | atoms | MACE alone, CPU s | with `{given.preset}`, CPU s | overhead, % |",
        "|---|---|---|---|---|---|",
    ]
    names = {"move": "dynamics", "train": "training"}
    for r in found:
        over = 100 * (r["full"] / r["bare"] - 1)
        lines.append(
            f"| {r['size']} | {names[r['kind']]} | {r['atoms']} | {r['bare']:.2f} | {r['full']:.2f} | {over:+.1f} |"
        )
    lines += [
        "",
        f"Synthetic water at 1 g/cm³, cutoff 4.5 Å; the quickest of {given.repeats} calls each, in turn. Times are of a"
        " shared machine: the overhead is what to read, to within a few per cent of noise. Dynamics: energy, forces and"
        " stress with a fresh neighbor list; training: derivatives of a loss of energies and forces by all weights."
        " Larger boxes than those shown need more memory than the machine has.",
    ]
    print(write_table("backbone_speed", lines, found))


if __name__ == "__main__":
    main()
