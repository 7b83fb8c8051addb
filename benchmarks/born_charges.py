"""Born charges beside one call for energy and forces: time and memory.

python benchmarks/born_charges.py [--part periodic open] [--dtype float32 float64] [--sizes 3 4 6 8 9]

Water: periodic boxes of n^3 molecules at 1 g/cm^3, energy with forces and stress against Born charges along all axes;
open clusters, energy with forces against -d2E/dfield dr. Fresh weights, one thread, neighbor lists given. A time is the
least CPU time of several calls, taken in turns. Memory is the highest resident memory of a process of its own above
what it held before the call, after a call on two molecules; as Linux counts it (VmHWM, set back before each call).
"""

import argparse
import ctypes
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch
from harness import RESULTS, machine, write_table
from throughput import potential, water

from leyden.derivatives import forces
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.system import System
from leyden.train.progress import track

PERIODIC = ("les", "split")
OPEN = ("les", "split", "qeq", "sqe", "polarizable", "response", "variational")
DTYPES = ("float32", "float64")
CLUSTERS = ((5, 3, 1), (4, 4, 4))
TARGET = 12.0
"""Born charges cost at most this many calls for energy and forces."""
REPEATS = 7
PATIENCE = 15.0
"""Seconds after which a case is not repeated again, from the third time on."""
M_MMAP_THRESHOLD = -3
"""Of mallopt(3): from this size on, memory is taken from the system and given back."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Case:
    """A preset on a number of waters along each side."""

    preset: str
    side: tuple[int, int, int]
    periodic: bool
    dtype: str

    def calls(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Energy and forces (and stress); Born charges."""
        return _calls(potential(self.preset), self.side, self.periodic, getattr(torch, self.dtype))


def _calls(
    model: Potential, side: tuple[int, int, int], periodic: bool, dtype: torch.dtype
) -> tuple[Callable[[], object], Callable[[], object]]:
    model, system = model.to(dtype), System.from_ase(water(side, periodic)).to(dtype=dtype)
    pairs = neighbor_list(system, model.backbone.cutoff)
    return (
        lambda: forces(model, system, pairs, stress=periodic),
        lambda: born_charges(model, system, pairs=pairs),
    )


def times(case: Case) -> tuple[float, float]:
    """CPU seconds of both calls."""
    calls, least, started = case.calls(), [float("inf")] * 2, time.perf_counter()
    for repeat in range(REPEATS):
        if repeat > 2 and time.perf_counter() - started > PATIENCE:
            break
        for n, call in enumerate(calls):
            before = time.process_time()
            call()
            least[n] = min(least[n], time.process_time() - before)
    return least[0], least[1]


def peak(case: Case, which: int) -> float:
    """Highest resident memory during one of the calls above that before it, MiB."""
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 16)  # freed memory goes back at once
    call = case.calls()[which]
    _calls(potential(case.preset), (2, 1, 1), case.periodic, getattr(torch, case.dtype))[which]()
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    call()
    return _resident("VmHWM") - before


def apart(call: Callable[..., Result], *arguments: object) -> Result:
    """The result of a call in a process of its own, forked from this one, which evaluates nothing itself."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(call, arguments)


def _resident(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def cases(part: str, dtype: str, sizes: Sequence[int]) -> list[Case]:
    """The cases of one part of the table."""
    if part == "periodic":
        return [Case(p, (n, n, n), True, dtype) for p in PERIODIC for n in sizes]
    return [Case(p, side, False, dtype) for side in CLUSTERS for p in OPEN]


def measure(case: Case) -> dict:
    """Times and memory of one case."""
    first, born = apart(times, case)
    held, held_born = (apart(peak, case, which) for which in (0, 1))
    return {
        **asdict(case), "side": list(case.side), "atoms": 3 * case.side[0] * case.side[1] * case.side[2],
        "forces_seconds": first, "born_seconds": born, "forces_mib": held, "born_mib": held_born,
        "machine": machine(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def identity(row: dict) -> tuple:
    """What a row was measured of."""
    return not row["periodic"], row["dtype"], row["atoms"] if not row["periodic"] else 0, row["preset"], row["atoms"]


def table(results: Sequence[dict]) -> list[str]:
    """One row a case; both ratios."""
    largest = max(r["born_seconds"] / r["forces_seconds"] for r in results)
    said = "no case needs more" if largest <= TARGET else f"the most that a case needs is {largest:.1f}"
    machines = sorted({f"{r['machine']}, 1 thread; torch {r['torch']}; {r['date']}" for r in results})
    lines = [
        "# Born charges beside one call for energy and forces",
        "",
        f"`benchmarks/born_charges.py`; {'; '.join(machines)}",
        "",
        f"At most {TARGET:g} times the time of energy and forces is wanted; {said}.",
        "",
        "| water | preset | dtype | atoms | E + F (+ stress), ms | Born charges, ms | ratio of times | E + F, MiB |"
        " Born charges, MiB | ratio of memory |",
        "|---" * 10 + "|",
    ]
    for r in results:
        first, born, held, held_born = (r[k] for k in ("forces_seconds", "born_seconds", "forces_mib", "born_mib"))
        kind = "periodic" if r["periodic"] else "open"
        lines.append(
            f"| {kind} | {r['preset']} | {r['dtype']} | {r['atoms']} | {first * 1000:.1f} | {born * 1000:.1f} |"
            f" {born / first:.1f} | {held:.0f} | {held_born:.0f} | {held_born / held:.1f} |"
        )
    return [
        *lines,
        "",
        "Fresh weights, 32 channels, 2 layers, cutoff 4.5 Å; neighbor lists are given, not timed. A time is the least"
        f" CPU time of 3 to {REPEATS} calls, both kinds in turns. Memory: the highest resident memory above that before"
        " the call, each in a process of its own.",
    ]


def main() -> None:
    """Measure the parts asked for, one row after the other; other rows stay as the table has them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="*", choices=("periodic", "open"), default=["periodic", "open"])
    parser.add_argument("--dtype", nargs="*", choices=DTYPES, default=DTYPES)
    parser.add_argument("--sizes", nargs="*", type=int, default=[3, 4, 6, 8, 9], help="waters along a side of a box")
    given = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [case for part in given.part for dtype in given.dtype for case in cases(part, dtype, given.sizes)]
    path = RESULTS / "born_charges.json"
    kept = {identity(row): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    for case in track(wanted, "cases", len(wanted)):
        row = measure(case)
        kept[identity(row)] = row
        print(f"{case}: {row['born_seconds'] / row['forces_seconds']:.1f}", flush=True)
        results = [kept[key] for key in sorted(kept)]
        write_table("born_charges", table(results), results)


if __name__ == "__main__":
    main()
