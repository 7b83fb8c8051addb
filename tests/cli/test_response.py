"""leyden response: what it prints and writes, and every mistake as one sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from phonopy.file_IO import parse_BORN
from phonopy.structure.atoms import PhonopyAtoms

from leyden.charges import Equilibration, SplitChargeEquilibration
from leyden.density import GaussianBasis
from leyden.properties import born_charges, dielectric_tensor, piezoelectric_tensor, polarizability
from leyden.storage import load, save
from leyden.system import System
from leyden.testing.assembly import FRAMES, SALT, assembled

WATER = Atoms("OH2", [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
HYDROXIDE = Atoms("OH", [[0.1, 0.0, 0.2], [0.5, 0.7, -0.3]])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of charges and dipoles that answer to fields."""
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6, 1), hidden=4))
    return save(potential, tmp_path_factory.mktemp("models") / "qeq", {"total_charges": [-1.0, 0.0, 1.0]})


def given(path: Path, *frames: Atoms, charges: tuple[float, ...] = (0, -1, 0)) -> Path:
    for atoms, charge in zip(frames, charges, strict=False):
        atoms.info["total_charge"] = charge
    write(path, frames, format="extxyz")
    return path


def numbers(values: np.ndarray) -> str:
    """As they are printed."""
    return "".join(f"{value:z9.4f}" for value in np.ravel(values))


def rows(printed: str) -> list[list[str]]:
    """Of all tables, the columns of each line."""
    return [re.split(r"  +", line.strip()) for line in printed.splitlines() if line.startswith(" ") and line.strip()]


def test_a_trained_model(leyden: Callable, folder: Path, tmp_path: Path) -> None:
    """The way of a newcomer: latent charges have everything but a polarizability; the labels are those of the model."""
    best, output = folder / "run" / "best", tmp_path / "response.xyz"
    printed = leyden("response", best, folder / "test.xyz", "--output", output)
    assert printed.code == 0 and printed.err == "", printed
    lines = printed.out.splitlines()
    assert lines[0] == "frame 0: H2O, open, total charge +0 e"
    assert [line for line in lines if line.startswith("frame 1")] == ["frame 1: H3O, open, total charge +1 e"]
    assert lines[-1] == f"4 structures with labels in {output}" and "note:" not in printed.out
    assert ["polarizability", "-", "none of the charges and dipoles of this model move in a field here"] in rows(
        printed.out
    )
    assert printed.out.count("dipole about the origin") == 4 and printed.out.count("of nuclear charge") == 2
    assert max(len(line) for line in lines[:-1] if "field here" not in line) <= 80
    table = [line.split() for line in leyden("eval", best, output).out.splitlines()]
    names = ("dipole", "quadrupole", "born_effective_charges", "chemical_potential")
    errors = {row[0]: float(row[-4]) for row in table if row[0] in names}
    assert set(errors) == set(names) and all(error < 1e-6 for error in errors.values())


def test_numbers(leyden: Callable, model: Path, tmp_path: Path) -> None:
    """Those of the library, printed and in the file, for open and periodic structures together."""
    source = given(tmp_path / "a.xyz", WATER.copy(), HYDROXIDE.copy(), FRAMES[3].copy())
    printed = leyden("response", model, source, "--output", tmp_path / "b.xyz", "--batch-size", 2)
    assert printed.code == 0, printed.err
    potential, frames = load(model), read(tmp_path / "b.xyz", ":")
    systems = [System.from_ase(atoms) for atoms in frames]
    for place in (0, 1):
        alpha = polarizability(potential, systems[place])[0].numpy()
        np.testing.assert_allclose(frames[place].info["REF_polarizability"], alpha.flatten(), atol=1e-6)
        assert f"trace / 3   {numbers(np.trace(alpha) / 3)}" in printed.out
        assert numbers(np.linalg.eigvalsh(alpha)) in printed.out
        born = born_charges(potential, systems[place]).numpy()
        np.testing.assert_allclose(frames[place].arrays["REF_born_effective_charges"], born.reshape(-1, 9), atol=2e-6)
        thirds, symbols = born.trace(axis1=1, axis2=2) / 3, np.array(frames[place].get_chemical_symbols())
        means = "".join(f"{symbol:>3} {thirds[symbols == symbol].mean():.4f}" for symbol in ("H", "O"))
        assert means in printed.out
        moment = frames[place].info["REF_dipole"]
        assert f"about the origin     {numbers(moment)}" in printed.out
        assert f"length {4.80320471 * np.linalg.norm(moment):.4f}" in printed.out
        second = frames[place].info["REF_quadrupole"].reshape(3, 3)
        assert f"{numbers(second.diagonal())}  e Å^2  xx yy zz" in printed.out
        assert f"{numbers(second[[1, 0, 0], [2, 2, 1]])}  e Å^2  yz xz xy" in printed.out
        charges = frames[place].arrays["REF_charges"]
        np.testing.assert_allclose(charges.sum(), systems[place].charge.item(), atol=1e-6)
    ion = frames[1]
    weights = ion.numbers / ion.numbers.sum()
    centred = ion.info["REF_dipole"] + weights @ ion.positions
    assert f"about the centre     {numbers(centred)}" in printed.out
    assert "periodic along 3 axes, total charge +0 e" in printed.out
    assert set(frames[2].info) - {"total_charge", "total_spin"} == {"REF_chemical_potential", "hardness"}
    assert "the charge of Equilibration can flow round the cell" in printed.out
    for atoms in frames:
        for key in ("REF_chemical_potential", "hardness"):
            assert numbers(atoms.info[key]) in printed.out


