"""Coulomb sums of ours and of other libraries, alternating in one process: ratios of CPU time at equal accuracy.

In a fresh environment (CPU build of torch first, if no CUDA is wanted), then at the root of the project:

    pip install -c benchmarks/constraints-coulomb.txt -e ".[train,viz,fast]" \
        torch-pme nvalchemi-toolkit-ops mlipops openmm matplotlib
    python benchmarks/coulomb.py [--dtype float32] [--device cuda] [--threads 2] [--sizes 192 648] [--only-table]

Each call takes positions as new and counts neighbor lists, k vectors and meshes (but see coulomb_peers.py). Operations:
the energy; energy and forces; these and dE/dq; a training step, in which a small network gives the charges and the mean
square of the forces is differentiated in its parameters. A time is the least of the repetitions; of all threads, on the
CPU; elapsed, on a GPU. Errors are those of the forces, or of the gradient in a training step, against converged sums.
A library that is not installed, refuses or fails is a row with the reason.
"""

import argparse
import ctypes
import gc
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from coulomb_cases import OPERATIONS, Case, Peer, build
from coulomb_operations import call, converged
from coulomb_peers import PEERS, Leyden
from coulomb_report import write
from harness import RESULTS, machine
from torch import Tensor

FORMS = ("smeared", "point")
SIZES = (192, 648, 1536, 5184, 12288, 41472)
BATCHES = {"open": (32, 50, False), "periodic": (16, 192, True)}
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Threads that wait must not spin: their CPU time is counted."""
ACCURACY = (1e-4, 2e-4)
"""What we ask for in each form, for a measured force error of about 1e-4 at 648 atoms, as others have."""
EVERY_SIZE = ("Leyden", "torch-pme P3M", "nvalchemi PME")
"""Never left out for the time that they take."""
ARRAYS = dict(zip(OPERATIONS, (3, 8, 8, 12), strict=True))
"""Arrays N x K that are alive at once, at least, where a library has any."""


class Clock:
    """Seconds of a call, CPU time of all threads or elapsed time on a GPU, and the memory that it adds at its peak."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self.now = time.perf_counter if self.cuda else time.process_time

    def __call__(self, run: Callable[[], Tensor]) -> tuple[Tensor, float]:
        """What it returns, and seconds."""
        started = self.now()
        found = run()
        if self.cuda:
            torch.cuda.synchronize()
        return found, self.now() - started

    def peak(self, run: Callable[[], Tensor]) -> tuple[Tensor, float, float | None]:
        """What it returns, seconds, and MB at the peak above those before; None where the system does not tell."""
        gc.collect()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            found, seconds = self(run)
            return found, seconds, (torch.cuda.max_memory_allocated() - before) / 1e6
        if not Path("/proc/self/clear_refs").exists():
            return *self(run), None
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        found, seconds = self(run)
        return found, seconds, _status("VmHWM") - before


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1e3 for line in lines if line.startswith(name))


