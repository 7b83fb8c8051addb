"""Charges beside a potential of Leyden that was trained without."""

from pathlib import Path

import pytest
import torch

from leyden import augment, load, save
from leyden.charges import Equilibration
from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.testing.assembly import batch
from leyden.testing.numeric import close

NEUTRAL = torch.tensor([0, 3])
"""Structures of the batch without charge."""


@pytest.mark.parametrize("preset", ["les", "les-multipole", "split", "qeq", "sqe-multipole", "response", "variational"])
def test_energies_stay(short_range: Potential, preset: str) -> None:
    """Energies and forces of neutral structures are those of the potential."""
    system = batch().select(NEUTRAL)[0]
    before, after = (forces(each, system) for each in (short_range, augment(short_range, preset)))
    close(after.output.energy, before.output.energy, 1e-9)  # of thousands of eV
    close(after.forces, before.forces, 1e-5)
    assert after.output.charges is not None and 0 < after.output.charges.abs().max() < 1e-3
    assert before.forces.abs().max() > 0.1


def test_quiet_charges_are_learned(short_range: Potential) -> None:
    """Labels of a potential with charges bring quiet ones back within tens of steps."""
    system = batch().select(NEUTRAL)[0]
    torch.manual_seed(3)
    teacher, student = augment(short_range, "les", start="usual"), augment(short_range, "les", freeze="backbone")
    wanted = teacher(system).energy.detach()
    optimizer = torch.optim.Adam([w for w in student.parameters() if w.requires_grad], 1e-2)
    for _ in range(60):
        error = (student(system).energy - wanted).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert (short_range(system).energy - wanted).abs().max() > 0.1
    assert error.sqrt() < 0.3 * (short_range(system).energy - wanted).abs().max()
    assert student(system).charges.abs().max() > 0.05


def test_folder_and_section(short_range: Potential, tmp_path: Path) -> None:
    """A folder will do, and kinds name charge models, too; the potential given is not changed."""
    folder = save(short_range, tmp_path / "short")
    found = augment(folder, "equilibration", freeze="backbone")
    assert isinstance(found.charges, Equilibration) and short_range.charges is None
    assert {name.partition(".")[0] for name, w in found.named_parameters() if w.requires_grad} == {"charges"}
    again = load(save(found, tmp_path / "long"))
    assert torch.equal(again(batch()).energy, found(batch()).energy)
    assert all(w.requires_grad for w in short_range.parameters())


def test_mistakes(short_range: Potential, potential: Potential) -> None:
    with pytest.raises(InputError, match="without charges, got one with Local"):
        augment(potential)
    with pytest.raises(InputError, match="'nothing' or 'backbone' of Cartesian"):
        augment(short_range, freeze="features")
    with pytest.raises(InputError, match="did you mean 'les'"):
        augment(short_range, "lez")