def test_some_properties(leyden: Callable, model: Path, tmp_path: Path) -> None:
    source, output = given(tmp_path / "a.xyz", WATER.copy()), tmp_path / "b.xyz"
    printed = leyden("response", model, source, "--output", output, "--properties", "born, dipole")
    assert printed.code == 0, printed.err
    shown = [row[0] for row in rows(printed.out)]
    assert [name.split(",")[0] for name in shown if not name[0].isdigit()] == [
        "sum of charges", "dipole about the origin", "Born charges", "largest |sum Z* - Q|",
    ]  # fmt: skip
    atoms = read(output)
    assert {key for key in (*atoms.info, *atoms.arrays) if key.startswith("REF_") or key == "hardness"} == {
        "REF_dipole", "REF_charges", "REF_born_effective_charges",
    }  # fmt: skip


def test_charge_option_and_field_of_the_structure(leyden: Callable, model: Path, tmp_path: Path) -> None:
    atoms = WATER.copy()
    atoms.info["external_field"] = [0.0, 0.1, 0.0]
    write(tmp_path / "a.xyz", atoms, format="extxyz")
    printed = leyden("response", model, tmp_path / "a.xyz", "--output", tmp_path / "b.xyz", "--charge", 1)
    assert printed.code == 0 and "frame 0: H2O, open, total charge +1 e" in printed.out, printed
    found = read(tmp_path / "b.xyz")
    assert found.info["total_charge"] == 1 and found.arrays["REF_charges"].sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(found.info["external_field"], [0.0, 0.1, 0.0])


def test_what_the_model_was_trained_on(leyden: Callable, tmp_path: Path) -> None:
    """One total charge says nothing about others; a scale of charges is told."""
    from leyden.charges import Local

    scaled = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6), hidden=4, scale=1.33))
    folder = save(scaled, tmp_path / "model", {"total_charges": [0.0]})
    source = given(tmp_path / "a.xyz", WATER.copy())
    printed = leyden("response", folder, source, "--output", tmp_path / "b.xyz")
    assert "note: the model was trained at the total charge 0 only" in printed.out
    assert (
        "note: charges are those of a bulk of eps_inf 1.7689: 1.33 times the latent ones that energies determine."
        in printed.out
    )
    printed = leyden("response", folder, source, "--output", tmp_path / "b.xyz", "--properties", "dipole")
    assert "trained at" not in printed.out


def test_crystal_properties(leyden: Callable, tmp_path: Path) -> None:
    """Tensors of a crystal, reasons where there are none, and a file that phonopy reads."""
    potential = assembled(lambda c, e: SplitChargeEquilibration(c, e, GaussianBasis(0.6), hidden=4))
    folder = save(potential, tmp_path / "model", {"total_charges": [0.0]})
    source, born = given(tmp_path / "a.xyz", SALT.copy()), tmp_path / "BORN"
    asked = "--output", tmp_path / "b.xyz", "--properties", "dielectric,piezoelectric", "--born", born
    printed = leyden("response", folder, source, *asked)
    assert printed.code == 0, printed.err
    crystal, lines = System.from_ase(SALT), printed.out.splitlines()
    eps, moved = dielectric_tensor(potential, crystal)[0], 16.02176634 * piezoelectric_tensor(potential, crystal)[0]
    assert f"  dielectric, ions fixed      {numbers(eps.diagonal().numpy())}         xx yy zz" in lines
    assert f"{numbers(eps[[1, 0, 0], [2, 2, 1]].numpy())}         yz xz xy" in printed.out
    first = numbers(moved[0].diagonal().numpy())
    assert f"  piezoelectric, ions fixed   {first}  C/m^2  x: xx yy zz" in lines
    assert f"{numbers(moved[2][[1, 0, 0], [2, 2, 1]].numpy())}  C/m^2  z: yz xz xy" in printed.out
    absent = [row for row in rows(printed.out) if row[1:2] == ["-"]]
    assert [row[0] for row in absent] == ["dielectric, ions follow", "piezoelectric, ions follow"]
    assert all("expected a structure at rest, got a force of" in row[2] for row in absent)
    assert printed.out.endswith(f"eps_inf and Born charges for phonopy --nac in {born}\n")
    labels = read(tmp_path / "b.xyz").info
    np.testing.assert_allclose(labels["electronic_dielectric_tensor"], eps.numpy().flatten(), atol=1e-6)
    np.testing.assert_allclose(labels["piezoelectric_tensor"], moved.numpy().flatten() / 16.02176634, atol=1e-6)
    cell = PhonopyAtoms(SALT.symbols, cell=SALT.cell.array, scaled_positions=SALT.get_scaled_positions())
    found = parse_BORN(cell, filename=born)
    np.testing.assert_allclose(found["dielectric"], eps.numpy(), atol=1e-6)
    np.testing.assert_allclose(found["born"], born_charges(potential, crystal).numpy(), atol=1e-6)


