"""`leyden train` as a process of its own: Ctrl-C, and two processes that share the work."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from leyden.storage import load

COMMAND = [sys.executable, "-m", "leyden"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PL_GLOBAL_SEED"} | {"OMP_NUM_THREADS": "1"}


def losses(run: Path) -> list[dict[str, str]]:
    with (run / "train.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c(leyden, folder, small, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """In the midst of an epoch, wherever that is: one sentence, no traceback, and the same result after a restart."""
    settings = [*small, "optimizer.epochs=25", "optimizer.batch_size=1"]
    command = [*COMMAND, "train", str(folder / "config.yaml"), *settings, f"output={tmp_path}/parts"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "parts" / "train.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err and err.count("\n") == 1
    assert err.startswith("stopped after ") and err.endswith(
        f"`leyden train {tmp_path}/parts/config.yaml --restart auto`.\n"
    )
    assert 1 <= len(losses(tmp_path / "parts")) < 25
    assert leyden("train", tmp_path / "parts" / "config.yaml", "--restart", "auto").code == 0
    assert leyden("train", folder / "config.yaml", *settings, f"output={tmp_path}/whole").code == 0
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole") and len(losses(tmp_path / "whole")) == 25
    weights = [(tmp_path / name / "best" / "model.safetensors").read_bytes() for name in ("parts", "whole")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes(leyden, folder, small, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The launch works from the console command; together they see the frames that one process would see.

    With a learning rate of nearly nothing, the mean errors of an epoch are those of the same frames.
    """
    settings = [*small, "optimizer.learning_rate=1e-12", f"data.validation={folder / 'test.xyz'}"]
    two = ["hardware.devices=2", "hardware.strategy=ddp", f"output={tmp_path}/two"]
    console_script = Path(sys.executable).with_name("leyden")
    done = subprocess.run(
        [str(console_script), "train", str(folder / "config.yaml"), *settings, *two],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [done.stdout.count(text) for text in ("note: total_spin", "validation", "\n2/2", "next:")] == [1, 1, 1, 1]
    assert leyden("train", folder / "config.yaml", *settings, f"output={tmp_path}/one").code == 0
    one, both = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert [row["epoch"] for row in both] == ["1", "2"]
    for key in ("train_loss", "val_loss", "val_energy_rmse", "val_force_rmse"):
        for a, b in zip(one, both, strict=True):
            assert float(a[key]) == pytest.approx(float(b[key]), rel=1e-4)
    steps = [torch.load(tmp_path / n / "checkpoints" / "last.ckpt")["global_step"] for n in ("one", "two")]
    assert steps == [8, 4]  # 10 frames in batches of 3, and 5 of them in each process
    assert load(tmp_path / "two" / "best").charges is not None
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert names[0] == names[1]
