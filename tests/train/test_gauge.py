"""leyden gauge: the scale is found again from labels of a model that has it, and its error covers their noise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write

from leyden.charges import Equilibration, Local, Split
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.storage import load, metadata, save
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, MOLECULE, SALT, assembled
from leyden.train.frames import frames_for
from leyden.train.gauge import estimate_scale

TRUE = 1.33
MAKERS: dict[str, Callable[[float], Potential]] = {
    "local": lambda s: assembled(lambda c, e: Local(c, e, GaussianBasis(0.6, 1), scale=s, hidden=4)),
    "split": lambda s: assembled(lambda c, e: Split(c, e, GaussianBasis(0.6), {1: 1.0, 8: -2.0}, scale=s, hidden=4)),
}
LABELS = ["born_effective_charges", "dipole"]


def labelled(potential: Potential, path: Path, names: list[str], noise: float = 0.0, times: int = 1) -> Path:
    """Molecules, one of them charged, and a crystal, with what a model says of them."""
    frames, generator = [], np.random.default_rng(0)
    for atoms, charge in ((MOLECULE, 0), (HYDROXIDE, -1), (SALT, 0), (MOLECULE, 1), (SALT, 0)) * times:
        frame: Atoms = atoms.copy()
        frame.positions += 0.05 * generator.standard_normal(frame.positions.shape)
        frame.info = {"total_charge": charge}
        system = System.from_ase(frame)
        if "born_effective_charges" in names:
            born = born_charges(potential, system).numpy().reshape(len(frame), 9)
            frame.arrays["REF_born_effective_charges"] = born + noise * generator.standard_normal(born.shape)
        if "dipole" in names:
            dipole = potential(system).dipole[0].detach().numpy()
            frame.info["REF_dipole"] = dipole + noise * generator.standard_normal(3)
        frames.append(frame)
    write(path, frames, format="extxyz")
    return path


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("start", [1.0, 2.0])
def test_scale_is_found_again(kind: str, label: str, start: float, tmp_path: Path) -> None:
    """From any scale of the model, which is left as it was; total and formal charges take no part."""
    path = labelled(MAKERS[kind](TRUE), tmp_path / "labels.xyz", [label])
    potential = MAKERS[kind](start)
    found = estimate_scale(potential, frames_for(potential, path).frames)
    assert found.value == pytest.approx(TRUE, rel=1e-6) and found.error < 1e-6
    assert found.permittivity == pytest.approx(TRUE**2, rel=1e-6)
    assert found.label == label and found.structures == (5 if label == "born_effective_charges" else 3)
    assert found.after < 1e-6 < 1e-2 < found.before
    assert potential.charges.scale == start


def test_error_covers_noise(tmp_path: Path) -> None:
    path = labelled(MAKERS["local"](TRUE), tmp_path / "labels.xyz", LABELS[:1], noise=0.1, times=4)
    potential = MAKERS["local"](1.0)
    found = estimate_scale(potential, frames_for(potential, path).frames)
    assert 1e-3 < found.error < 0.1 and abs(found.value - TRUE) < 3 * found.error
    assert found.after == pytest.approx(0.1, rel=0.2)


def test_single_precision(tmp_path: Path) -> None:
    path = labelled(MAKERS["local"](TRUE), tmp_path / "labels.xyz", LABELS)
    potential = MAKERS["local"](1.0).float()
    found = estimate_scale(potential, frames_for(potential, path).frames, "dipole")
    assert found.label == "dipole" and found.value == pytest.approx(TRUE, rel=1e-4)


def test_mistakes(tmp_path: Path) -> None:
    right = labelled(MAKERS["local"](TRUE), tmp_path / "labels.xyz", LABELS)
    flowing = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    with pytest.raises(InputError, match="expected a model with latent charges, preset 'les' or 'split', got Equil"):
        estimate_scale(flowing, frames_for(flowing, right).frames)
    turned = MAKERS["local"](1.0)
    turned.charges.sign.neg_()
    with pytest.raises(InputError, match="got the opposite"):
        estimate_scale(turned, [f for f in frames_for(turned, right).frames if f.system.charge == 0])
    atoms = MOLECULE.copy()
    atoms.info = {"total_charge": 0, "REF_energy": 0.0}
    write(tmp_path / "none.xyz", atoms, format="extxyz")
    with pytest.raises(InputError, match="expected structures with born_effective_charges or, if open, dipole, got no"):
        estimate_scale(turned, frames_for(turned, tmp_path / "none.xyz").frames)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the scale and writes a model that has it, with the same energies of neutral structures."""
    from leyden.cli.main import main

    path = labelled(MAKERS["local"](TRUE), tmp_path / "labels.xyz", LABELS[:1])
    save(MAKERS["local"](1.0), tmp_path / "latent")

    def command(*words: object) -> None:
        monkeypatch.setattr("sys.argv", ["leyden", "gauge", *map(str, words)])
        main()

    with pytest.raises(SystemExit, match="0"):
        command(tmp_path / "latent", path, "--output", tmp_path / "physical")
    printed = capsys.readouterr().out
    assert "scale    1.3300 ± 0.0000, estimated from Born charges of 5 structures" in printed
    assert "eps_inf  1.7689" in printed
    latent, physical = load(tmp_path / "latent"), load(tmp_path / "physical")
    system = System.from_ase([MOLECULE, SALT], charge=0)
    torch.testing.assert_close(physical(system).energy, latent(system).energy, rtol=1e-12, atol=0)
    torch.testing.assert_close(physical(system).charges, TRUE * latent(system).charges, rtol=1e-5, atol=1e-9)
    assert metadata(tmp_path / "physical")["charge_scale"] == "estimated from Born charges of 5 structures"
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path / "latent", path, "--output", tmp_path / "physical")
    assert "expected a new folder" in capsys.readouterr().err
