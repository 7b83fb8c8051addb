"""MACE: the contract of a backbone, models of mace-torch reproduced, and files that are not such models."""

import copy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden import augment, load, save
from leyden.backbones import MACE
from leyden.backbones.foreign import quiet
from leyden.backbones.mace_models import describe, form, make, read
from leyden.calculators import LeydenCalculator
from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.neighbors import Graph, neighbor_list
from leyden.properties import born_charges
from leyden.system import System
from leyden.testing.backbone import CRYSTAL, MOLECULE, BackboneContract, batch, evaluate
from leyden.testing.numeric import close

pytestmark = pytest.mark.skipif(find_spec("mace") is None, reason="needs leyden[mace]")

SIZE: dict[str, Any] = {
    "cutoff": 4.0, "channels": 8, "lmax": 2, "layers": 2, "correlation": 2, "harmonics": 2, "basis": 6,
}  # fmt: skip
ATOMS = {1: -13.6, 6: -1030.25, 8: -2041.5}
"""Energies of isolated atoms, eV."""


def model(
    elements: tuple[int, ...] = (1, 6, 8), lmax: int = 2, heads: tuple[str, ...] = ("Default",)
) -> torch.nn.Module:
    """A small model with random weights and energies of isolated atoms."""
    torch.manual_seed(0)
    each = {"heads": list(heads), "atomic_inter_scale": [1.0] * len(heads), "atomic_inter_shift": [0.0] * len(heads)}
    out = make(form(elements, 8.0, **(SIZE | {"lmax": lmax})) | each)
    table = torch.tensor([[ATOMS[z] + number for z in elements] for number in range(len(heads))], dtype=torch.float64)
    out.atomic_energies_fn.atomic_energies = table
    return out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as mace_run_train writes it."""
    torch.save(model(), tmp_path / "small.model")
    return tmp_path / "small.model"


class TestMACE(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> MACE:
        return MACE(model(elements)).to(dtype)


class TestScalars(BackboneContract):
    """A model whose features are scalars only."""

    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> MACE:
        return MACE(model(elements, lmax=0)).to(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("atoms", [MOLECULE, CRYSTAL], ids=["molecule", "crystal"])
def test_model_is_reproduced(path: Path, atoms: Atoms, dtype: str) -> None:
    """Energy, forces and stress are those of mace-torch's own calculator, with charges that start quietly."""
    from mace.calculators import MACECalculator

    own, ours = atoms.copy(), atoms.copy()
    own.calc = MACECalculator(models=[read(path)], default_dtype=dtype, device="cpu")
    ours.calc = LeydenCalculator(augment(path, "les").to(getattr(torch, dtype)), dtype=dtype)
    tolerance = 1e-6 if dtype == "float64" else 1e-3  # energies of thousands of eV in float32 have no more digits
    assert own.get_potential_energy() == pytest.approx(ours.get_potential_energy(), abs=tolerance)
    np.testing.assert_allclose(ours.get_forces(), own.get_forces(), atol=1e-6 if dtype == "float64" else 2e-5)
    assert np.abs(own.get_forces()).max() > 1e-2
    if atoms.pbc.all():
        np.testing.assert_allclose(ours.get_stress(), own.get_stress(), atol=1e-7 if dtype == "float64" else 1e-5)


def test_charge_and_spin_start_silent(path: Path) -> None:
    """Ions and triplets have the energy that the model gives: their weights are zero at first."""
    states = System.from_ase([MOLECULE] * 3, charge=[0, 1, 0], spin=[1, 2, 3])
    energy = augment(path, None)(states).energy
    close(energy, energy[:1].expand(3), 1e-12)


def test_model_is_not_changed() -> None:
    """A copy is augmented; the model given keeps its energies of isolated atoms."""
    given = model()
    before = copy.deepcopy(given.state_dict())
    backbone = augment(given, "les").backbone
    assert isinstance(backbone, MACE) and backbone.reference == ATOMS
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())


def test_folder(path: Path, tmp_path: Path) -> None:
    """A saved potential needs neither the file nor a pickle, and is what it was."""
    potential = augment(path, "les-multipole", freeze="features", start="usual")
    saved = save(potential, tmp_path / "folder")
    path.unlink()
    assert {part.name for part in saved.iterdir()} == {"config.yaml", "model.safetensors", "metadata.json"}
    again = load(saved)
    assert torch.equal(again(batch()).energy, potential(batch()).energy)
    assert again.backbone.frozen == "features" and potential(batch()).charges.abs().max() > 1e-2


def test_plain_again(path: Path, tmp_path: Path) -> None:
    """What was augmented can go back to mace-torch."""
    potential = augment(path, "les")
    torch.save(potential.backbone.plain(potential.baseline.energies), tmp_path / "again.model")
    close(augment(tmp_path / "again.model", "les")(batch()).energy_short, potential(batch()).energy_short, 1e-12)
    assert augment(tmp_path / "again.model").backbone.reference == ATOMS