def test_born_file_of_several_structures(leyden: Callable, model: Path, tmp_path: Path) -> None:
    source, asked = (
        given(tmp_path / "a.xyz", WATER.copy(), HYDROXIDE.copy()),
        ("--output", tmp_path / "b.xyz", "--born"),
    )
    printed = leyden("response", model, source, *asked, tmp_path / "BORN")
    assert printed.code == 2 and "--born: expected a file with one structure, got 2" in printed.err
    printed = leyden("response", model, given(tmp_path / "a.xyz", WATER.copy()), *asked, tmp_path / "BORN")
    assert printed.code == 2 and "expected structures periodic along three axes" in printed.err
    assert list(tmp_path.iterdir()) == [tmp_path / "a.xyz"]
    printed = leyden("response", model, source, *asked[:2], "--properties", "dielectric,piezoelectric")
    absent = [row for row in rows(printed.out) if row[1:2] == ["-"]]
    assert [row[0] for row in absent] == ["dielectric", "piezoelectric"]


def silicon(frames: list[Atoms]) -> None:
    frames[1].numbers[0] = 14


def on_one_point(frames: list[Atoms]) -> None:
    frames[1].positions[1] = frames[1].positions[0]


def no_charge(frames: list[Atoms]) -> None:
    del frames[1].info["total_charge"]


def nothing(frames: list[Atoms]) -> None:
    pass


def nan(frames: list[Atoms]) -> None:
    frames[1].positions[0, 0] = np.nan


MISTAKES: list[tuple[Callable[[list[Atoms]], None], str, str]] = [
    (silicon, "", "bad.xyz, frames 0 to 1: numbers: "),
    (on_one_point, "", "bad.xyz, frames 0 to 1: positions: expected atoms apart from each other"),
    (on_one_point, "--batch-size 1", "bad.xyz, frame 1: positions: expected atoms apart from each other"),
    (nan, "", "bad.xyz, frame 1: positions: expected finite numbers, got nan"),
    (no_charge, "", "bad.xyz, frame 1: total_charge: expected the total charge of the structure"),
    (nothing, "--properties dipole,bron", "--properties: expected some of dipole, quadrupole, polarizability, born,"),
    (nothing, "--properties dipole,bron", "got 'bron' (did you mean 'born'?)"),
    (nothing, "--output {folder}/bad.xyz", "--output: expected another file than the structures"),
    (nothing, "--output /proc/x/a.xyz", "/proc/x/a.xyz: expected a file that can be written"),
    (nothing, "--dtype half", "dtype: expected one of float32, float64, got 'half'"),
    (nothing, "--device gpu", "--device: expected one of cpu"),
]


@pytest.mark.parametrize(("change", "options", "message"), MISTAKES)
def test_mistakes(leyden, model, tmp_path, change, options, message) -> None:  # type: ignore[no-untyped-def]
    frames = [WATER.copy(), HYDROXIDE.copy()]
    given(tmp_path / "bad.xyz", *frames)
    change(frames)
    write(tmp_path / "bad.xyz", frames, format="extxyz")
    before = (tmp_path / "bad.xyz").read_bytes()
    options = options.replace("{folder}", str(tmp_path))
    extra = [] if "--output" in options else ["--output", tmp_path / "b.xyz"]
    printed = leyden("response", model, tmp_path / "bad.xyz", *options.split(), *extra)
    assert printed.code == 2, printed
    assert printed.err.count("\n") == 1 and printed.err.startswith("error: ") and message in printed.err
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.xyz"] and (tmp_path / "bad.xyz").read_bytes() == before


def test_a_charge_in_some_frames_only(leyden: Callable, tmp_path: Path) -> None:
    """Also of a model that was trained on neutral structures and does not demand one."""
    folder = save(assembled(lambda c, e: None), tmp_path / "model", {"total_charges": [0.0]})
    write(tmp_path / "a.xyz", [Atoms("OH2", WATER.positions, info={"total_charge": 0}), WATER], format="extxyz")
    printed = leyden("response", folder, tmp_path / "a.xyz", "--output", tmp_path / "b.xyz")
    assert printed.code == 2 and "1 of 2 structures lack it" in printed.err
