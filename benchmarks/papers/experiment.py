"""What the experiments of the papers share: models that differ in their charges only, and a quick version of each.

Experiments stand one floor above the other benchmarks and use their harness.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib

sys.path.append(str(Path(__file__).parents[1]))

from harness import RESULTS, Job, complete, figures, heading, numbers, options, run, spread

from leyden.spec import CartesianSpec, ModelSpec
from leyden.spec.presets import PRESETS

__all__ = ["Job", "asked", "complete", "figures", "grid", "heading", "models", "numbers", "run", "spread"]

matplotlib.use("agg")


def asked(
    description: str, name: str, epochs: int, quick: int, *paths: str, **choices: Iterable[str]
) -> argparse.Namespace:
    """The command line of an experiment; with --quick one seed, `quick` epochs and a folder of its own, whose table is
    not one of the results."""
    parser = options(description, Path("runs/papers") / name, epochs, *paths, **choices)
    parser.add_argument("--quick", action="store_true", help="one seed and few epochs, to see that it runs")
    given = parser.parse_args()
    given.tables = RESULTS
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


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, *rows)]
    return [lines[0], "|---" * len(header) + "|", *lines[1:]]
