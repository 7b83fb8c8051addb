"""What the experiments of the papers share: models that differ in their charges only, and a quick version of each.

Experiments stand one floor above the other benchmarks and use their harness.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib

sys.path.append(str(Path(__file__).parents[1]))

from harness import Job, complete, grid, heading, numbers, of_frames, options, spread, weights, write_frames

from leyden.spec import CartesianSpec, ModelSpec
from leyden.spec.presets import PRESETS
from leyden.train.config import Config

__all__ = [
    "Job", "asked", "complete", "costs", "experiment", "grid", "heading", "models", "numbers", "of_frames", "spread",
    "weights", "write_frames",
]  # fmt: skip

matplotlib.use("agg")


def asked(
    description: str,
    name: str,
    epochs: int,
    quick: int,
    *paths: str,
    also: Mapping[str, Mapping] | None = None,
    **choices: Iterable[str],
) -> argparse.Namespace:
    """The command line of an experiment, `also` being options of its own, with what argparse takes of each; with
    --quick one seed, `quick` epochs and a folder of its own, whose table is not one of the results."""
    parser = options(description, Path("runs/papers") / name, epochs, *paths, **choices)
    parser.add_argument("--quick", action="store_true", help="one seed and few epochs, to see that it runs")
    for option, settings in (also or {}).items():
        parser.add_argument(f"--{option}", **settings)
    given = parser.parse_args()
    absent = [str(vars(given)[place]) for place in paths if not vars(given)[place].exists()]
    if absent and not given.table:
        parser.error(f"{', '.join(absent)}: expected data, got nothing there; --help says what they are.")
    given.places = " ".join(paths).upper()
    if given.quick:
        given.seed, given.epochs, given.output = [0], quick, given.output / "quick"
        given.tables = given.output
    return given


def models(backbone: CartesianSpec, *names: str, formal: Mapping[int, float] | None = None) -> dict[str, ModelSpec]:
    """Presets on the same backbone; formal charges (e by atomic number) for those whose charge moves along bonds."""
    out = {}
    for name in names:
        charges = PRESETS[name].charges
        if charges is not None and "formal" in type(charges).model_fields and formal is not None:
            charges = charges.model_copy(update={"formal": dict(formal)})
        out[name] = ModelSpec(backbone=backbone, charges=charges)
    return out


def costs(there: Sequence[dict]) -> list[str]:
    """Seeds, minutes of training, and weights of one model, as cells of a table."""
    minutes = spread([result["training_seconds"] / 60 for result in there])
    return [str(len(there)), minutes, f"{there[0]['weights']:,}"]


def experiment(
    name: str,
    given: argparse.Namespace,
    jobs: Iterable[Job],
    config: Callable[[Job], Config],
    measure: Callable[[Path, Job], dict],
    table: Callable[[list[dict], str], list[str]],
    plot: Callable[[list[dict], Path], None],
) -> None:
    """Run all jobs, if not only the table is wanted; table and picture from all finished runs.

    table takes the results and the command that gives them.
    """
    command = f"`benchmarks/papers/{name}.py {given.places} --epochs {given.epochs}`"
    results = complete(name, given, jobs, config, measure, partial(table, command=command))
    plot(results, given.tables / f"{name}.png")
