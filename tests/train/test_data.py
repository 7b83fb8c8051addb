"""Reading, batching and splitting data files, and one sentence for every way a file can be wrong."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write

from leyden.checks import InputError
from leyden.train.data import collate, random_split, read_frames, with_pairs
from leyden.train.inspect import inspect

REFERENCE = Path(os.environ.get("LEYDEN_REFERENCE_DATA", Path(__file__).parents[3] / "shared" / "data"))
HEADER = "Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.5"
ROWS = ("O 0 0 0 0.1 0 0", "H 0 0 1 -0.1 0 0")


def text(header: str = HEADER, rows: tuple[str, ...] = ROWS, count: object = None) -> str:
    return "\n".join([str(len(rows) if count is None else count), header, *rows]) + "\n"


def save(folder: Path, *frames: str) -> Path:
    path = folder / "data.xyz"
    path.write_text("".join(frames))
    return path


def reference(name: str) -> Path:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return path


def test_reads_labels_inputs_and_hash(tmp_path: Path) -> None:
    path = save(tmp_path, text(HEADER + ' total_charge=-1 total_spin=2 external_field="0 0 0.1" config_type=ion'), text(
        HEADER + " total_charge=0 total_spin=1"))  # fmt: skip
    data = read_frames(path)
    first, second = data.frames
    assert first.labels.energy is not None and first.labels.forces is not None
    assert first.labels.energy.tolist() == [-1.5] and first.labels.forces.tolist() == [[0.1, 0, 0], [-0.1, 0, 0]]
    assert (first.system.charge.item(), first.system.spin.item(), first.config_type) == (-1.0, 2.0, "ion")
    assert first.system.field.tolist() == [[0, 0, 0.1]] and second.system.field.tolist() == [[0, 0, 0]]
    assert any("external_field: 1 of 2 frames lack it" in note for note in data.notes)
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_fragments_and_electrodes(tmp_path: Path) -> None:
    """Columns of a file that belong to the structure: read, in batches, named, and no reason for a warning."""
    columns = "fragment:I:1:fragment_charge:R:1:electrode_potential:R:1"
    held_rows = ("O 0 0 0 0 0 0 0 -1 nan", "H 0 0 1 0 0 0 1 1 nan", "C 3 0 0 0 0 0 2 nan 0.5")
    header = HEADER.replace("REF_forces:R:3", f"REF_forces:R:3:{columns}")
    path = save(tmp_path, text(header, held_rows), text())
    data = with_pairs(read_frames(path).frames, 3.0)
    held = collate(data).system.ensemble
    assert held is not None and held.charge[3:].isnan().all()
    assert held.fragment.tolist()[:2] == [0, 1] and held.charge.tolist()[:2] == [-1.0, 1.0]
    assert held.electrode.tolist() == [False, False, True, False, False] and held.potential[2] == 0.5
    report = inspect(path)
    taken = {key.key: key.taken_for for key in report.keys}
    assert taken["fragment"] == "fragment of an atom" and taken["electrode_potential"] == "potential of its electrode"
    assert not report.warnings


def test_nobody_charged_is_neutral_and_said(tmp_path: Path) -> None:
    data = read_frames(save(tmp_path, text(), text()))
    assert [f.system.charge.item() for f in data.frames] == [0.0, 0.0]
    assert "total_charge: no frame has it, every structure is taken as neutral" in data.notes


def test_ase_round_trip(tmp_path: Path) -> None:
    """What ASE moves into its calculator arrives, stress in its order and sign included."""
    from ase.calculators.singlepoint import SinglePointCalculator

    rng = np.random.default_rng(0)
    atoms = Atoms("HO", rng.random((2, 3)) * 3, cell=np.eye(3) * 5, pbc=True)
    stress, forces = rng.random(6), rng.random((2, 3))
    atoms.calc = SinglePointCalculator(
        atoms, energy=1.0, forces=forces, stress=stress, dipole=np.ones(3), charges=[1, -1]
    )
    write(tmp_path / "a.xyz", atoms)
    labels = read_frames(tmp_path / "a.xyz").frames[0].labels.present()
    assert set(labels) == {"energy", "forces", "stress", "dipole", "charges"}
    np.testing.assert_allclose(labels["forces"], forces, atol=1e-8)
    np.testing.assert_allclose(labels["stress"][0].numpy()[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], stress)


def test_pbc_can_be_overridden(tmp_path: Path) -> None:
    lattice = HEADER + ' Lattice="3 0 0 0 3 0 0 0 3" pbc="T T T"'
    path = save(tmp_path, text(lattice))
    count = [len(with_pairs(read_frames(path, pbc=pbc).frames, 2.5)[0].pairs.centers) for pbc in (None, False)]  # type: ignore[union-attr]
    assert count == [4, 2]  # 1 Å apart, and 2 Å through the boundary of the box
    assert any("pbc: every structure is taken as open" in note for note in read_frames(path, pbc=False).notes)


def test_batch_fills_missing_labels_with_nan(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        text(HEADER + ' REF_dipole="1 2 3"'),
        text("Properties=species:S:1:pos:R:3 REF_energy=1", ("H 0 0 0", "H 0 0 2", "H 0 0 4")),
    )
    batch = collate(with_pairs(read_frames(path, required=("energy",)).frames, 2.5))
    labels = batch.labels
    assert labels.forces is not None and labels.dipole is not None and labels.stress is None
    assert torch.isnan(labels.forces).all(dim=1).tolist() == [False, False, True, True, True]
    assert torch.isnan(labels.dipole).all(dim=1).tolist() == [False, True]
    assert batch.system.index.tolist() == [0, 0, 1, 1, 1]
    assert sorted(zip(batch.pairs.centers.tolist(), batch.pairs.neighbors.tolist(), strict=True)) == [
        (0, 1), (1, 0), (2, 3), (3, 2), (3, 4), (4, 3),
    ]  # fmt: skip


DENSITY = "Properties=species:S:1:pos:R:3:REF_density_coefficients:R:{} REF_energy=-1.5"


def test_batch_fills_missing_density_and_potential(tmp_path: Path) -> None:
    """Of the width of the others; a chemical potential is one number."""
    with_density = text(DENSITY.format(4) + " REF_chemical_potential=-4.5", ("O 0 0 0 -1 0 0 0.5", "H 0 0 1 1 0 0 0"))
    batch = collate(with_pairs(read_frames(save(tmp_path, text(), with_density), required=("energy",)).frames, 2.5))
    density, mu = batch.labels.density_coefficients, batch.labels.chemical_potential
    assert density is not None and mu is not None
    assert density[2:].tolist() == [[-1, 0, 0, 0.5], [1, 0, 0, 0]] and density[:2].isnan().all()
    assert mu[0].isnan() and mu[1] == -4.5


def test_density_coefficients_of_two_widths(tmp_path: Path) -> None:
    one, two = text(DENSITY.format(1), ("O 0 0 0 -1", "H 0 0 1 1")), text(DENSITY.format(2), ("O 0 0 0 -1 0",))
    path = save(tmp_path, text(), one, two)
    message = "frame 2: density_coefficients: expected 1 an atom as in frame 1, got 2; fit all frames in one basis"
    with pytest.raises(InputError, match=message):
        read_frames(path, required=())
    assert [problem for problem in inspect(path).problems if message in problem]


def test_energies_stay_double(tmp_path: Path) -> None:
    batch = collate(
        with_pairs(read_frames(save(tmp_path, text(HEADER.replace("-1.5", "-1480190.9067329187")))).frames, 2.0)
    )
    moved = batch.to("cpu", torch.float32)
    assert moved.labels.energy is not None and moved.labels.forces is not None
    assert moved.labels.energy.item() == -1480190.9067329187
    assert {moved.labels.forces.dtype, moved.system.positions.dtype, moved.pairs.shifts.dtype} == {torch.float32}


def test_collate_wants_pairs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with_pairs"):
        collate(read_frames(save(tmp_path, text())).frames)
    with pytest.raises(InputError, match="at least one frame"):
        collate([])


def test_random_split(tmp_path: Path) -> None:
    frames = read_frames(save(tmp_path, *[text()] * 20)).frames
    train, valid = random_split(frames, 0.25, seed=1)
    origins = [f.origin for f in train + valid]
    assert (len(train), len(valid)) == (15, 5) and len(set(origins)) == 20
    assert [f.origin for f in random_split(frames, 0.25, seed=1)[1]] == [f.origin for f in valid]
    assert [f.origin for f in random_split(frames, 0.25, seed=2)[1]] != [f.origin for f in valid]
    assert [len(part) for part in random_split(frames[:2], 0.01, seed=0)] == [1, 1]
    for fraction in (0.0, 1.0):
        with pytest.raises(InputError, match="between 0 and 1"):
            random_split(frames, fraction, seed=0)
    with pytest.raises(InputError, match="at least two"):
        random_split(frames[:1], 0.5, seed=0)


GOOD = text()
PERIODIC = HEADER + ' pbc="T T T"'
BAD = {
    "missing label": (text(HEADER.replace("REF_forces", "frces")), r"data.xyz: forces: .*frces.*did you mean"),
    "missing in one frame": (GOOD + text("Properties=species:S:1:pos:R:3 REF_energy=1", ("H 0 0 0",)),
                             r"data.xyz, frame 1: forces: .*in 1 of 2 .*REF_energy"),
    "wrong shape": (GOOD + text(HEADER.replace("forces:R:3", "forces:R:2"), ("H 0 0 0 1 1", "H 0 0 1 1 1")),
                    r"frame 1: forces .*expected shape \(N, 3\) with N = 2, got \(2, 2\)"),
    "text": (text(HEADER.replace("-1.5", "unknown")), r"frame 0: energy .*expected numbers.*'unknown'"),
    "key without value": (text(HEADER.replace("=-1.5", "")), r"frame 0: energy .*got True"),
    "nan energy": (GOOD + text(HEADER.replace("-1.5", "nan")), r"frame 1: energy .*finite numbers, got nan"),
    "inf force": (text(rows=("O 0 0 0 inf 0 0",)), r"frame 0: forces .*finite numbers, got inf at index \(0, 0\)"),
    "nan position": (GOOD + text(rows=("O 0 0 nan 0 0 0",)), r"frame 1: positions: expected finite"),
    "charge of one": (text(HEADER + " total_charge=1") + GOOD, r"data.xyz: total_charge: 1 of 2 structures lack it"),
    "charge text": (text(HEADER + " total_charge=plus"), r"frame 0: total_charge .*expected numbers"),
    "no cell": (GOOD + text(PERIODIC), r"frame 1: cell: expected 3 independent"),
    "flat cell": (text(PERIODIC + ' Lattice="3 0 0 0 3 0 3 3 0"'), r"frame 0: cell: expected 3 independent"),
    "bad lattice": (text(HEADER + ' Lattice="1 2 3"'), r"frame 0: expected a readable structure.*Lattice"),
    "empty": ("", "data.xyz: expected structures, got an empty file"),
    "blank": ("\n\n", "data.xyz: expected at least one structure"),
    "cut in the atoms": (GOOD + GOOD[:-17], r"frame 1: expected 2 atoms after line 5, got 1"),
    "cut in a row": (GOOD[:-6], r"frame 0: expected a readable structure"),
    "cut after the count": (GOOD + "2\n", r"frame 1: expected 2 atoms after line 5, got 0"),
    "count too large": (text(count=3) + GOOD, r"frame 1: expected a number of atoms on line 6"),
    "count too small": (text(count=1) + GOOD, r"frame 1: expected a number of atoms on line 4, got 'H 0 0 1"),
    "no count": ("hello\n" + GOOD, r"frame 0: expected a number of atoms on line 1, got 'hello'"),
    "no atoms": (text(rows=()), r"frame 0: expected a number of atoms on line 1, got '0'"),
    "blank between frames": (GOOD + "\n" + GOOD, r"frame 1: expected a number of atoms on line 5, got a blank line"),
    "bad number": (text(rows=("O 0 0 x 0 0 0",)), r"frame 0: expected a readable structure.*'x'"),
    "unknown element": (GOOD + text(rows=("Qq 0 0 0 0 0 0",)), r"frame 1: .*an unknown name 'Qq'"),
    "bad columns": (text(HEADER.replace("pos:R:3", "pos:R:x")), r"frame 0: expected a readable structure"),
    "bad json": (text(HEADER + ' REF_dipole="_JSON [[1"'), r"frame 0: expected a readable structure"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_give_one_sentence(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read_frames(save(tmp_path, content))
    assert "\n" not in str(caught.value) and str(tmp_path / "data.xyz") in str(caught.value)


def test_blank_lines_at_the_end_are_fine(tmp_path: Path) -> None:
    assert len(read_frames(save(tmp_path, GOOD, GOOD, "\n \n")).frames) == 2


def test_atoms_on_one_point(tmp_path: Path) -> None:
    frames = read_frames(save(tmp_path, GOOD, text(rows=("O 0 0 0 0 0 0", "H 0 0 0 0 0 0")))).frames
    with pytest.raises(InputError, match=r"data.xyz, frame 1: positions: expected atoms apart"):
        with_pairs(frames, 3.0)


def test_absent_file_names_the_nearest(tmp_path: Path) -> None:
    save(tmp_path, GOOD)
    with pytest.raises(InputError, match=r"date.xyz: expected a file, got nothing there.*did you mean 'data.xyz'"):
        read_frames(tmp_path / "date.xyz")
    with pytest.raises(InputError, match="got a folder"):
        read_frames(tmp_path)


def test_binary_file(tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_bytes(b"\x00\xff\x01" * 99)
    with pytest.raises(InputError, match=r"data.xyz: expected a text file"):
        read_frames(tmp_path / "data.xyz")


def test_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "data.foo").write_text("nothing that ASE knows\n")
    with pytest.raises(InputError, match=r"data.foo: expected a format that ase.io reads.*got foo"):
        read_frames(tmp_path / "data.foo")


def test_named_keys_and_partial_labels(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        text("Properties=species:S:1:pos:R:3:f:R:3 e=2 Q=1"),
        text("Properties=species:S:1:pos:R:3:f:R:3 e=3 Q=0"),
    )
    data = read_frames(path, keys={"energy": "e", "forces": "f", "total_charge": "Q"})
    assert [f.system.charge.item() for f in data.frames] == [1.0, 0.0]
    with pytest.raises(InputError, match="dipole: expected REF_dipole or"):
        read_frames(path, keys={"energy": "e", "forces": "f"}, partial=("dipole",))
    with pytest.raises(InputError, match="did you mean 'energy'"):
        read_frames(path, required=("enrgy",))


def test_dipeptides() -> None:
    data = read_frames(reference("spice_dipeptides_polar/train.xyz"))
    assert len(data.frames) == 495
    assert "forces: read from array `force` (eV/Å)" in data.notes
    assert set(data.frames[0].labels.present()) == {"energy", "forces", "dipole", "quadrupole"}
    assert any("array `mbi_charges`" in warning for warning in data.warnings)


def test_charged_dimers_as_open_structures() -> None:
    data = read_frames(reference("charged_dimers_lode/train-id0.xyz"), pbc=False)
    assert len(data.frames) == 10 and not any(f.system.pbc.any() for f in data.frames)
    batch = collate(with_pairs(data.frames, 4.0))
    assert not batch.pairs.shifts.any()


def test_bulk_water() -> None:
    data = read_frames(reference("water_rpbe_d3/test-H2O_RPBE-D3.xyz"))
    assert len(data.frames) == 50
    assert all(f.system.pbc.all() and len(f.system.positions) == 192 for f in data.frames)
