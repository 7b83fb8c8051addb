"""All experiments of this folder.

python benchmarks/papers/run_all.py DATA PUBLISHED             tables and pictures in ../results; days
python benchmarks/papers/run_all.py DATA PUBLISHED --quick     each with one seed and few epochs, to see that it runs
python benchmarks/papers/run_all.py DATA PUBLISHED --jobs 2    two at a time, which print to files of `LOGS`

DATA has folders that generators of datasets/ made (melts, ...), before those that lie there; PUBLISHED those of
published sets (hdnnp4g, tio2_water, ...). An experiment whose data are not there is named and left out.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
DATASETS = HERE.parents[1] / "datasets"
LOGS = Path("runs/papers")


@dataclass(frozen=True)
class Experiment:
    """A script, the folders or files that it takes, made here or published, and another whose runs it reads."""

    name: str
    made: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    after: str = ""

    def folders(self, data: Path, published: Path) -> list[Path]:
        """In the order in which the script takes them."""
        ours = (data / name if (data / name).exists() else DATASETS / name for name in self.made)
        return [*ours, *(published / name for name in self.published)]


EXPERIMENTS = (
    Experiment("random_charges", ("melts",)),
    Experiment("known_charges", ("known_charges",)),
    Experiment("charged_dimers", (), ("charged_dimers_lode",)),
    Experiment("dipeptides", (), ("spice_dipeptides_polar",)),
    Experiment("water_spectrum", (), ("water_rpbe_d3",)),
    Experiment("molten_salt", ("melts",)),
    Experiment("charged_molecules", ("charged_clusters",), ("hdnnp4g/carbon_chain_subset128.xyz",)),
    Experiment("gold_on_oxide", (), ("hdnnp4g",)),
    Experiment("oxide_water", (), ("tio2_water",)),
    Experiment("partial_charges", (), ("spice_dipeptides_polar",)),
    Experiment("silica_vacancies", ("silica_vacancies",)),
    Experiment("metal_water", ("metal_water",)),
    Experiment("water_densities", ("water_densities",)),
    Experiment("locality", after="water_densities"),
)


def run(experiment: Experiment, given: argparse.Namespace, before: Mapping[str, str]) -> str:
    """Run a script and say how long it took, or why it is left out; returns how it ended: done, failed, left out.

    before: the same of experiments that ended before.
    """
    folders = experiment.folders(given.data, given.published)
    missing = [str(folder) for folder in folders if not folder.exists()]
    if experiment.after and before[experiment.after] != "done":
        missing.append(f"run of {experiment.after}")
    if missing:
        print(f"{experiment.name}: left out, as there is no {', '.join(missing)}", flush=True)
        return "left out"
    started = time.monotonic()
    command = [sys.executable, str(HERE / f"{experiment.name}.py"), *map(str, folders)]
    log = LOGS / f"{experiment.name}.log" if given.jobs > 1 else None
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"{experiment.name}: begins, and prints to {log}", flush=True)
    with log.open("w") if log else nullcontext() as stream:
        ended = subprocess.run(
            [*command, *(["--quick"] if given.quick else [])],
            stdout=stream,
            stderr=stream,
            env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // given.jobs)), **os.environ},
        )
    outcome = "failed" if ended.returncode else "done"
    print(f"{experiment.name}: {outcome}, {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    return outcome


def main() -> None:
    """Run those whose data are there; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    given = parser.parse_args()
    if given.jobs < 1:
        parser.error(f"--jobs: expected 1 or more, got {given.jobs}.")
    ended: dict[str, str] = {}
    for later in (False, True):
        these = [experiment for experiment in EXPERIMENTS if bool(experiment.after) == later]
        with ThreadPoolExecutor(given.jobs) as pool:
            outcomes = pool.map(partial(run, given=given, before=dict(ended)), these)
            ended |= {experiment.name: outcome for experiment, outcome in zip(these, outcomes, strict=True)}
    failed = [name for name, outcome in ended.items() if outcome == "failed"]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
