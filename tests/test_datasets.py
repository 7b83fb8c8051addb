"""Data that lie in datasets/: what training reads of them has no fault, and no frame of one part is in another."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.density.moments import dipole, quadrupole, total_charge
from leyden.system import System
from leyden.train.files import load
from leyden.train.inspect import inspect

DATASETS = Path(__file__).parents[1] / "datasets"
FOLDERS = sorted(path.parent for path in DATASETS.rglob("train.xyz"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_data(folder: Path) -> None:
    seen: dict[str, set[bytes]] = {}
    for path in sorted(folder.glob("*.xyz")):
        found = inspect(path)
        assert not found.problems, found.problems
        assert not found.warnings, found.warnings
        assert found.labels["energy"] == found.labels["forces"] == found.structures
        frames = load(path)
        assert all(np.abs(atoms.get_array("REF_forces").sum(0)).max() < 1e-2 for atoms in frames)
        seen[path.name] = {np.round(atoms.positions, 5).tobytes() for atoms in frames}
    assert {"train.xyz", "val.xyz", "test.xyz"} <= seen.keys()
    for one, other in combinations(seen, 2):
        assert not seen[one] & seen[other], (one, other)


@pytest.mark.parametrize("part", ["train", "val", "test", "large"])
@pytest.mark.parametrize(
    ("key", "basis", "within"),
    [
        ("REF_density_coefficients", GaussianBasis((0.3, 0.6), lmax=2), 0.06),
        ("small_density", GaussianBasis(0.5, lmax=1), 0.12),
    ],
    ids=["two shells", "one shell"],
)
def test_fitted_densities(part: str, key: str, basis: GaussianBasis, within: float) -> None:
    """Coefficients of Gaussians, in our conventions, have the charge, the moments and the potential of the density."""
    wrong: dict[str, float] = {}
    whole: dict[str, float] = {}
    for atoms in load(DATASETS / "water_densities" / f"{part}.xyz")[::10]:
        system, density = System.from_ase(atoms), torch.as_tensor(atoms.arrays[key])
        assert float(total_charge(density, system, basis).abs()) < 1e-6
        points = torch.as_tensor(atoms.info["REF_potential_points"]).view(-1, 3)
        found = {
            "REF_dipole": dipole(density, system, basis),
            "REF_quadrupole": quadrupole(density, system, basis),
            "REF_electrostatic_potential": Coulomb()
            .bind(system, basis)
            .at(density, points, torch.zeros(len(points)).long()),
        }
        for name, value in found.items():
            exact = np.ravel(atoms.info[name])
            wrong[name] = wrong.get(name, 0.0) + float(np.sum((value.numpy().ravel() - exact) ** 2))
            whole[name] = whole.get(name, 0.0) + float(np.sum(exact**2))
    assert {name: (wrong[name] / whole[name]) ** 0.5 for name in whole if wrong[name] > within**2 * whole[name]} == {}
