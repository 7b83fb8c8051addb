"""What it saves to keep freed memory in the process: training steps, and steps of dynamics.

python benchmarks/memory.py

Steps of the preset les on the structures of throughput.py, float32 and one thread, each kind in processes of its own,
with `keep_freed_memory` and without, in turns. Processor seconds a step, and page faults; peaks of memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product

import numpy as np
import torch
from harness import grid, machine, write_table
from throughput import potential, training_step, water

from leyden.derivatives import forces
from leyden.memory import keep_freed_memory
from leyden.neighbors import neighbor_list
from leyden.system import System

BATCHES = {"5 open x 45": (5, (5, 3, 1), False), "1 periodic x 192": (1, (4, 4, 4), True)}
"""Structures, molecules along the axes, periodic."""
KINDS = ("training", "dynamics")
WARM, STEPS, TURNS = 5, 20, 3


def steps(batch: str, kind: str, keep: bool) -> dict[str, float]:
    """Processor seconds and page faults of a step, and the peak of memory (GB), of this process."""
    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    count, side, periodic = BATCHES[batch]
    system = System.from_ase([water(side, periodic, n) for n in range(count)]).to(dtype=torch.float32)
    model = potential("les").float()
    pairs = neighbor_list(system, model.backbone.cutoff)

    def step() -> None:
        if kind == "dynamics":
            forces(model, system, pairs, stress=False)
        else:
            training_step(model, system, pairs)

    for _ in range(WARM):
        step()
    before, faults = time.process_time(), _used().ru_minflt
    for _ in range(STEPS):
        step()
    used = _used()
    return {
        "seconds": (time.process_time() - before) / STEPS,
        "faults": (used.ru_minflt - faults) / STEPS,
        "peak": used.ru_maxrss / 1e6,
    }


def _used() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def elsewhere(*what: str) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--one", *what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        batch, kind, keep = given.one
        return print(json.dumps(steps(batch, kind, keep == "kept")))
    rows, found = [], []
    for batch, kind in product(BATCHES, KINDS):
        turns = [{how: elsewhere(batch, kind, how) for how in ("returned", "kept")} for _ in range(TURNS)]
        mean = {how: {key: np.mean([t[how][key] for t in turns]) for key in turns[0][how]} for how in turns[0]}
        ratios = [t["kept"]["seconds"] / t["returned"]["seconds"] for t in turns]
        cells = [f"{1000 * mean[how]['seconds']:.1f}" for how in mean]
        cells.append(f"{np.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        cells += [
            " / ".join(f"{mean[how][key]:{form}}" for how in mean) for key, form in (("faults", ".0f"), ("peak", ".2f"))
        ]
        rows.append([batch, kind, *cells])
        found += [{"batch": batch, "kind": kind, "how": how, **turn[how]} for turn in turns for how in turn]
    lines = [
        "# Freed memory returned to the system, or kept",
        "",
        f"`benchmarks/memory.py`; {machine()}, one thread; torch {torch.__version__}; {time.strftime('%Y-%m-%d')}",
        "",
        *grid(
            ["batch", "step", "returned, ms", "kept, ms", "kept / returned", "page faults", "peak, GB"],
            rows,
        ),
        "",
        f"Processor time of a step, mean of {STEPS}, in {TURNS} pairs of processes; in brackets least and most ratio.",
    ]
    print(write_table("memory", lines, found))


if __name__ == "__main__":
    main()
