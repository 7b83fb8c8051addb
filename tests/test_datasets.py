"""Data that lie in datasets/: what training reads of them has no fault, and no frame of one part is in another."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from leyden.train.files import load
from leyden.train.inspect import inspect

DATASETS = Path(__file__).parents[1] / "datasets"
FOLDERS = sorted(path.parent for path in DATASETS.glob("*/train.xyz"))


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