class Comparison:
    """All libraries on one case after another, by ascending size, so that too long a call is foreseen."""

    def __init__(self, given: argparse.Namespace, form: str) -> None:
        self.given, self.clock, self.ours = given, Clock(given.device), Leyden(given.accuracy[FORMS.index(form)])
        self.last: dict[tuple[str, ...], tuple[int, float]] = {}

    def rows(self, case: Case, exact: Case) -> list[dict]:
        """All operations of all libraries; `exact` is the case in float64."""
        rows, forces, gradient = [], converged("E + F", exact), converged("training", exact)
        for operation, truth in zip(OPERATIONS, (None, forces, forces, gradient), strict=True):
            mine = self._first("Leyden", self.ours, operation, case, truth)
            rows.append(mine)
            for name in self.given.peers:
                row = self._first(name, PEERS[name], operation, case, truth)
                if row["seconds"] and mine["seconds"]:
                    row |= self._alternate(PEERS[name], operation, case, row["seconds"] + mine["seconds"])
                    mine["seconds"] = min(mine["seconds"], row["ours"])
                rows.append(row)
                print(json.dumps(row), flush=True)
            print(json.dumps(mine), flush=True)
        return rows

    def _first(self, name: str, peer: Peer, operation: str, case: Case, truth: Tensor | None) -> dict:
        """A call to warm up, its error and memory, and a second one for the time; or the reason why not."""
        row = {"form": case.form, "case": case.name, "atoms": len(case.charges), "operation": operation, "peer": name}
        row |= {"seconds": None, "error": None, "memory": None, "reason": self._unfit(name, peer, operation, case)}
        if row["reason"]:
            return row
        try:
            run = call(operation, peer, case)
            found, seconds, row["memory"] = self.clock.peak(run)
            row["seconds"] = min(seconds, self.clock(run)[1]) if seconds < self.given.budget else seconds
        except ImportError as error:
            return row | {"reason": f"not installed: {error}"}
        except Exception as error:
            return row | {"reason": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"}
        if case.system.count == 1:
            self.last[name, operation, case.form] = len(case.charges), row["seconds"]
        if truth is not None:
            row["error"] = ((found.double() - truth).norm() / truth.norm()).item()
        return row

    def _unfit(self, name: str, peer: Peer, operation: str, case: Case) -> str:
        size = peer.products(case) * case.charges.element_size() * ARRAYS[operation] / 1e9
        atoms, seconds = self.last.get((name, operation, case.form), (len(case.charges), 0.0))
        expected = seconds * (len(case.charges) / atoms) ** (2.0 if size else 1.2)
        if size > self.given.memory:
            return f"arrays N x K of {size:.0f} GB"
        slow = expected > self.given.longest and name not in EVERY_SIZE
        return f"a call of about {expected:.0f} s" if slow else peer.refuses(case, operation)

    def _alternate(self, peer: Peer, operation: str, case: Case, pair: float) -> dict:
        """Ours, theirs, ours, theirs: the least of each."""
        ours, theirs = call(operation, self.ours, case), call(operation, peer, case)
        count = max(1, min(self.given.repeat, int(self.given.budget / pair)))
        times = [(self.clock(ours)[1], self.clock(theirs)[1]) for _ in range(count)]
        mine, seconds = (min(column) for column in zip(*times, strict=True))
        return {"seconds": seconds, "ours": mine, "ratio": seconds / mine, "repetitions": count}

    def reuse(self, case: Case) -> dict:
        """Applying a bound operator again, as a self-consistent cycle does, beside E + F of new positions."""
        bound = self.ours.bind(case.system.positions, case)

        def apply() -> Tensor:
            with torch.no_grad():
                return bound.apply(case.charges[:, None])

        calls = call("E + F", self.ours, case), apply
        times = [[self.clock(run)[1] for run in calls] for _ in range(4)]
        forces, again = (min(column) for column in zip(*times, strict=True))
        return {"form": case.form, "case": case.name, "forces": forces, "apply": again}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="atoms in a box, 3 n^3")
    parser.add_argument("--batches", nargs="*", default=list(BATCHES), choices=BATCHES)
    parser.add_argument("--forms", nargs="*", default=FORMS, choices=FORMS)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--accuracy", type=float, nargs=2, default=ACCURACY, help="of ours, each form")
    parser.add_argument("--dtype", default="float64", choices=["float64", "float32"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--budget", type=float, default=1.5, help="seconds for the repetitions of an operation")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of a call that is still made, of most")
    parser.add_argument("--memory", type=float, default=8.0, help="GB of arrays N x K that are still made")
    parser.add_argument("--name", default="coulomb", help="of the files of results")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--only-table", action="store_true", help="write table and plot of the numbers in the output")
    return parser.parse_args()


def measure(given: argparse.Namespace, path: Path) -> None:
    """Everything, after a case to warm up (kernels are compiled); saved after every case."""
    dtype = getattr(torch, given.dtype)
    settings = {name: {form: str(s) for form, s in PEERS[name].settings.items() if s} for name in given.peers}
    found = {"machine": torch.cuda.get_device_name() if given.device == "cuda" else machine(), "rows": [], "reuse": []}
    found |= {"date": time.strftime("%Y-%m-%d"), "settings": settings, "command": _command(given)}
    found["kept"] = {name: PEERS[name].kept for name in given.peers}
    found |= {key: vars(given)[key] for key in ("threads", "dtype", "device", "accuracy")}
    found["versions"] = {p.package: p.version for p in (Leyden(), *(PEERS[name] for name in given.peers))}
    shapes = [(1, atoms, True) for atoms in sorted(given.sizes)] + [BATCHES[name] for name in given.batches]
    for form in given.forms:
        Comparison(given, form).rows(*(build(form, 1, 192, True, d, given.device) for d in (dtype, torch.float64)))
        compare = Comparison(given, form)
        for shape in shapes:
            case, exact = (build(form, *shape, d, given.device) for d in (dtype, torch.float64))
            rows = compare.rows(case, exact)
            found["rows"] += rows
            if all(row["seconds"] for row in rows if row["peer"] == "Leyden"):
                found["reuse"].append(compare.reuse(case))
            path.write_text(json.dumps(found, indent=1) + "\n")


def _command(given: argparse.Namespace) -> str:
    """As it was called, without the folder that the results go to."""
    words = [word for word in sys.argv if word not in ("--output", str(given.output))]
    return " ".join([f"benchmarks/{Path(words[0]).name}", *words[1:]])


def quiet() -> None:
    """Start anew in an environment where threads that wait do not spin."""
    if QUIET.items() - os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | QUIET)


def main() -> None:
    """Measure, unless told not to, and write the table and the plot."""
    quiet()
    given = arguments()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    given.output.mkdir(exist_ok=True)
    path = given.output / f"{given.name}_{given.device}_{given.dtype}.json"
    if not given.only_table:
        measure(given, path)
    print(write(json.loads(path.read_text()), path))


if __name__ == "__main__":
    main()
