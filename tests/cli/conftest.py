"""The `leyden` command in this process, and a trained model for all tests of commands."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from leyden.cli.main import main

SMALL = (
    "model.backbone.channels=4", "model.backbone.layers=1", "model.backbone.cutoff=3", "optimizer.epochs=2",
    "hardware.accelerator=cpu",
)  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def run(*arguments: object) -> Printed:
    """Run the entry point of the console script."""
    out, err, before = StringIO(), StringIO(), sys.argv
    sys.argv = ["leyden", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return Printed(code, out.getvalue(), err.getvalue())


def clusters(count: int, seed: int = 0) -> list[Atoms]:
    """Water and hydronium on springs of 1 Å."""
    rng, frames = np.random.default_rng(seed), []
    base = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [-0.3, -0.4, 0.8]])
    for number in range(count):
        size, charge = ((3, 0), (4, 1))[number % 2]
        atoms = Atoms("OH2" if size == 3 else "OH3", base[:size] + 0.05 * rng.normal(size=(size, 3)))
        vectors = atoms.positions[:, None] - atoms.positions
        r = np.linalg.norm(vectors, axis=2) + np.eye(size)
        atoms.arrays["REF_forces"] = -(10 * (r - 1) / r)[:, :, None].repeat(3, 2).__mul__(vectors).sum(1)
        atoms.info = {"REF_energy": 2.5 * ((r - 1) ** 2).sum() - 100.0 * size, "total_charge": charge}
        frames.append(atoms)
    return frames


@pytest.fixture(scope="session")
def leyden() -> Callable[..., Printed]:
    return run


@pytest.fixture
def frames() -> list[Atoms]:
    return clusters(6)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.xyz, test.xyz, config.yaml, and the run folder `run` of two epochs."""
    folder = tmp_path_factory.mktemp("cli")
    write(folder / "train.xyz", clusters(10), format="extxyz")
    write(folder / "test.xyz", clusters(4, 1), format="extxyz")
    (folder / "config.yaml").write_text(run("init", "--data", folder / "train.xyz").out)
    done = run("train", folder / "config.yaml", *SMALL, f"output={folder / 'run'}")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Overrides for a small model and a short run."""
    return SMALL
