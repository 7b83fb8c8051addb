"""NequIP and Allegro in training: from a checkpoint, with charges beside it, or from scratch."""

from collections.abc import Callable
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from ase.data import chemical_symbols
from ase.io import read, write
from rich.console import Console
from torch import nn

from leyden import augment, load
from leyden.checks import InputError
from leyden.train.config import Config, validated
from leyden.train.run import train

pytestmark = pytest.mark.skipif(find_spec("nequip") is None, reason="needs leyden[nequip]")

DATA = Path(__file__).parents[3] / "datasets" / "ion_pairs" / "train.xyz"
SIZES: dict[str, dict[str, Any]] = {
    "nequip": {"cutoff": 4.0, "channels": 4, "lmax": 1, "layers": 2, "basis": 4},
    "allegro": {"cutoff": 4.0, "channels": 4, "scalars": 8, "lmax": 1, "layers": 1, "basis": 4},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data.xyz", read(DATA, "::16"), format="extxyz")
    return tmp_path / "data.xyz"


@pytest.fixture
def file(tmp_path: Path, data: Path, checkpoint: Callable[[Path, dict[str, Any]], nn.Module]) -> Path:
    """A checkpoint of a small random model of the elements of the data and one more."""
    elements = sorted({int(z) for frame in read(data, ":") for z in frame.numbers} | {79})
    config = {
        "_target_": "nequip.model.NequIPGNNModel", "seed": 1, "model_dtype": "float64", "r_max": 4.0,
        "type_names": [chemical_symbols[z] for z in elements], "num_layers": 2, "l_max": 1, "num_features": 4,
        "radial_mlp_width": 8, "avg_num_neighbors": 10.0, "per_type_energy_scales": 1.0, "per_type_energy_shifts": -1.0,
    }  # fmt: skip
    checkpoint(tmp_path / "small.ckpt", config)
    return tmp_path / "small.ckpt"


def config(data: Path, model: dict[str, Any], epochs: int) -> Config:
    content = {
        "output": data.parent / "run",
        "data": {"train": data, "validation_fraction": 0.3},
        "model": model,
        "optimizer": {"epochs": epochs, "warmup_steps": 1, "ema_decay": 0.0},
        "hardware": {"accelerator": "cpu", "dtype": "float64"},
    }
    return validated(content, "test")


def run(given: Config) -> str:
    """Train, and return what was printed."""
    printed = StringIO()
    train(given, console=Console(file=printed, width=200))
    return printed.getvalue()


def test_from_file(data: Path, file: Path) -> None:
    """The model is what it was, its features stay if frozen, and charges leave their quiet start."""
    given = config(data, {"backbone": {"kind": "nequip", "from": str(file), "freeze": "features"}}, epochs=2)
    assert given.model.backbone.reach() == 4.0
    assert "set model.backbone.reference=data" in run(given)
    best, start = load(given.output / "best"), augment(file).backbone
    assert best.baseline.energies == start.reference and best.baseline.energies[79] == -1.0
    assert best.charges.charge.bias.detach().abs().max() > 1e-3
    before, readouts = dict(start.model.named_parameters()), set(map(id, best.backbone.readouts()))
    moved = {name for name, weight in best.backbone.model.named_parameters() if not torch.equal(weight, before[name])}
    still = {name for name, weight in best.backbone.model.named_parameters() if id(weight) not in readouts}
    assert moved and not moved & still


@pytest.mark.parametrize("kind", SIZES)
def test_from_scratch(data: Path, kind: str) -> None:
    """A fresh model learns."""
    given = config(data, {"backbone": {"kind": kind, **SIZES[kind]}}, epochs=12)
    run(given)
    rows = (given.output / "train.csv").read_text().splitlines()
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]
    assert load(given.output / "best").backbone.cutoff == 4.0


def test_mistakes(tmp_path: Path, file: Path) -> None:
    with pytest.raises(InputError, match="head: expected none"):
        augment(file, head="low")
    (tmp_path / "model.zip").write_text("")
    with pytest.raises(InputError, match=r"\.ckpt"):
        augment(tmp_path / "model.zip")
