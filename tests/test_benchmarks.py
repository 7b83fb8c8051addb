"""Benchmarks and experiments are not run here; they have to fit the library, and what they share."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import fcc100

from leyden.backbones.cartesian import Cartesian
from leyden.baseline import Baseline
from leyden.charges.problem import Problem
from leyden.potential import Potential
from leyden.spec import LocalSpec, ResponseSpec, VariationalSpec
from leyden.spec.charges.base import ChargeSpec
from leyden.spec.presets import PRESETS
from leyden.system import System
from leyden.testing.assembly import assembled

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


@pytest.mark.parametrize("jobs", [1, 3])
def test_run_all(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    """One that works, one that fails, one without data, and those that read runs of these."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "papers"), *sys.path])
    monkeypatch.chdir(tmp_path)
    all_of = importlib.import_module("run_all")
    monkeypatch.setattr(all_of, "HERE", tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "works.py").write_text("import sys; print(*sys.argv[1:])")
    (tmp_path / "breaks.py").write_text("raise SystemExit('no good')")
    (tmp_path / "reads.py").write_text("print('read')")
    names = [("works", ("made",)), ("breaks", ()), ("lacks", ("absent",))]
    later = [all_of.Experiment(f"after_{name}", after=name) for name in ("breaks", "lacks")]
    later.append(all_of.Experiment("reads", after="works"))
    monkeypatch.setattr(all_of, "EXPERIMENTS", [*(all_of.Experiment(name, made) for name, made in names), *later])
    monkeypatch.setattr(sys, "argv", ["run_all.py", str(tmp_path), str(tmp_path), "--quick", "--jobs", str(jobs)])
    with pytest.raises(SystemExit, match=r"failed: breaks$"):
        all_of.main()
    said = "".join(capfd.readouterr())
    assert all(f"{name}: done" in said for name in ("works", "reads"))
    assert "breaks: failed" in said
    for name, lacks in (("lacks", "absent"), ("after_breaks", "run of breaks"), ("after_lacks", "run of lacks")):
        assert re.search(rf"^{name}: left out, as there is no \S*{lacks}$", said, re.MULTILINE), name
    printed = said if jobs == 1 else "".join(path.read_text() for path in sorted(tmp_path.glob("runs/papers/*.log")))
    assert f"{tmp_path / 'made'} --quick" in printed
    assert "no good" in printed
    assert ("no good" in said) == (jobs == 1)
    monkeypatch.setattr(sys, "argv", ["run_all.py", str(tmp_path), str(tmp_path), "--jobs", "0"])
    with pytest.raises(SystemExit):
        all_of.main()
    assert "--jobs: expected 1 or more, got 0." in capfd.readouterr().err


@pytest.mark.parametrize(
    "spec", [LocalSpec(), ResponseSpec(dipoles=True), VariationalSpec(dipoles=True)], ids=lambda s: s.kind
)
def test_held_potential(spec: ChargeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Atoms that feel the potential of the density, and have a reservoir, have that density, and know no far atom."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "papers"), str(BENCHMARKS), *sys.path])
    monkeypatch.setattr(locality := importlib.import_module("locality"), "MOLECULES", 5)
    potential, structure = assembled(spec.make), locality.chain()
    system, distances = System.from_ase(structure), structure.get_all_distances()
    positions = system.positions.requires_grad_()
    found = locality.densities(potential, system)
    shift = (found["held"] - found["whole"]).detach()
    assert shift[:, 1:].abs().sum() < 1e-7
    assert (shift[:, 0].abs().max() < 1e-7) == (spec.kind == "variational")
    whole, held = (locality.sensitivities(found[name][:, 0], positions) for name in locality.DENSITIES)
    with potential.asked(direct=spec.kind != "local"):
        direct = potential(system).density.detach()
    assert ((direct - found["whole"].detach()).abs().max() > 1e-3) == (spec.kind != "local")
    monkeypatch.setattr(locality, "Reservoir", Problem)
    closed = locality.densities(potential, system)
    assert (closed["held"] - closed["whole"]).abs().max() < 1e-7
    far = distances > 2 * potential.backbone.cutoff
    assert np.abs(whole[far]).max() > 1e-4
    assert np.abs(held - whole).max() > 1e-3
    assert np.abs(held[far]).max() < (0.1 if spec.kind == "response" else 1e-12) * np.abs(whole[far]).max()


@pytest.mark.parametrize(("preset", "conducts"), [("les", False), ("qeq", True)])
def test_slab_in_field(preset: str, conducts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charges that flow screen a field between the layers, and have image planes beyond them; others know no field."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "papers"), str(BENCHMARKS), *sys.path])
    slab = importlib.import_module("slab_in_field")
    atoms = fcc100("Al", (2, 2, 3), a=4.04, vacuum=6.0)
    atoms.pbc = (True, True, False)
    frames = {(0, field): atoms.copy() for field in (0.0, slab.FIELD, -slab.FIELD)}
    for (_, field), frame in frames.items():
        frame.info = {"config_type": "metal", "REF_energy": 0.0, "total_charge": 0, "external_field": [0, 0, field]}
    torch.manual_seed(0)
    backbone = Cartesian((13,), cutoff=4.0, channels=4)
    charges = PRESETS[preset].charges.make(backbone.channels, backbone.elements)
    potential = Potential(backbone, charges, None, Baseline({})).double()
    found = slab.answers(potential, frames)
    moments = [potential(System.from_ase(frames[0, field])).dipole[0, 2].item() for field in (0.0, slab.FIELD)]
    assert found["model"]["alpha"] == pytest.approx((moments[1] - moments[0]) / slab.FIELD, abs=1e-6)
    assert [acting[:2] for acting in found["missed"]] == [(0, slab.FIELD), (0, -slab.FIELD)]
    assert -sum(off for *_, off in found["missed"]) / slab.FIELD**2 == pytest.approx(found["model"]["alpha"], abs=1e-9)
    if conducts:
        assert 0.9 < found["induced"] < 1.2 and abs(found["left"]) < 0.15
        assert found["model"]["image"] > 0.1
    else:
        assert (found["induced"], found["left"]) == pytest.approx((0.0, 1.0), abs=1e-9)
