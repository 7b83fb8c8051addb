"""Model folder: config.yaml (what it is made of), model.safetensors (weights), metadata.json (units, provenance).

Loading reads data only; nothing in a model folder is executed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from leyden.checks import InputError
from leyden.potential import Potential
from leyden.spec import PotentialSpec, build, describe
from leyden.units import COULOMB

FORMAT = 1
"""Version of the folder's layout; raised when a change makes older folders unreadable."""

FILES = ("config.yaml", "model.safetensors", "metadata.json")


def save(potential: Potential, folder: str | Path, metadata: Mapping[str, object] | None = None) -> Path:
    """Write a model folder and return its path; metadata (JSON values) is added to format, units and constants.

    Raises InputError where the folder cannot be written.
    """
    folder = Path(folder)
    about: dict[str, object] = {
        "format": FORMAT,
        "units": {"energy": "eV", "length": "Å", "charge": "e"},
        "coulomb_constant": COULOMB,
    }
    spec = describe(potential).model_dump(mode="json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / FILES[0], yaml.safe_dump(spec, sort_keys=False).encode())
        weights = {name: value.detach().cpu().contiguous().clone() for name, value in potential.state_dict().items()}
        save_file(weights, folder / f".{FILES[1]}")
        os.replace(folder / f".{FILES[1]}", folder / FILES[1])
        about["sha256"] = {name: _hash(folder / name) for name in FILES[:2]}
        _replace(folder / FILES[2], json.dumps({**(metadata or {}), **about}, indent=2).encode())
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder that can be written, got {error.strerror}; choose another."
        ) from None
    return folder


def load(folder: str | Path, dtype: torch.dtype | None = None) -> Potential:
    """Read a model folder; weights keep their dtype unless one is given.

    Raises InputError for a folder that is incomplete, damaged, or written in another format.
    """
    folder = Path(folder)
    about = metadata(folder)
    if about.get("format") != FORMAT:
        raise InputError(
            f"{folder}: expected a model folder of format {FORMAT}, got {about.get('format')!r}; load it with the"
            f" version of Leyden that wrote it ({about.get('versions', {}).get('leyden', 'unknown')}) or train again."
        )
    try:
        spec = PotentialSpec.model_validate(yaml.safe_load((folder / FILES[0]).read_text()))
        weights = load_file(folder / FILES[1])
        potential = build(spec)
        floating = next((w.dtype for w in weights.values() if w.is_floating_point()), torch.float64)
        potential.to(floating).load_state_dict(weights)
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError, SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{folder}: expected an intact model folder, got: {_said(error)}; copy it again.") from None
    changed = [name for name in FILES[:2] if about.get("sha256", {}).get(name) != _hash(folder / name)]
    if changed:
        raise InputError(
            f"{folder}: expected the files as they were written, got another {' and '.join(changed)}; restore the"
            " folder, or load the original and save it anew."
        )
    broken = [name for name, weight in weights.items() if not bool(weight.isfinite().all())]
    if broken:
        raise InputError(
            f"{folder}: expected finite weights, got {broken[0]} with numbers that are not; the training diverged, take"
            " an earlier model."
        )
    return potential.to(dtype) if dtype else potential


def metadata(folder: str | Path) -> dict:
    """The metadata of a model folder. Raises InputError if it is not one."""
    folder = Path(folder)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: expected a model folder with {', '.join(FILES)}, found no {', '.join(missing)}; give the path"
            " of a folder that `leyden train` wrote, such as runs/NAME/best."
        )
    try:
        about = json.loads((folder / FILES[2]).read_text())
    except (ValueError, OSError) as error:
        raise InputError(f"{folder / FILES[2]}: expected JSON, got: {_said(error)}; copy the folder again.") from None
    if not isinstance(about, dict):
        raise InputError(f"{folder / FILES[2]}: expected a JSON object, got {about!r}; copy the folder again.")
    return about


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that a reader never meets half of it."""
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    os.replace(partial, path)


def _said(error: Exception) -> str:
    """The telling line of an error: torch puts a headline before it, pydantic and yaml do not end after it."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or FILES[0]}: {first['msg']}"
    lines = str(error).strip().splitlines()
    return lines[-1 if isinstance(error, RuntimeError) else 0].strip().rstrip(".")[:200]
