"""leyden spectrum: what it prints and writes, and every mistake as one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from leyden.properties.wavenumber import LIGHT

NU, FRAMES, DT = 1500.0, 700, 1.0
WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
CHARGES = np.array([-0.6, 0.3, 0.3])
SHORT = ("--resolution", 120, "--window", "hann")


def frames(count: int = FRAMES, periodic: bool = False) -> list[Atoms]:
    """Water whose hydrogens swing along x, with momenta, charges, dipole and time, as leyden md writes it."""
    out = []
    for n in range(count):
        phase = 2 * np.pi * LIGHT * NU * DT * n
        atoms = Atoms("OH2", WATER)
        swing = np.array([0.0, 1.0, 1.0])[:, None] * np.array([0.03, 0.0, 0.0])
        atoms.positions += swing * np.cos(phase)
        atoms.set_velocities(-swing * 2 * np.pi * LIGHT * NU * np.sin(phase) / units.fs)
        atoms.info = {"time_ps": DT * n / 1000, "total_charge": 0, "moment": CHARGES @ atoms.positions}
        results = {"charges": CHARGES, "dipole": CHARGES @ atoms.positions}
        if periodic:
            atoms.set_cell([5.0, 5.0, 5.0])
            atoms.set_pbc(True)
            del results["dipole"]
        atoms.calc = SinglePointCalculator(atoms, **results)
        out.append(atoms)
    return out


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """open.xyz and bulk.xyz."""
    place = tmp_path_factory.mktemp("trajectories")
    write(place / "open.xyz", frames(), format="extxyz")
    write(place / "bulk.xyz", frames(300, periodic=True), format="extxyz")
    return place


def table(path: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Column names, columns, and the lines of the header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line for line in lines if line.startswith("#")]
    names, *rows = lines[len(header) :]
    return names.split(","), np.array([row.split(",") for row in rows], dtype=float), header


def test_infrared_from_dipoles(leyden: Callable, places: Path, tmp_path: Path) -> None:
    printed = leyden("spectrum", places / "open.xyz", "--output", tmp_path / "a.csv", *SHORT, "--quantum", "standard")
    assert printed.code == 0 and printed.err == "", printed
    assert printed.out.startswith("700 frames, 1 fs apart\n") and "quantum correction: standard" in printed.out
    assert "window: hann, resolution 120 cm^-1" in printed.out and "vibrations below 16678 cm^-1" in printed.out
    (peak,) = (line.split() for line in printed.out.splitlines() if line.startswith("peak"))
    assert float(peak[2]) == pytest.approx(NU, abs=10)
    names, rows, header = table(tmp_path / "a.csv")
    assert names == ["wavenumber", "absorption"] and "# unit: km/mol / cm^-1" in header
    assert rows[rows[:, 1].argmax(), 0] == pytest.approx(NU, abs=25)


def test_picture(leyden: Callable, places: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    printed = leyden("spectrum", places / "open.xyz", "--kind", "power", "--output", path, *SHORT)
    assert printed.code == 0 and path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000
    assert "temperature: not needed" in printed.out and "quantum correction: classical" in printed.out


def test_density_of_states(leyden: Callable, places: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    printed = leyden("spectrum", places / "open.xyz", "--kind", "power", "--output", output, *SHORT, "--last", 649)
    assert printed.out.startswith("650 frames")
    names, rows, _ = table(output)
    assert names == ["wavenumber", "total", "H", "O"]
    assert np.trapezoid(rows[:, 1], rows[:, 0]) == pytest.approx(9.0, rel=1e-4)


def test_with_a_model(leyden: Callable, folder: Path, places: Path, tmp_path: Path) -> None:
    """Born charges and polarizabilities along the trajectory."""
    model = folder / "run" / "best"
    for kind, unit in (("ir", "km/mol / cm^-1"), ("raman", "1e-30 cm^2 sr^-1 / cm^-1")):
        output = tmp_path / f"{kind}.csv"
        printed = leyden(
            "spectrum", places / "open.xyz", "--kind", kind, "--model", model, "--output", output, *SHORT,
            "--temperature", 250,
        )  # fmt: skip
        assert printed.code == 0, printed.err
        assert f"unit: {unit}" in printed.out and "temperature: 250.0 K" in printed.out
    _, rows, _ = table(tmp_path / "ir.csv")
    assert rows[rows[:, 1].argmax(), 0] == pytest.approx(NU, abs=50)


def test_dielectric_constant(leyden: Callable, places: Path) -> None:
    """Of a swing, <M^2> - <M>^2 is half the square of its amplitude."""
    printed = leyden(
        "spectrum", places / "bulk.xyz", "--kind", "dielectric", "--dipole", "moment", "--temperature", 300,
        "--eps-inf", 1.7,
    )  # fmt: skip
    assert printed.code == 0, printed.err
    moments = np.array([atoms.info["moment"] for atoms in read(places / "bulk.xyz", ":")])
    expected = 1.7 + 4 * np.pi * 14.3996 * moments.var(0).sum() / (3 * 125 * 8.61733e-5 * 300)
    (line,) = (line.split() for line in printed.out.splitlines() if line.startswith("dielectric constant"))
    assert float(line[2]) == pytest.approx(expected, rel=2e-3)
    assert "independent dipoles; mean volume 125.0 Å^3" in printed.out


def test_dielectric_constant_by_a_model(leyden: Callable, folder: Path, places: Path) -> None:
    """Of latent charges in a bulk, times a scale: eps - 1 grows with its square."""
    found = []
    for scale in (1.0, 2.0):
        given = ("--kind", "dielectric", "--model", folder / "run" / "best", "--scale", scale)
        printed = leyden("spectrum", places / "bulk.xyz", *given)
        assert printed.code == 0, printed.err
        (line,) = (line.split() for line in printed.out.splitlines() if line.startswith("dielectric constant"))
        found.append(float(line[2]) - 1.0)
    assert found[0] > 0.01 and found[1] == pytest.approx(4 * found[0], rel=0.02)
    assert "Born charges of the model times 2" in printed.out


def without(key: str) -> list[Atoms]:
    given = frames(50)
    for atoms in given:
        if key == "momenta":
            del atoms.arrays["momenta"]
        elif key == "dipole":
            atoms.calc = None
        else:
            del atoms.info[key]
    return given


def uneven() -> list[Atoms]:
    given = frames(50)
    given[-1].info["time_ps"] += 0.0003
    return given


MISTAKES: list[tuple[Callable[[], list[Atoms]], str, str]] = [
    (lambda: without("momenta"), "--kind power", "expected velocities, got none in frame 0"),
    (lambda: without("momenta"), "--kind ir", "temperature: expected velocities to take it from"),
    (lambda: without("dipole"), "--kind ir", "expected a dipole in every frame, got none in frame 0"),
    (lambda: without("time_ps"), "--kind ir", "expected time_ps in the header of every frame"),
    (uneven, "--kind ir", "expected frames at even times, 1 fs apart, got 1.3 fs after frame 48"),
    (lambda: frames(50), "--kind ir", "resolution: expected"),
    (lambda: frames(1), "--kind ir", "expected two frames or more, got 1"),
    (lambda: frames(50), "--kind ir --skip 60", "expected two frames or more, got 0"),
    (lambda: frames(50), "--kind raman", "polarizability: expected a model, or frames that carry it"),
    (lambda: frames(50), "--kind dielectric", "expected a structure that is periodic along three axes"),
    (lambda: frames(50, True), "--kind dielectric", "expected open structures, got periodic ones"),
    (lambda: frames(50, True), "--kind ir", "give Born charges, or name the key of a polarization without jumps"),
    (lambda: frames(50), "--kind nmr", "--kind: expected one of ir, raman, power, dielectric, got 'nmr'"),
    (lambda: frames(50), "--kind power --temperature 300", "--kind power: expected no --temperature, which it has no"),
    (lambda: frames(50), "--kind dielectric --output a.csv", "--kind dielectric: expected no --output"),
    (lambda: frames(50), "--kind ir --eps-inf 1.0", "--kind ir: expected no --eps-inf"),
    (lambda: frames(50), "--kind ir --output a.pdf", "expected a file that ends in .csv or .png"),
    (lambda: frames(50), "--kind ir --window box", "window: expected one of gaussian, hann"),
    (lambda: frames(150), "--kind ir --resolution 1000 --quantum x", "correction: expected one of none, harmonic"),
    (lambda: frames(150), "--kind ir --resolution 1000 --output /proc/x/a.csv", "expected a file that can be written"),
]


@pytest.mark.parametrize(("make", "options", "message"), MISTAKES)
def test_mistakes(leyden, tmp_path, make, options, message) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "bad.xyz", make(), format="extxyz")
    printed = leyden("spectrum", tmp_path / "bad.xyz", *options.split())
    assert printed.code == 2, printed
    assert printed.err.count("\n") == 1 and printed.err.startswith("error: ") and message in printed.err
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.xyz"]
