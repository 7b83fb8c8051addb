"""Benchmarks and experiments are not run here; they have to fit the library, and what they share."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted([*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("papers/*.py")])
PEERS = {"openmm"}
"""Packages of others, which only some benchmarks need."""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_import(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "papers"), str(BENCHMARKS), *sys.path])
    try:
        module = importlib.import_module(path.stem)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in PEERS:
            raise
        pytest.skip(f"needs {error.name}")
    assert module.__file__ == str(path)
    assert module.__doc__
