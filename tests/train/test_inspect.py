"""What check-data reports about a file."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from ase import Atoms
from ase.io import write

from leyden.checks import InputError
from leyden.cli.check_data import check_data
from leyden.train.inspect import Inspection, inspect
from leyden.train.key_rows import KeyRow
from leyden.train.physics import rotation_residual

REFERENCE = Path(os.environ.get("LEYDEN_REFERENCE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def molecule(seed: int = 0, **info: object) -> Atoms:
    """Fixed charges +1, -2, +1: Z* and dipole are known, and so is the sum rule."""
    rng = np.random.default_rng(seed)
    atoms = Atoms("HOH", np.array([[0.8, 0, 0.6], [0, 0, 0], [-0.8, 0, 0.6]]) + 0.1 * rng.random((3, 3)))
    atoms.info = {"REF_energy": float(seed), "total_charge": 0, "config_type": "water", **info}
    atoms.set_array("REF_forces", rng.random((3, 3)))
    atoms.set_array("REF_charges", np.array([1.0, -2.0, 1.0]))
    return atoms


def saved(folder: Path, *frames: Atoms) -> Path:
    write(folder / "data.xyz", list(frames))
    return folder / "data.xyz"


def row(report: Inspection, key: str) -> KeyRow:
    return next(r for r in report.keys if r.key == key)


def test_summary(tmp_path: Path) -> None:
    frames = [molecule(0), molecule(0), molecule(1, my_energy=1.0, comment="one", total_charge=1)]
    frames[2].arrays["REF_charges"] = np.array([1.0, -1.0, 1.0])
    frames[2].set_cell(np.eye(3) * 9)
    frames[2].set_pbc([True, True, False])
    report = inspect(saved(tmp_path, *frames))
    assert (report.structures, report.atoms, report.elements) == (3, 9, {"H": 6, "O": 3})
    assert report.periodicity == {"open": 2, "periodic along ab": 1} and report.total_charges == {0.0: 2, 1.0: 1}
    assert report.duplicates == 1 and report.problems == ()
    norms = [np.linalg.norm(f.arrays["REF_forces"], axis=1).max() for f in frames]
    assert report.max_force == pytest.approx(max(norms), abs=1e-7)
    assert report.closest == pytest.approx(min(np.sort(f.get_all_distances().ravel())[3] for f in frames), abs=1e-7)
    assert report.labels == {"energy": 3, "forces": 3, "charges": 3}


def test_minus_zero_is_the_same_geometry(tmp_path: Path) -> None:
    pair = [Atoms("H2", [[0, 0, 0], [zero, 0, 1]], info={"REF_energy": 0.0}) for zero in (0.0, -0.0)]
    assert inspect(saved(tmp_path, *pair)).duplicates == 1


def test_key_rows(tmp_path: Path) -> None:
    report = inspect(saved(tmp_path, molecule(0), molecule(1, my_energy=1.5, comment="one")))
    assert row(report, "REF_energy") == KeyRow("info", "REF_energy", 2, "()", "0 .. 1", "energy")
    assert row(report, "REF_charges") == KeyRow("array", "REF_charges", 2, "(N,)", "-2 .. 1", "charges")
    assert row(report, "my_energy").taken_for == "looks like a label, not used" and row(report, "my_energy").count == 1
    assert row(report, "comment") == KeyRow("info", "comment", 1, "text", "one", "not used")


def born(transposed: bool, key: str) -> Atoms:
    """Charges that flow along a bond make Z* unsymmetric; Z*_ab = dmu_a / dr_b by finite difference."""
    atoms = molecule()

    def dipole(r: np.ndarray) -> np.ndarray:
        lengths = [np.linalg.norm(r[0] - r[1]), np.linalg.norm(r[2] - r[1])]
        q = np.array([lengths[0] * lengths[1], -lengths[0] * lengths[1] - 0.5, 0.5])
        return np.asarray(q @ r)

    z = np.zeros((3, 3, 3))
    for i in range(3):
        for b in range(3):
            step = np.zeros((3, 3))
            step[i, b] = 1e-4
            z[i, :, b] = (dipole(atoms.positions + step) - dipole(atoms.positions - step)) / 2e-4
    atoms.info["REF_dipole"] = dipole(atoms.positions)
    atoms.set_array(key, (z.transpose(0, 2, 1) if transposed else z).reshape(3, 9))
    return atoms


def test_rotational_sum_rule_tells_the_order(tmp_path: Path) -> None:
    atoms = born(False, "REF_born_effective_charges")
    z = torch.as_tensor(atoms.arrays["REF_born_effective_charges"]).reshape(3, 3, 3)
    mu, r = torch.as_tensor(atoms.info["REF_dipole"]), torch.as_tensor(atoms.positions)
    assert rotation_residual(z, mu, r) < 1e-6
    assert rotation_residual(z.transpose(1, 2), mu, r) > 0.1
    assert inspect(saved(tmp_path, atoms)).problems == ()
    assert inspect(saved(tmp_path, born(True, "bec"))).problems == ()
    wrong = inspect(saved(tmp_path, born(True, "REF_born_effective_charges"))).problems
    assert len(wrong) == 1 and "got the transpose" in wrong[0]


def broken_charges() -> list[Atoms]:
    atoms = molecule()
    atoms.arrays["REF_charges"] += 0.5
    return [molecule(), atoms]


def coincident() -> list[Atoms]:
    atoms = molecule()
    atoms.positions[2] = atoms.positions[0]
    return [molecule(), atoms]


def no_forces() -> list[Atoms]:
    atoms = molecule()
    del atoms.arrays["REF_forces"]
    return [molecule(), atoms]


def no_charge() -> list[Atoms]:
    atoms = molecule()
    del atoms.info["total_charge"]
    return [molecule(), atoms]


PROBLEMS = {
    "sum of charges": (broken_charges(), r"charges: expected to sum to total_charge, got 1.500 e for 0 e in frame 1"),
    "coincident": (coincident(), r"data.xyz, frame 1: positions: expected atoms apart"),
    "gaps": (no_forces(), r"forces: expected in every frame, got it in 1 of 2"),
    "charge of one": (no_charge(), r"total_charge: 1 of 2 structures lack it"),
    "nan": ([molecule(), molecule(REF_energy=float("nan"))], r"frame 1: energy .*got nan"),
    "shape": ([molecule(REF_dipole=np.ones(4))], r"frame 0: dipole .*expected shape \(3,\), got \(4,\)"),
    "no labels": ([Atoms("H")], r"labels: expected at least one"),
    "no cell": ([Atoms("H", pbc=True, info={"REF_energy": 1.0})], r"frame 0: cell: expected 3 independent"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_problems_are_found_and_exit_with_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    frames, message = PROBLEMS[case]
    path = saved(tmp_path, *frames)
    problems = inspect(path).problems
    assert len(problems) == 1 and re.search(message, problems[0]), problems
    with pytest.raises(typer.Exit) as stop:
        check_data(path)
    assert stop.value.exit_code == 2
    assert "Not ready: 1 problem" in capsys.readouterr().out


def test_many_problems_are_shortened(tmp_path: Path) -> None:
    report = inspect(saved(tmp_path, *[molecule(n, REF_energy=float("nan")) for n in range(9)]))
    assert len(report.problems) == 6 and report.problems[-1] == "... and 4 more of this kind."
    assert row(report, "REF_energy").span == "no finite number, 9 not finite"


def test_check_data_prints_keys_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_data(saved(tmp_path, molecule(0, comment="[H:1][red]"), molecule(1, my_energy=1.0, comment="x")))
    out = capsys.readouterr().out
    assert "Ready to train on energy, forces, charges." in out and "REF_forces" in out
    assert "[H:1]" in out and "my_energy" in out and "total_spin: no frame has it" in out
    assert " ".join(out.split()).count("warning not used, though they look like labels: info `my_energy`") == 1


def test_check_data_of_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, got nothing there"):
        check_data(tmp_path / "nothing.xyz")


@pytest.mark.parametrize("name", ["spice_dipeptides_polar/val.xyz", "spice_bec/des370k_monomers.xyz"])
def test_published_sets_obey_the_sum_rules(name: str) -> None:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    report = inspect(path)
    assert report.problems == ()
    assert row(report, "bec").taken_for == "born_effective_charges (transposed)"