def test_form_there_and_back() -> None:
    for lmax in (0, 1, 2):
        assert describe(make(describe(model(lmax=lmax)))) == describe(model(lmax=lmax))


@pytest.mark.parametrize("reduced", [False, True])
def test_couplings(tmp_path: Path, reduced: bool) -> None:
    """With equivalent ones or without, as mace-torch makes them without and with cuequivariance, whatever it says."""
    wanted = form((1, 6, 8), 8.0, **SIZE) | {"use_reduced_cg": reduced}
    if reduced and find_spec("cuequivariance") is None:
        with pytest.raises(InputError, match="pip install cuequivariance"):
            make(wanted)
        return
    given = make(wanted)
    given.use_reduced_cg = not reduced
    assert describe(given)["use_reduced_cg"] == reduced
    torch.manual_seed(0)
    potential = augment(given, "les", start="usual")
    assert torch.equal(load(save(potential, tmp_path / "folder"))(batch()).energy, potential(batch()).energy)


def test_heads() -> None:
    """Energies are those of the head that is named."""
    several = model(heads=("low", "high"))
    with pytest.raises(InputError, match="one of low, high, got None"):
        MACE(several)
    low, high = (MACE(several, head) for head in ("low", "high"))
    assert high.reference[1] == low.reference[1] + 1.0
    energies = [evaluate(each, System.from_ase(MOLECULE)).energy.sum() for each in (low, high)]
    assert abs(energies[0] - energies[1]) > 1e-3


@pytest.mark.parametrize("what", ["nothing", "features", "backbone"])
def test_freeze(path: Path, what: str) -> None:
    """What is frozen has no derivative; charge and spin always have."""
    backbone = augment(path, "les", freeze=what).backbone
    moving = {name for name, weight in backbone.named_parameters() if weight.requires_grad}
    assert {"conditioning.state", "conditioning.outer"} <= moving
    assert any("readouts" in name for name in moving) == (what != "backbone")
    assert any("interactions" in name for name in moving) == (what == "nothing")


def test_born_charges_of_a_crystal(path: Path) -> None:
    """Not the bare charges; those of a supercell and of other images of atoms are the same."""
    torch.manual_seed(0)
    potential = augment(path, "les", start="usual")
    with torch.no_grad():
        potential.charges.charge.layers[-1].weight.mul_(30.0)

    def born(atoms: Atoms) -> torch.Tensor:
        return born_charges(potential, System.from_ase(atoms, charge=0))

    once, moved = born(CRYSTAL), CRYSTAL.copy()
    moved.positions[1] += moved.cell[0] - moved.cell[2]
    close(born(moved), once, 1e-9)
    close(born(CRYSTAL * (2, 1, 1)), once.repeat(2, 1, 1), 1e-9)
    close(once.sum(0), torch.zeros(3, 3, dtype=torch.float64), 1e-8)
    bare = potential(System.from_ase(CRYSTAL)).charges[:, None, None] * torch.eye(3, dtype=torch.float64)
    assert (once - bare).abs().max() > 3e-3


def test_probe_of_born_charges() -> None:
    """The probe multiplies derivatives of what is read at i by the position of j by 1 + k.(r_i - r_j)."""
    backbone, system = MACE(model()), System.from_ase(MOLECULE)
    positions, probe = system.positions.requires_grad_(), torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    pairs = neighbor_list(system, 1.6)

    def read_at_atoms(k: torch.Tensor | None) -> torch.Tensor:
        x = backbone(Graph.of(replace(system, positions=positions), pairs, k))
        return x.energy + x.scalars.sum(1) + x.vectors.sum((1, 2))

    each = torch.stack([torch.autograd.grad(e, positions, retain_graph=True)[0] for e in read_at_atoms(None)])
    expected = torch.einsum("ijk,ija->jka", each, (positions[:, None] - positions[None]).detach())
    (gradient,) = torch.autograd.grad(read_at_atoms(probe).sum(), positions, create_graph=True)
    found = [torch.autograd.grad(g, probe, retain_graph=True)[0][0] for g in gradient.flatten()]
    close(torch.stack(found).view_as(expected), expected, 1e-10)
    assert expected.abs().max() > 1e-3


def test_other_files(tmp_path: Path) -> None:
    """Each mistake is one sentence."""
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "script.model")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "linear.model")
    (tmp_path / "text.model").write_text("no model")
    for name, said in [
        ("script", "TorchScript"),
        ("linear", "got Linear"),
        ("text", "expected a MACE model"),
        ("no", "none"),
    ]:
        with pytest.raises(InputError, match=said):
            augment(tmp_path / f"{name}.model")
    with pytest.raises(InputError, match=r"ends in .*\.model"):
        augment(tmp_path / "model.xyz")
    with pytest.raises(InputError, match=r"torch\.compile"):
        MACE(torch.compile(model()))
    with pytest.raises(InputError, match="did you mean 'les'"):
        augment(model(), "less")
    with pytest.raises(InputError, match=r"\[14\]"):
        evaluate(MACE(model()), System.from_ase(Atoms("Si")))


