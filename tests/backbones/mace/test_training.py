"""A MACE model in training: from a file, with charges beside it, or from scratch."""

from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from ase.io import read, write
from rich.console import Console

from leyden import load
from leyden.backbones.mace_models import form, make
from leyden.checks import InputError
from leyden.storage import metadata
from leyden.train.config import Config, dump, load_config, preset, validated
from leyden.train.run import train

pytestmark = pytest.mark.skipif(find_spec("mace") is None, reason="needs leyden[mace]")

DATA = Path(__file__).parents[3] / "datasets" / "ion_pairs" / "train.xyz"
SIZE: dict[str, Any] = {
    "cutoff": 4.0, "channels": 4, "lmax": 1, "layers": 2, "correlation": 2, "harmonics": 1, "basis": 4,
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    frames = read(DATA, "::16")
    write(tmp_path / "data.xyz", frames, format="extxyz")
    return tmp_path / "data.xyz"


@pytest.fixture
def file(tmp_path: Path, data: Path) -> Path:
    """A small random model of the elements of the data and one more."""
    elements = sorted({int(z) for frame in read(data, ":") for z in frame.numbers} | {79})
    torch.manual_seed(1)
    torch.save(make(form(tuple(elements), 10.0, **SIZE)), tmp_path / "small.model")
    return tmp_path / "small.model"


def config(data: Path, model: dict[str, Any], **optimizer: Any) -> Config:
    content = {
        "output": data.parent / "run",
        "data": {"train": data, "validation_fraction": 0.3},
        "model": model,
        "optimizer": {"epochs": 2, "warmup_steps": 1, "ema_decay": 0.0} | optimizer,
        "hardware": {"accelerator": "cpu", "dtype": "float64"},
    }
    return validated(content, "test")


def run(given: Config, restart: str = "no") -> str:
    """Train, and return what was printed."""
    printed = StringIO()
    train(given, restart, Console(file=printed, width=200))
    return printed.getvalue()


def test_from_file(data: Path, file: Path) -> None:
    """Two lines of config; the reference energies are fitted if wanted, and said to be needed if not."""
    given = config(data, {"backbone": "mace", "from": str(file)})
    assert given.model.backbone.reach() == SIZE["cutoff"]
    assert "set model.backbone.reference=data" in run(given)
    best, about = load(given.output / "best"), metadata(given.output / "best")
    assert {"mace-torch", "e3nn"} <= set(about["versions"]) and list(about["backbone"]) == [str(file)]
    assert 79 in best.backbone.elements and best.baseline.energies[79] == 0.0
    assert best.charges.charge.bias.detach().abs().max() > 1e-3  # charges have left their quiet start


def test_what_is_frozen_stays(data: Path, file: Path) -> None:
    """To the last bit; and what is not, does not. The run goes on from its own config."""
    start = torch.load(file, weights_only=False).state_dict()
    section = {"kind": "mace", "from": str(file), "freeze": "features", "reference": "data"}
    given = config(data, {"backbone": section})
    assert "reference=data" not in run(given)
    again = load_config(given.output / "config.yaml", ["optimizer.epochs=3"])
    run(again, "auto")
    best = load(given.output / "best")
    after = best.backbone.model.state_dict()
    weights = {name for name, _ in best.backbone.model.named_parameters()}
    moved = {name for name in weights if not torch.equal(after[name], start[name])}
    assert moved and all("readouts" in name for name in moved)
    assert abs(best.baseline.energies[1]) > 1.0


def test_from_scratch(data: Path) -> None:
    """A fresh model learns."""
    given = config(data, {"backbone": {"kind": "mace", **SIZE}}, epochs=12)
    run(given)
    rows = (given.output / "train.csv").read_text().splitlines()
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]


def test_mistakes(data: Path, file: Path) -> None:
    """Elements that the model lacks, keys that would be ignored, and a file for the built-in backbone."""
    small = make(form((1, 8), 10.0, **SIZE))
    torch.save(small, file)
    with pytest.raises(InputError, match="all elements of the data, got none of atomic number 6"):
        run(config(data, {"backbone": "mace", "from": str(file)}))
    with pytest.raises(InputError, match="no channels beside 'from'"):
        config(data, {"backbone": {"kind": "mace", "from": str(file), "channels": 8}})
    with pytest.raises(InputError, match="no freeze without 'from'"):
        config(data, {"backbone": {"kind": "mace", "freeze": "features"}})
    with pytest.raises(InputError, match=r"unknown key 'model\.backbone\.from'"):
        preset("les", data, source=file)
    with pytest.raises(InputError, match=r"expected one of cartesian, mace.*got 'mase'.*did you mean 'mace'"):
        preset("les", data, "mase")


def test_init(data: Path, file: Path) -> None:
    """What leyden init writes is what was asked for, there and back."""
    given = preset("les", data, "mace", file)
    assert validated(yaml.safe_load(dump(given)), "test") == given
