"""Every mistake is one sentence on the standard error and exit code 2."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write


def is_one_sentence(printed, message: str) -> None:
    assert printed.code == 2, printed
    assert printed.err.count("\n") == 1 and printed.err.startswith("error: ")
    assert message in printed.err
    assert "Traceback" not in printed.out + printed.err


def on_one_point(frames: list[Atoms]) -> None:
    frames[1].positions[1] = frames[1].positions[0]


def singular(frames: list[Atoms]) -> None:
    for atoms in frames:
        atoms.set_cell(np.ones((3, 3)))
        atoms.set_pbc(True)


def unlabelled(frames: list[Atoms]) -> None:
    for atoms in frames:
        del atoms.info["REF_energy"], atoms.arrays["REF_forces"]


def without_forces(frames: list[Atoms]) -> None:
    for atoms in frames:
        atoms.arrays["my_forces"] = atoms.arrays.pop("REF_forces")


def wrong_shape(frames: list[Atoms]) -> None:
    frames[1].info["REF_energy"] = [1.0, 2.0]


def nan(frames: list[Atoms]) -> None:
    frames[1].arrays["REF_forces"][0, 0] = np.nan


def nan_position(frames: list[Atoms]) -> None:
    frames[1].positions[0, 0] = np.nan


def no_charge(frames: list[Atoms]) -> None:
    del frames[1].info["total_charge"]


def silicon(frames: list[Atoms]) -> None:
    frames[1].numbers[0] = 14


MISTAKES: list[tuple[Callable[[list[Atoms]], None], str, str]] = [
    (on_one_point, "train eval check", "expected atoms apart from each other"),
    (singular, "train eval check", "expected 3 independent vectors along the periodic axes"),
    (unlabelled, "train eval check", "got"),
    (without_forces, "train", "got the keys REF_energy, my_forces, total_charge (did you mean 'my_forces'?)"),
    (wrong_shape, "train eval check", "expected shape"),
    (nan, "train eval check", "expected finite numbers, got nan"),
    (nan_position, "train eval check", "expected finite numbers, got nan"),
    (no_charge, "train eval check", "1 of 6 structures lack it"),
    (silicon, "eval", "expected the elements this model was trained on, H, O, got Si"),
]


@pytest.mark.parametrize(
    ("change", "command", "message"),
    [(change, command, message) for change, commands, message in MISTAKES for command in commands.split()],
)
def test_bad_data(leyden, folder, small, frames, tmp_path, change, command, message) -> None:  # type: ignore[no-untyped-def]
    change(frames)
    path = tmp_path / "bad.xyz"
    write(path, frames, format="extxyz")
    if command == "check":
        printed = leyden("check-data", path)
        assert printed.code == 2 and printed.err == "" and message in printed.out and "Not ready" in printed.out
        return
    train = ("train", folder / "config.yaml", *small, f"data.train={path}", f"output={tmp_path / 'run'}")
    printed = leyden(*train) if command == "train" else leyden("eval", folder / "run" / "best", path)
    is_one_sentence(printed, message)
    assert "bad.xyz" in printed.err


@pytest.mark.parametrize("command", ["check-data", "init", "train", "eval", "md"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file"),
        ("3\n\nO 0 0 0\nH 0 0 1\n", "expected 3 atoms after line 1, got 2"),
        (None, "expected a file, got nothing there"),
    ],
)
def test_unreadable_files(leyden, folder, small, tmp_path, command, text, message) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bad.xyz"
    if text is not None:
        path.write_text(text)
    arguments = {
        "check-data": (path,),
        "init": ("--data", path),
        "train": (folder / "config.yaml", *small, f"data.train={path}", f"output={tmp_path / 'run'}"),
        "eval": (folder / "run" / "best", path),
        "md": (folder / "run" / "best", path, "--output", tmp_path / "md.xyz"),
    }
    is_one_sentence(leyden(command, *arguments[command]), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (on_one_point, "expected atoms apart from each other"),
        (silicon, "got [14]"),
        (singular, "expected 3 independent vectors"),
        (nan_position, "expected finite numbers"),
        (no_charge, "total_charge: expected the total charge of the structure, as this model was trained on charged"),
    ],
)
def test_bad_structure_for_md(leyden, folder, frames, tmp_path, change, message) -> None:  # type: ignore[no-untyped-def]
    change(frames)
    write(tmp_path / "start.xyz", frames[1], format="extxyz")
    printed = leyden(
        "md", folder / "run" / "best", tmp_path / "start.xyz", "--output", tmp_path / "md.xyz", "--steps", 2
    )
    is_one_sentence(printed, message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "gpu"], "--device: expected one of cpu"),
        (["--dtype", "double"], "dtype: expected one of float32, float64, got 'double'"),
        (["--thermostat", "nose"], "thermostat: expected one of none, langevin, bussi, got 'nose'"),
        (["--resume"], "run without --resume"),
        (["--output", "/proc/md.xyz"], "/proc/md.xyz: expected a file that can be written"),
    ],
)
def test_bad_options_of_md(leyden, folder, tmp_path, options, message) -> None:  # type: ignore[no-untyped-def]
    arguments = ("md", folder / "run" / "best", folder / "test.xyz", "--steps", 2, "--output", tmp_path / "md.xyz")
    is_one_sentence(leyden(*arguments, *options), message)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.epoch=1"], "unknown key 'optimizer.epoch' (did you mean 'epochs'?)"),
        (["model.charges.width=-1"], "width"),
        (["data.keys={force: f}"], "keys: expected one of energy, forces"),
        (["data.keys={forces: f}"], "forces: expected the key 'f' named for it, got only"),
        (["output=/proc/leyden"], "/proc/leyden: expected a folder that can be written"),
        (["--restart", "absent.ckpt"], "--restart: expected 'auto' or a checkpoint file, got 'absent.ckpt'"),
        (["--restart", "{folder}/train.xyz"], "train.xyz: expected an intact checkpoint"),
        (["output={folder}/run"], "run: expected an empty output folder, found an earlier run"),
        (["hardware.accelerator=abacus"], "hardware: expected accelerator"),
    ],
)
def test_bad_config(leyden, folder, small, tmp_path, overrides, message) -> None:  # type: ignore[no-untyped-def]
    given = [text.replace("{folder}", str(folder)) for text in overrides]
    is_one_sentence(leyden("train", folder / "config.yaml", *small, f"output={tmp_path}/run", *given), message)


def older(model: Path) -> None:
    about = json.loads((model / "metadata.json").read_text())
    (model / "metadata.json").write_text(json.dumps(about | {"format": 99}))


def cut(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def incomplete(model: Path) -> None:
    (model / "config.yaml").unlink()


@pytest.mark.parametrize("command", ["eval", "md", "report"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (older, "expected a model folder of format 1, got 99; load it with the version of Leyden that wrote it (0."),
        (cut, "expected an intact model folder"),
        (incomplete, "found no config.yaml"),
        (shutil.rmtree, "found no config.yaml, model.safetensors, metadata.json"),
    ],
)
def test_bad_model(leyden, folder, tmp_path, command, change, message) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree(folder / "run", tmp_path / "run")
    change(tmp_path / "run" / "best")
    target = [tmp_path / "run"] if command == "report" else [tmp_path / "run" / "best", folder / "test.xyz"]
    is_one_sentence(leyden(command, *target), message)


def test_init_without_data_or_with_unknown_preset(leyden, folder) -> None:  # type: ignore[no-untyped-def]
    is_one_sentence(leyden("init"), "expected --data with the training file")
    is_one_sentence(leyden("init", "--data", folder / "train.xyz", "--preset", "lez"), "(did you mean 'les'?)")
