"""Training state on disk: where it lies, what --restart means, and that a restart continues the same run."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from leyden.checks import InputError
from leyden.train.config import Config

FOLDER = "checkpoints"

KEY = "leyden_run"
"""Where a checkpoint keeps the identity of its run."""

FREE = (
    "output", "data.train", "data.validation", "data.test", "optimizer.epochs", "hardware.accelerator",
    "hardware.devices", "hardware.strategy",
)  # fmt: skip
"""What may change when a run goes on; of the files only the content counts."""


class Interrupted(Exception):
    """Training was stopped by the user; the message says how to go on."""


def resume_from(output: Path, restart: str) -> Path | None:
    """The checkpoint to continue from, or None for a fresh start.

    'no' refuses to overwrite an earlier run; 'auto' continues it if it left a checkpoint; a path continues that file.
    Raises InputError where there is nothing to continue, or something would be lost.
    """
    last, best = output / FOLDER / "last.ckpt", output / "best"
    if restart == "auto":
        if (
            not last.is_file() and _epochs(output) > 1
        ):  # after one, the run may have stopped before its first checkpoint
            raise InputError(f"--restart: expected {last} to continue the run, found none; choose another output.")
        return last if last.is_file() else None
    if restart == "no":
        if last.is_file() or best.exists():
            raise InputError(
                f"{output}: expected an empty output folder, found an earlier run; continue it with --restart auto, or"
                " choose another output."
            )
        return None
    chosen = Path(restart)
    if not chosen.is_file():
        raise InputError(f"--restart: expected 'auto' or a checkpoint file, got {restart!r}, which does not exist.")
    return chosen


def identity(config: Config, hashes: Mapping[str, str]) -> dict[str, Any]:
    """What a run is, by dotted key: its config and the content of its files, without what may change."""
    keys = {key: value for key, value in _flat("", config.model_dump(mode="json")) if key not in FREE}
    return keys | {"data files": list(hashes.values())}


def check(path: Path, run: Mapping[str, Any], epochs: int) -> None:
    """Raise InputError unless the checkpoint is intact, belongs to this run, and is not beyond its epochs."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        before, done = state[KEY], state["epoch"] + 1
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError, LookupError, TypeError):
        raise InputError(
            f"{path}: expected an intact checkpoint of this version of Leyden, got another file; give an older one with"
            " --restart FILE, or choose another output."
        ) from None
    for key in [*run, *(key for key in before if key not in run)]:
        if before.get(key) != run.get(key):
            change = "other files" if key == "data files" else f"{key}={run.get(key)!r} instead of {before.get(key)!r}"
            raise InputError(
                f"{path}: expected the settings and data of the run to continue, got {change}; restore it, or choose"
                " another output."
            )
    if done > epochs:
        raise InputError(
            f"{path}: expected at most optimizer.epochs={epochs} epochs, got {done} done already; raise"
            " optimizer.epochs."
        )


def _epochs(output: Path) -> int:
    """Epochs in the log of a run."""
    log = output / "train.csv"
    return len(log.read_text().splitlines()) - 1 if log.is_file() else 0


def _flat(prefix: str, content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Dotted keys and values of nested sections."""
    rows: list[tuple[str, Any]] = []
    for key, value in content.items():
        rows += _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows
