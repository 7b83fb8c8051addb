"""From a run folder to a Report: evaluation on test frames, learning curves, far-range probe, checks."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from leyden.checks import InputError
from leyden.potential import Potential
from leyden.report.content import FarRange, LearningCurve, Provenance, Report
from leyden.report.physics_checks import run_checks
from leyden.report.probe import centre_distance, far_range, fragments
from leyden.storage import load, metadata
from leyden.system import System
from leyden.train.config import Config, dump, load_config
from leyden.train.data import Frame
from leyden.train.dataset import load_data
from leyden.train.evaluate import evaluate
from leyden.train.files import load as load_structures
from leyden.train.frames import frames_for

CHECKED = 2
"""The physics checks run on this many of the smallest test structures."""


def assemble(run: Path, test: Path | None = None, baseline: Path | None = None, scan: Path | None = None) -> Report:
    """The report of a run.

    test: labelled structures, by default those of the config (its test file, else its validation frames); baseline: the
    run folder of a short-range model; scan: structures with REF_energy, two ions pulled apart.
    Raises InputError for folders and files that are not what they should be.
    """
    potential, about = load(run / "best"), metadata(run / "best")
    config = load_config(run / "config.yaml")
    other = load(baseline / "best") if baseline else None
    frames = _frames(potential, config, test)
    result = evaluate(potential, frames)
    smallest = sorted(frames, key=lambda frame: len(frame.system.positions))[:CHECKED]
    return Report(
        title=f"{config.output.name}: {about['frames']['train']} training structures",
        evaluation=result,
        baseline=evaluate(other, frames) if other else None,
        curve=LearningCurve.from_csv(run / "train.csv"),
        baseline_curve=LearningCurve.from_csv(baseline / "train.csv") if baseline else None,
        far_range=[_probe(config.output.name, potential, other, scan)] if scan else [],
        checks=run_checks(potential, System.join([frame.system for frame in smallest])),
        provenance=_provenance(config, about, potential, result.seconds),
    )


def _frames(potential: Potential, config: Config, test: Path | None) -> Sequence[Frame]:
    chosen = test or config.data.test
    if chosen is None:
        return load_data(config).validation
    return frames_for(potential, chosen, config.data.pbc, config.data.keys).frames


def _probe(name: str, potential: Potential, other: Potential | None, scan: Path) -> FarRange:
    frames = [atoms for atoms in load_structures(scan) if len(fragments(atoms)) == 2]
    if not frames:
        raise InputError(f"{scan}: expected structures of two separate molecules, got none; give another scan.")
    return far_range(
        scan.stem,
        {name: potential} | ({"short-range": other} if other else {}),
        frames,
        [centre_distance(atoms) for atoms in frames],
        reference=[float(atoms.info["REF_energy"]) for atoms in frames],
    )


def _provenance(config: Config, about: dict, potential: Potential, seconds: float) -> Provenance:
    charges = potential.charges
    scale = 1.0 if charges is None else charges.permittivity**0.5
    weights = sum(p.numel() for p in potential.parameters())
    return Provenance(
        config=dump(config),
        data_hash=about["data"],
        versions=about["versions"] | {"this page": f"Python {sys.version.split()[0]}, torch {torch.__version__}"},
        command=f"leyden train {config.output / 'config.yaml'}",
        charge_scale=scale,
        charge_scale_source=about.get("charge_scale")
        or ("given as model.charges.scale" if scale != 1.0 else "1, the gas-phase value; nothing was fitted"),
        model=f"{weights} weights\n{json.dumps(config.model.model_dump(mode='json'), indent=1)}",
        timings={"evaluation": seconds},
    )
