"""Examples are tests: each runs and prints what it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_coulomb_energy() -> None:
    assert "Madelung constant 1.747564" in run("coulomb_energy.py")


def test_slab_field() -> None:
    printed = run("slab_field.py")
    assert "drop across the slab 0.8143 V" in printed
    assert "2.1714 - 1.3571 = 0.8143 V" in printed


@pytest.mark.slow
def test_train_and_use() -> None:
    printed = run("train_and_use.py", "2")
    assert "Born charge of O" in printed
    assert "epoch" in printed


def test_every_example_is_run() -> None:
    tested = Path(__file__).read_text()
    assert all(path.name in tested for path in EXAMPLES.glob("*.py"))
