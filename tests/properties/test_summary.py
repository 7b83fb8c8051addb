"""Electrical properties of structures: those of the library, one by one, and the reasons where there are none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.io import read, write

from leyden.charges import Equilibration, Local
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.density.moments import quadrupole
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import (
    born_charges,
    dielectric_tensor,
    dipole,
    electrical_properties,
    hardness,
    labelled,
    piezoelectric_tensor,
    polarizability,
)
from leyden.properties.summary import OF_CRYSTALS, PROPERTIES
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.ionic import ROCKSALT, ZINCBLENDE, distorted, equilibrated, latent, transferred
from leyden.testing.numeric import close
from leyden.train.data import read_frames

OPEN, PERIODIC = (0, 2), (1, 3)
MOMENTS = {"dipole", "quadrupole", "polarizability"}


@pytest.fixture
def polarizable() -> Potential:
    return assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6, 1), hidden=4))


def test_a_mixed_batch(polarizable: Potential) -> None:
    """In the order of the batch, each as the function that computes it says."""
    system, alone = batch(), molecules()
    found = electrical_properties(polarizable, system)
    output = polarizable(alone)
    expected = {
        "dipole": dipole(polarizable, alone),
        "quadrupole": quadrupole(output.density, alone, polarizable.charges.basis),
        "polarizability": polarizability(polarizable, alone),
        "born_effective_charges": born_charges(polarizable, alone).split([7, 2]),
    }
    for name, values in expected.items():
        for place, value in zip(OPEN, values, strict=True):
            close(getattr(found[place], name), value.detach(), 1e-9)
            assert value.abs().max() > 0.1
    level = forces(polarizable, system, chemical_potential=True)
    close(torch.stack([each.chemical_potential for each in found]), level.chemical_potential, 1e-9)
    close(torch.stack([each.hardness for each in found]), hardness(polarizable, system), 1e-9)
    close(torch.cat([each.charges for each in found]), level.output.charges, 1e-9)
    for place in OPEN:
        assert found[place].absent == {}
    for place in PERIODIC:
        assert set(found[place].absent) == MOMENTS | {"born_effective_charges"}
        assert "the charge of Equilibration can flow round the cell" in found[place].absent["born_effective_charges"]
        assert all(getattr(found[place], name) is None for name in found[place].absent)
        assert "a uniform field is no potential" in found[place].absent["polarizability"]


def test_crystals() -> None:
    """Tensors as the functions that compute them say, and otherwise why there are none."""
    potential, system = transferred(), System.from_ase([ROCKSALT, ZINCBLENDE])
    for each, crystal in zip(electrical_properties(potential, system, list(OF_CRYSTALS)), system.split(), strict=True):
        close(each.electronic_dielectric_tensor, dielectric_tensor(potential, crystal)[0], 1e-12)
        close(each.static_dielectric_tensor, dielectric_tensor(potential, crystal, ionic=True)[0], 1e-12)
        close(each.piezoelectric_tensor, piezoelectric_tensor(potential, crystal)[0], 1e-12)
        close(each.relaxed_piezoelectric_tensor, piezoelectric_tensor(potential, crystal, ionic=True)[0], 1e-12)
        assert each.static_dielectric_tensor.trace() > 6.0 and each.absent == {}
        assert labelled(each).info["relaxed_piezoelectric_tensor"].shape == (27,)
    strained, molecule = distorted(ZINCBLENDE), Atoms("MgO", [[0.0, 0, 0], [1.9, 0, 0]])
    rough, open_ = electrical_properties(potential, System.from_ase([strained, molecule]), list(OF_CRYSTALS))
    assert set(rough.absent) == {"static_dielectric_tensor", "relaxed_piezoelectric_tensor"}
    assert rough.absent["static_dielectric_tensor"].startswith("expected a structure at rest, got a force of")
    assert set(open_.absent) == set(OF_CRYSTALS)
    assert open_.absent["electronic_dielectric_tensor"].startswith("expected structures periodic along three axes")
    (still,) = electrical_properties(latent(), System.from_ase(ROCKSALT), list(OF_CRYSTALS))
    assert set(still.absent) == {"piezoelectric_tensor", "relaxed_piezoelectric_tensor"}
    assert "got Local, whose polarization is no function of the positions" in still.absent["piezoelectric_tensor"]


def test_polarizability_of_a_crystal() -> None:
    """Where charge moves along bonds."""
    system = System.from_ase(ROCKSALT)
    (found,) = electrical_properties(equilibrated(), system)
    close(found.polarizability, polarizability(equilibrated(), system)[0], 1e-9)
    close(found.dipole, equilibrated()(system).dipole[0], 1e-9)
    assert set(found.absent) == {"quadrupole"} and found.polarizabilities[0] > 0.1
    (still,) = electrical_properties(transferred(), system, ["polarizability"])
    assert still.absent["polarizability"] == "none of the charges and dipoles of this model move in a field here"


def test_latent_charges(potential: Potential) -> None:
    """They have Born charges in crystals too, and no polarizability anywhere."""
    found = electrical_properties(potential, batch())
    close(torch.cat([each.born_effective_charges for each in found]), born_charges(potential, batch()), 1e-12)
    assert [set(each.absent) for each in found] == [MOMENTS if n in PERIODIC else {"polarizability"} for n in range(4)]
    assert found[0].absent["polarizability"] == "none of the charges and dipoles of this model move in a field here"


def test_a_lone_atom(polarizable: Potential) -> None:
    """Only a dipole of its own moves in a field."""
    charges = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    system = System.from_ase(Atoms("O", [[0.3, 0.0, 0.0]]))
    assert "polarizability" in electrical_properties(charges, system)[0].absent
    assert electrical_properties(polarizable, system)[0].polarizabilities[0] > 0.1


def test_only_what_is_wanted(polarizable: Potential) -> None:
    for name in PROPERTIES:
        found = electrical_properties(polarizable, batch(), [name])
        there = [other for other in PROPERTIES if getattr(found[0], other) is not None]
        assert there == [name]
        assert set(found[1].absent) <= {name}
    with pytest.raises(InputError, match=r"property: expected one of charges, .*\(did you mean 'polarizability'\?\)"):
        electrical_properties(polarizable, batch(), ["polarisability"])


def test_short_range_model(short_range: Potential) -> None:
    """Its energy knows the total charge; there is nothing else."""
    (found,) = electrical_properties(short_range, batch().split()[1])
    assert set(found.absent) == set(PROPERTIES) - {"chemical_potential", "hardness"}
    assert set(found.absent.values()) == {"a short-range model has no charges; train one with the preset 'les'"}
    assert found.chemical_potential.abs() > 1e-3 and found.hardness.abs() > 1e-3
    assert found.centred_dipole is None and found.polarizabilities is None and found.acoustic_sum is None
    assert found.mean_born_charges == {}


def test_dipole_about_the_centre_of_nuclear_charge(polarizable: Potential) -> None:
    """The same wherever the ion is, unlike the dipole about the origin; the same as that one where it is neutral."""
    system = molecules().split()[1]
    assert system.charge.item() == -1
    away = replace(system, positions=system.positions + torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64))
    (here,), (there,) = (electrical_properties(polarizable, each) for each in (system, away))
    numbers = system.numbers.double()
    close(here.centre, (numbers[:, None] * system.positions).sum(0) / numbers.sum(), 1e-12)
    close(here.centred_dipole, there.centred_dipole, 1e-9)
    close(here.dipole - there.dipole, torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64), 1e-9)
    (neutral,) = electrical_properties(polarizable, molecules().split()[0])
    close(neutral.centred_dipole, neutral.dipole, 1e-9)


def test_numbers_of_a_tensor(polarizable: Potential) -> None:
    found = electrical_properties(polarizable, molecules())[0]
    assert found.polarizabilities[0] < found.polarizabilities[2]
    close(found.polarizabilities.mean(), found.polarizability.trace() / 3, 1e-12)
    close(found.polarizabilities.prod(), torch.linalg.det(found.polarizability), 1e-9)
    symbols, born = found.system.to_ase()[0].get_chemical_symbols(), found.born_effective_charges
    for element, value in found.mean_born_charges.items():
        of = [z.trace().item() / 3 for z, symbol in zip(born, symbols, strict=True) if symbol == element]
        assert value == pytest.approx(sum(of) / len(of), abs=1e-12)
    assert set(found.mean_born_charges) == set(symbols)


def test_acoustic_sum(polarizable: Potential) -> None:
    """Zero for every total charge; of a model whose charges sum to something else, what is missing."""
    for found in electrical_properties(polarizable, molecules()):
        assert found.acoustic_sum < 1e-9
    free = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6), mode="free", hidden=4))
    for found in electrical_properties(free, molecules()):
        missing = (found.charges.sum() - found.system.charge).abs().item()
        assert missing > 0.1 and found.acoustic_sum.item() == pytest.approx(missing, abs=1e-9)


def test_labels(polarizable: Potential, tmp_path: Path) -> None:
    """What is written is read again as the same labels and inputs, and computed again from what was read."""
    field = torch.tensor([[0.0, 0.02, 0.0], [0.01, 0.0, 0.0]], dtype=torch.float64)
    found = electrical_properties(polarizable, replace(molecules(), field=field))
    write(tmp_path / "a.xyz", [labelled(each) for each in found], format="extxyz")
    frames = read_frames(tmp_path / "a.xyz", required=())
    assert not frames.warnings
    for frame, each in zip(frames.frames, found, strict=True):
        labels = frame.labels.present()
        assert set(labels) == set(PROPERTIES) - {"hardness"}
        for name, value in labels.items():
            expected = getattr(each, name)
            close(value.view_as(expected), expected, 2e-8)
        again = electrical_properties(polarizable, frame.system)[0]
        close(again.dipole, each.dipole, 1e-6)
        assert torch.equal(frame.system.charge, each.system.charge) and torch.equal(
            frame.system.field, each.system.field
        )
    hard = [atoms.info["hardness"] for atoms in read(tmp_path / "a.xyz", ":")]
    assert hard == pytest.approx([each.hardness.item() for each in found])
    assert found[0].system.field.any()


def test_labels_of_what_is_there(potential: Potential) -> None:
    (found,) = electrical_properties(potential, batch().split()[3], ["charges", "dipole", "polarizability"])
    atoms = labelled(found)
    assert [key for key in (*atoms.info, *atoms.arrays) if "REF" in key or key == "hardness"] == ["REF_charges"]
    assert atoms.pbc.all() and atoms.info["total_charge"] == 0


def test_single_precision(polarizable: Potential) -> None:
    exact = electrical_properties(polarizable, molecules())[0]
    rough = electrical_properties(polarizable.float(), molecules().to(dtype=torch.float32))[0]
    assert rough.hardness.dtype == torch.float32
    for name in ("dipole", "polarizability", "born_effective_charges", "hardness"):
        close(getattr(rough, name).double(), getattr(exact, name), 1e-3)
    assert labelled(rough).info["REF_dipole"].dtype == float
