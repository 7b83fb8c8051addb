"""The adapter of examples/third_backbone.py: the contract of a backbone, and models of sevenn reproduced.

The contract is met by models with parity and a polynomial cutoff. The published ones are without parity: their energies
change under reflections, by little, and they have no vectors (1o) to hand on; SevenNet-0 has a cutoff whose second
derivative jumps.
"""

import re
import runpy
import subprocess
import sys
import textwrap
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from leyden import Baseline, GaussianBasis, Potential, System
from leyden.backbones import Backbone
from leyden.backbones.foreign import quiet
from leyden.charges import Local
from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.properties import born_charges
from leyden.testing.backbone import CRYSTAL, BackboneContract, energy_of
from leyden.testing.numeric import close, random

needs_sevenn = pytest.mark.skipif(find_spec("sevenn") is None, reason="needs sevenn")

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "third_backbone.py"


@cache
def example() -> dict[str, Any]:
    with quiet():
        return runpy.run_path(str(EXAMPLE))


def untrained(elements: tuple[int, ...]) -> torch.nn.Module:
    """A small model of two layers with parity and energies of the elements."""
    with quiet():
        from sevenn._const import DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG
        from sevenn.model_build import build_E3_equivariant_model
    config = {
        **DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG,
        "_number_of_species": len(elements),
        "_type_map": {z: column for column, z in enumerate(reversed(elements))},
        "cutoff": 4.0,
        "channel": 4,
        "lmax": 2,
        "num_convolution_layer": 2,
        "conv_denominator": 3.0,
        "weight_nn_hidden_neurons": [8],
        "shift": [-100.0 * (n + 1) for n in range(len(elements))],
        "scale": 1.3,
    }
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with quiet():
            return build_E3_equivariant_model(config)
    finally:
        torch.set_default_dtype(before)


@needs_sevenn
class TestThirdBackbone(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> Backbone:
        return example()["SevenNet"](untrained(elements)).to(dtype)


def published(name: str) -> torch.nn.Module:
    with quiet():
        return example()["load_checkpoint"](name).build_model()


@needs_sevenn
@pytest.mark.slow
@pytest.mark.parametrize("name", ["7net-0", "7net-l3i5"])
def test_published_models(name: str) -> None:
    """Energies, forces and stress as sevenn has them."""
    with quiet():
        from sevenn.calculator import SevenNetCalculator
    model = published(name)
    backbone = example()["SevenNet"](model)
    potential = Potential(backbone, None, None, Baseline(backbone.reference))
    for atoms in (molecule("CH3OH"), bulk("NaCl", "rocksalt", a=5.6)):
        atoms.rattle(0.05, seed=1)
        found = forces(potential, System.from_ase(atoms, charge=0, dtype=torch.float32))
        with quiet():
            atoms.calc = SevenNetCalculator(model=name, device="cpu")
            energy, theirs = atoms.get_potential_energy(), torch.as_tensor(atoms.get_forces())
        assert found.output.energy.item() == pytest.approx(energy, abs=2e-5 * len(atoms))
        close(found.forces.double(), theirs.double(), 2e-4)
        assert theirs.abs().max() > 0.1
        if atoms.pbc.all():
            assert found.stress is not None
            close(found.stress[0].double(), torch.as_tensor(atoms.get_stress(voigt=False)).double(), 1e-5)
    assert backbone.channels.vectors == 0 and backbone.channels.scalars == 5 * 128


@needs_sevenn
@pytest.mark.slow
@pytest.mark.parametrize("name", ["7net-0", "7net-l3i5"])
def test_published_models_are_without_parity(name: str) -> None:
    """Rotations are exact to single precision of the coupling coefficients, reflections are not."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=2)
    backbone, system = example()["SevenNet"](published(name)).double(), System.from_ase(atoms, charge=0)
    energy = energy_of(backbone, system)
    turn = torch.linalg.qr(random(1, 3, 3)).Q
    turn = turn * torch.linalg.det(turn)
    close(energy(system.positions @ turn.T), energy(system.positions), 1e-8)
    assert 1e-4 < (energy(-system.positions) - energy(system.positions)).abs() < 1e-2


@needs_sevenn
def test_model_is_left_alone() -> None:
    """The adapter has a copy without energies of the elements, which are handed to the baseline."""
    model = untrained((1, 6, 8))
    backbone = example()["SevenNet"](model)
    assert backbone.reference == {8: -100.0, 6: -200.0, 1: -300.0}
    assert model.rescale_atomic_energy.shift.tolist() == [-100.0, -200.0, -300.0]
    assert not backbone.model.rescale_atomic_energy.shift.any()
    with pytest.raises(InputError, match="without modalities"):
        example()["SevenNet"](published("7net-mf-0"))


@needs_sevenn
def test_periodic_born_charges() -> None:
    """A 2 x 1 x 1 supercell has the same Born charges, and so has a crystal with another image of an atom."""
    torch.manual_seed(0)
    backbone = example()["SevenNet"](untrained((1, 6, 8)))
    charges = Local(backbone.channels, backbone.elements, GaussianBasis(), hidden=4)
    potential = Potential(backbone, charges, None, Baseline({})).double()
    with torch.no_grad():
        charges.charge.layers[-1].weight.mul_(30.0)

    def born(atoms: Atoms) -> torch.Tensor:
        return born_charges(potential, System.from_ase(atoms, charge=0))

    once, moved = born(CRYSTAL), CRYSTAL.copy()
    moved.positions[1] += moved.cell[0] - moved.cell[2]
    assert (once - once.mean(0)).abs().max() > 0.1 and (once - once.mT).abs().max() > 3e-3
    close(born(moved), once, 1e-9)
    close(born(CRYSTAL * (2, 1, 1)), once.repeat(2, 1, 1), 1e-9)


@needs_sevenn
@pytest.mark.slow
def test_example() -> None:
    """It runs, and a few steps lower the error of forces."""
    printed = subprocess.run([sys.executable, EXAMPLE], check=True, capture_output=True, text=True).stdout
    errors = [int(error) for error in re.findall(r"forces (\d+) meV", printed)]
    assert len(errors) == 3 and errors[2] < 0.5 * errors[0]
    assert "charges, e [-0." in printed and "Born charges of O" in printed


def test_documented() -> None:
    """What docs/add_a_backbone.md quotes is the example, whose adapter has less than 60 lines, and this test."""
    code, quoted = EXAMPLE.read_text(), (ROOT / "docs" / "add_a_backbone.md").read_text()
    adapter, *uses, contract = re.findall(r"```python\n(.*?)```", quoted, re.S)
    assert adapter in code and len(adapter.splitlines()) < 60
    assert len(uses) == 3 and all(textwrap.indent(use, "    ") in code for use in uses)
    assert contract in Path(__file__).read_text()
