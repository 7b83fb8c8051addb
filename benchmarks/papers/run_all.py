"""All experiments of this folder, one after the other.

python benchmarks/papers/run_all.py DATA PUBLISHED             tables and pictures in ../results; days on two cores
python benchmarks/papers/run_all.py DATA PUBLISHED --quick     each with one seed and few epochs, to see that it runs

DATA has folders that generators of datasets/ made (melts, ...), before those that lie there; PUBLISHED those of
published sets (hdnnp4g, tio2_water, ...). An experiment whose data are not there is named and left out.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DATASETS = HERE.parents[1] / "datasets"


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


def main() -> None:
    """Run those whose data are there, and say how long each took; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    failed: list[str] = []
    left_out: list[str] = []
    for experiment in EXPERIMENTS:
        folders = experiment.folders(given.data, given.published)
        missing = [str(folder) for folder in folders if not folder.exists()]
        if experiment.after in (*left_out, *failed):
            missing.append(f"run of {experiment.after}")
        if missing:
            left_out.append(experiment.name)
            print(f"{experiment.name}: left out, as there is no {', '.join(missing)}", flush=True)
            continue
        started = time.monotonic()
        command = [sys.executable, str(HERE / f"{experiment.name}.py"), *map(str, folders)]
        status = subprocess.run([*command, *(["--quick"] if given.quick else [])]).returncode
        if status:
            failed.append(experiment.name)
        print(f"{experiment.name}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