def test_own_charge_and_spin() -> None:
    """A model that was trained with charge and spin gets them, and keeps the energies that it reads from them."""
    from mace import data
    from mace.data.utils import KeySpecification
    from mace.tools import AtomicNumberTable, torch_geometric

    each = {"type": "categorical", "per": "graph", "num_classes": 20, "offset": 10, "emb_dim": 4}
    states = {"embedding_specs": {"total_charge": each, "total_spin": each}, "use_embedding_readout": True}
    torch.manual_seed(0)
    given = make(form((1, 6, 8), 8.0, **SIZE) | states)
    keys = KeySpecification(info_keys={"total_charge": "total_charge", "total_spin": "total_spin"})
    found = []
    for charge, spin in [(0, 1), (1, 2), (-1, 2)]:
        atoms = MOLECULE.copy()
        atoms.info = {"total_charge": charge, "total_spin": spin}
        one = data.config_from_atoms(atoms, key_specification=keys)
        graph = data.AtomicData.from_config(one, z_table=AtomicNumberTable([1, 6, 8]), cutoff=4.0)
        inputs = next(iter(torch_geometric.dataloader.DataLoader([graph], batch_size=1))).to_dict()
        inputs = {name: x.double() if x is not None and x.is_floating_point() else x for name, x in inputs.items()}
        found.append(given(inputs, compute_force=False)["energy"].detach())
    system = System.from_ase([MOLECULE] * 3, charge=[0, 1, -1], spin=[1, 2, 2])
    potential = augment(given, None)
    close(potential(system).energy, torch.cat(found), 1e-8)  # positions of mace-torch are float32
    assert (found[0] - found[1]).abs() > 1e-3
    again = potential.backbone.plain(potential.baseline.energies)
    close(augment(again, None)(system).energy, potential(system).energy, 1e-12)
    before = {name: weight.clone() for name, weight in potential.backbone.model.named_parameters()}
    potential.backbone.compile_model("eager")
    assert all(torch.equal(weight, before[name]) for name, weight in potential.backbone.model.named_parameters())
    with pytest.raises(InputError, match="no inputs but total_charge and total_spin, got temperature"):
        MACE(
            make(
                form((1, 8), 8.0, **SIZE)
                | {"embedding_specs": {"temperature": each | {"type": "continuous", "in_dim": 1}}}
            )
        )


@pytest.mark.skipif(find_spec("cuequivariance_torch") is None, reason="needs cuequivariance-torch")
def test_cuequivariance(tmp_path: Path) -> None:
    """A model converted by mace-torch gives the same energies and features, and is saved as what it is."""
    from mace.cli.convert_e3nn_cueq import run

    given = model()
    before = torch.get_default_dtype()
    try:
        with quiet():
            converted = run(given, device="cpu", return_model=True)  # sets the default dtype
    finally:
        torch.set_default_dtype(before)
    potential, other = (augment(each, "les-multipole", start="usual") for each in (given, converted))
    other.load_state_dict({n: w for n, w in potential.state_dict().items() if "backbone.model" not in n}, strict=False)
    close(other(batch()).energy, potential(batch()).energy, 1e-9)
    close(other(batch()).density, potential(batch()).density, 1e-9)
    again = load(save(other, tmp_path / "folder"))
    assert torch.equal(again(batch()).energy, other(batch()).energy)
    system = System.from_ase(CRYSTAL)
    close(born_charges(other, system), born_charges(potential, system), 1e-8)


@pytest.mark.slow
def test_compiled(tmp_path: Path) -> None:
    """Energies, forces and Born charges of a compiled model; it cannot be saved."""
    torch.manual_seed(0)
    given = make(form((1, 6, 8), 8.0, **(SIZE | {"channels": 4, "lmax": 1, "layers": 1, "correlation": 1})))
    potential, compiled = (augment(given, "les", start="usual") for _ in range(2))
    compiled.charges.load_state_dict(potential.charges.state_dict())
    backbone = compiled.backbone
    assert isinstance(backbone, MACE)
    with quiet():
        backbone.compile_model("aot_eager")
        for system in (batch(), System.from_ase(MOLECULE)):
            a, b = (forces(each, system, stress=False) for each in (potential, compiled))
            close(b.output.energy, a.output.energy, 1e-10)
            close(b.forces, a.forces, 1e-10)
        crystal = System.from_ase(CRYSTAL)
        close(born_charges(compiled, crystal), born_charges(potential, crystal), 1e-10)
    with pytest.raises(InputError, match="before it was compiled"):
        save(compiled, tmp_path / "folder")
