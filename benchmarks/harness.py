"""What the training benchmarks share: resumable runs in a folder, one JSON a run, one table of all."""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import write
from numpy.typing import NDArray
from rich.console import Console

from leyden.checks import InputError
from leyden.potential import Potential
from leyden.train.config import Config
from leyden.train.metrics import Evaluation, Parity
from leyden.train.run import train

RESULTS = Path(__file__).parent / "results"
PUBLISHED_WIDTH = 0.5**0.5
"""Å, of the Gaussians of the published latent charges: their sigma, 1 Å, is sqrt(2) times the standard deviation."""


@dataclass(frozen=True)
class Job:
    """A preset with a seed; its run folder, its result file, and what else tells its row of a table."""

    preset: str
    seed: int
    folder: Path
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def result(self) -> Path:
        """Where the numbers of a finished run are."""
        return self.folder / "result.json"


def options(
    description: str, output: Path, epochs: int | None, *paths: str, **choices: Iterable[str]
) -> argparse.ArgumentParser:
    """The command line of a training benchmark: paths, an option for each of `choices`, seeds, epochs, output folder,
    and the table alone; `tables` is where that goes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in paths:
        parser.add_argument(name, type=Path)
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=list(values), nargs="*", default=list(values))
    parser.add_argument("--seed", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--output", type=Path, default=output)
    parser.add_argument("--table", action="store_true", help="write the table from finished runs and do nothing else")
    parser.set_defaults(tables=RESULTS)
    return parser


def complete(
    name: str,
    given: argparse.Namespace,
    jobs: Iterable[Job],
    config: Callable[[Job], Config],
    measure: Callable[[Path, Job], dict],
    table: Callable[[list[dict]], list[str]],
    folder: Path | None = None,
) -> list[dict]:
    """Run all jobs, if not only the table is wanted, and write the table of all finished runs, of the folder (that of
    the command line) and behind the table before; returns their results.

    Raises SystemExit, with one sentence, for bad data, and where no run is finished.
    """
    folder, tables = folder or given.output, given.tables
    try:
        for job in [] if given.table else jobs:
            run(job, config(job), partial(measure, job=job))
    except InputError as error:
        raise SystemExit(str(error)) from None
    results = gathered(folder, tables / f"{name}.json")
    if not results:
        raise SystemExit(f"{folder}: expected finished runs, got none; run without --table, or correct --output.")
    here = sum((folder / result["run"] / "result.json").exists() for result in results)
    print(f"{here} runs of {folder}, {len(results) - here} that are only behind the table before")
    print(write_table(name, table(results), results, tables))
    return results


def run(job: Job, config: Config, measure: Callable[[Path], dict]) -> dict:
    """Train (or go on training) and measure the best model; a finished run is read, not repeated."""
    if job.result.exists():
        return json.loads(job.result.read_text())
    started = time.process_time()
    done = train(config, restart="auto", console=Console(soft_wrap=True))
    found = measure(done.best) | {
        **job.about,
        "preset": job.preset,
        "seed": job.seed,
        "epochs": done.epochs,
        "training_seconds": done.seconds,
        "cpu_seconds_last_start": time.process_time() - started,
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
    }
    job.result.write_text(json.dumps(found, indent=1))
    return found


def machine() -> str:
    """Processor and number of cores."""
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def numbers(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """RMSE, MAE, R2 and slope of every property."""
    return {
        name: {"rmse": rmse, "mae": mae, "r2": r2, "slope": slope, "unit": unit}
        for name, unit, rmse, mae, r2, slope in evaluation.table()
    }


def figures(parity: Parity) -> dict[str, float]:
    """RMSE, MAE, R2 and slope of one property."""
    return {"rmse": parity.rmse, "mae": parity.mae, "r2": parity.r2, "slope": parity.slope}


def gathered(folder: Path, before: Path) -> list[dict]:
    """The numbers of all finished runs in a folder, together with those behind an earlier table."""
    here = [json.loads(path.read_text()) | {"run": path.parent.name} for path in folder.glob("*/result.json")]
    return together(here, before)


def together(here: Sequence[dict], before: Path) -> list[dict]:
    """Results, and those behind an earlier table of runs that are not among them (those that were written with the name
    of their run), in order of names."""
    earlier = json.loads(before.read_text()) if before.exists() else []
    kept = {result["run"]: result for result in [*earlier, *here] if "run" in result}
    return [kept[run] for run in sorted(kept)]


def heading(title: str, command: str, results: Sequence[dict]) -> list[str]:
    """Title, command, machines, threads and dates of a table."""
    machines = sorted({f"{r['machine']}, {r['threads']} threads a run" for r in results})
    dates = sorted({r["date"] for r in results})
    return [
        f"# {title}",
        "",
        f"{command}; {'; '.join(machines)}; {' to '.join(dict.fromkeys(dates[:1] + dates[-1:]))}",
        "",
    ]


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    first, *others = ("| " + " | ".join(cells) + " |" for cells in (header, *rows))
    return [first, "|---" * len(header) + "|", *others]


def write_frames(frames: Sequence[Atoms], path: Path) -> Path:
    """Write a file as a whole, so that no other run ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}-{os.getpid()}{path.suffix}")
    write(unfinished, list(frames), format="extxyz")
    unfinished.replace(path)
    return path


def weights(potential: Potential) -> int:
    """Of backbone and charges together."""
    return sum(weight.numel() for weight in potential.parameters())


def of_frames(parity: Parity, chosen: NDArray[np.bool_]) -> Parity:
    """The entries of chosen frames (F,)."""
    kept = chosen[parity.frame]
    return replace(parity, reference=parity.reference[kept], predicted=parity.predicted[kept], frame=parity.frame[kept])


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """Mean and standard deviation over seeds."""
    v = np.array(values) * scale
    return f"{v.mean():z.{digits}f} ± {v.std(ddof=1):.{digits}f}" if len(v) > 1 else f"{v.mean():z.{digits}f}"


def write_table(name: str, lines: Sequence[str], results: Sequence[dict], tables: Path = RESULTS) -> Path:
    """Write NAME.md and the numbers behind it, NAME.json, into a folder."""
    tables.mkdir(exist_ok=True)
    (tables / f"{name}.json").write_text(json.dumps(list(results), indent=1) + "\n")
    path = tables / f"{name}.md"
    path.write_text("\n".join(lines) + "\n")
    return path
