"""The commands in the order a newcomer meets them."""

import json
from pathlib import Path

import pytest
import yaml

from leyden.train.config import Config


def test_help_lists_the_commands(leyden) -> None:
    printed = leyden("--help")
    assert printed.code == 0 and printed.err == ""
    for name in ("demo", "info", "check-data", "init", "train", "eval", "md", "report", "response", "spectrum"):
        assert f"\n  {name} " in printed.out
        assert leyden(name, "--help").code == 0


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["nonsense"], ["train"], ["eval", "a", "b", "--batch-size", "x"]]
)
def test_usage_errors(leyden, arguments) -> None:
    printed = leyden(*arguments)
    assert printed.code == 2 and "Usage: leyden" in printed.err and "Traceback" not in printed.err


def test_info(leyden, monkeypatch: pytest.MonkeyPatch) -> None:
    import leyden.cli.info as module

    missing = {"plotly"}
    known = module._version
    monkeypatch.setattr(module, "_version", lambda name: None if name in missing else known(name))
    printed = leyden("info")
    assert printed.code == 0 and "torch" in printed.out and "device" in printed.out
    assert "extra train: present" in printed.out
    assert "extra viz: missing plotly: pip install 'leyden[viz]'" in printed.out


def test_check_data(leyden, folder: Path) -> None:
    printed = leyden("check-data", folder / "train.xyz")
    assert printed.code == 0 and printed.err == ""
    assert "REF_forces" in printed.out and "5 x 0, 5 x 1" in printed.out
    assert "Ready to train on energy, forces." in printed.out


def test_init_prints_a_config(leyden, folder: Path) -> None:
    printed = leyden("init", "--data", folder / "train.xyz", "--preset", "short-range")
    assert printed.code == 0 and printed.out.startswith("# leyden train")
    config = Config.model_validate(yaml.safe_load(printed.out))
    assert config.model.charges is None and config.data.train == folder / "train.xyz"


def test_init_prints_a_schema(leyden) -> None:
    schema = json.loads(leyden("init", "--schema").out)
    assert set(schema["properties"]) == set(Config.model_fields) and schema["additionalProperties"] is False


def test_train_says_what_comes_next(leyden, folder: Path, small, tmp_path: Path) -> None:
    printed = leyden("train", folder / "config.yaml", *small, f"output={tmp_path}/run")
    assert printed.code == 0 and printed.err == ""
    assert f"best model in {tmp_path}/run/best" in printed.out
    assert f"next: leyden eval {tmp_path}/run/best TEST.xyz" in printed.out
    again = leyden("train", tmp_path / "run" / "config.yaml", "--restart", "auto", "optimizer.epochs=3")
    assert again.code == 0 and "\n3/3" in again.out and "\n2/3" not in again.out


def test_eval(leyden, folder: Path) -> None:
    printed = leyden("eval", folder / "run" / "best", folder / "test.xyz")
    assert printed.code == 0 and printed.err == ""
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["property", "unit", "RMSE", "MAE", "R2", "slope"] in rows
    assert [row[:2] for row in rows if row[0] in ("energy", "forces")] == [["energy", "meV/atom"], ["forces", "meV/Å"]]
    assert "4 structures, 14 atoms" in printed.out and "mean |E_long|" in printed.out
    assert max(len(line) for line in printed.out.splitlines() if not line.startswith("note")) <= 80


def test_md(leyden, folder: Path, tmp_path: Path) -> None:
    arguments = ("md", folder / "run" / "best", folder / "test.xyz", "--every", 2, "--output", tmp_path / "a.xyz")
    printed = leyden(*arguments, "--steps", 4)
    assert printed.code == 0 and printed.err == ""
    assert printed.out.startswith("4 steps of 0.5 fs") and "mean temperature" in printed.out
    refused = leyden(*arguments, "--steps", 4)
    assert refused.code == 2 and "found an earlier run; use --resume" in refused.err
    assert leyden(*arguments, "--steps", 6, "--resume").out.startswith("6 steps")
    assert "nothing to do" in leyden(*arguments, "--steps", 6, "--resume").out


def test_interrupted_md(leyden, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from leyden.calculators import LeydenCalculator

    calls, original = iter(range(100)), LeydenCalculator.calculate

    def calculate(*arguments, **named):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments, **named)

    monkeypatch.setattr(LeydenCalculator, "calculate", calculate)
    arguments = (
        "md",
        folder / "run/best",
        folder / "test.xyz",
        "--every",
        2,
        "--steps",
        6,
        "--output",
        tmp_path / "a.xyz",
    )
    stopped = leyden(*arguments)
    assert stopped.code == 130 and stopped.err.startswith("stopped after 2 of 6 steps; continue with the same command")
    monkeypatch.undo()
    assert leyden(*arguments, "--resume").out.startswith("6 steps")


def test_report(leyden, folder: Path) -> None:
    printed = leyden("report", folder / "run", "--test", folder / "test.xyz")
    assert printed.code == 0, printed.err
    assert (folder / "run" / "report.html").is_file() and "Force RMSE" in printed.out
    json.loads((folder / "run" / "report.json").read_text())
