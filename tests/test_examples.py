"""Examples are tests: each runs and prints what it promises."""

import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from leyden.charges import ChargeModel
from leyden.features import Channels
from leyden.testing.charges import ChargeModelContract

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


def test_spectrum() -> None:
    assert "band  463 cm^-1, 78.1" in run("spectrum.py")


def test_phonons() -> None:
    printed = run("phonons.py")
    numbers = re.search(r"\(LO / TO\)\^2 (.*), eps_0 / eps_inf (.*)", printed)
    assert numbers is not None and "transverse" in printed
    assert float(numbers[1]) == pytest.approx(float(numbers[2]), rel=2e-3) and float(numbers[1]) > 1.5


@pytest.mark.slow
def test_infrared_tutorial(tmp_path: Path) -> None:
    printed = run("infrared_tutorial.py", str(tmp_path / "water"), "--quick")
    assert "best model in" in printed and "Born charges, trace / 3" in printed
    assert printed.count("spectrum in") == 2 and "mode" in printed
    assert (tmp_path / "water" / "ir.png").exists()


def test_every_example_is_run() -> None:
    """Here, but for those that need packages of their own."""
    elsewhere = Path(__file__).parent / "backbones" / "third" / "test_backbone.py"
    tested = Path(__file__).read_text() + elsewhere.read_text()
    assert all(path.name in tested for path in EXAMPLES.glob("*.py"))


def test_charge_models() -> None:
    """The figures of docs/charge_models.md."""
    printed = run("charge_models.py")
    assert "SplitChargeEquilibration           +0.000   +0.000    0.000      1.09" in printed
    assert "Equilibration                      +0.094   -0.123" in printed
    assert "Mixture, equal levels" in printed and "+0.000 eV above H and H+" in printed
    assert "Response: dipole of HF -0.329 e Å, -dE/dfield -0.259 e Å" in printed


def test_new_charge_model() -> None:
    """What docs/add_a_charge_model.md quotes is the example."""
    printed = run("new_charge_model.py")
    assert "Born charges of O" in printed and "solved to the tolerance" in printed
    code = (EXAMPLES / "new_charge_model.py").read_text()
    quoted = (EXAMPLES.parent / "docs" / "add_a_charge_model.md").read_text()
    model, use, _, _ = re.findall(r"```python\n(.*?)```", quoted, re.S)
    assert model in code and textwrap.indent(use, "    ") in code


class TestInduced(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return runpy.run_path(str(EXAMPLES / "new_charge_model.py"))["Induced"](channels, elements, hidden=4)
