"""Benchmarks and experiments are not run here; they have to fit the library, and what they share."""

import importlib
import json
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


def test_tables_keep_earlier_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the folder come first, those behind the earlier table stay, one without a name cannot be told apart."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    harness = importlib.import_module("harness")
    earlier = [{"run": "les-0", "rmse": 1.0}, {"run": "les-1", "rmse": 2.0}, {"rmse": 3.0}]
    (tmp_path / "table.json").write_text(json.dumps(earlier))
    for run, rmse in (("les-1", 4.0), ("les-2", 5.0)):
        (tmp_path / run).mkdir()
        (tmp_path / run / "result.json").write_text(json.dumps({"rmse": rmse}))
    found = harness.gathered(tmp_path, tmp_path / "table.json")
    assert [(r["run"], r["rmse"]) for r in found] == [("les-0", 1.0), ("les-1", 4.0), ("les-2", 5.0)]
    assert [r["run"] for r in harness.gathered(tmp_path, tmp_path / "absent.json")] == ["les-1", "les-2"]
