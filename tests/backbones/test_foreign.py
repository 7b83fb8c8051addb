"""Packages of other backbones: what is said where one is missing, of another version or broken."""

from pathlib import Path

import pytest

from leyden import augment
from leyden.backbones import foreign
from leyden.backbones.foreign import imported
from leyden.checks import InputError
from leyden.train.config import dump, preset, validated


def test_missing() -> None:
    """The pip line, whole."""
    with pytest.raises(InputError, match=r"found none; pip install 'leyden\[some\]', in an environment of its own"):
        imported("nowhere", "no-such-package", "some", (1, 0), (2, 0))


@pytest.mark.parametrize("present", ["0.9.9", "2.0", "2.0.1+cpu"])
def test_other_version(monkeypatch: pytest.MonkeyPatch, present: str) -> None:
    monkeypatch.setattr(foreign, "version", lambda package: present)
    with pytest.raises(InputError, match=r"expected math >= 1\.0, < 2\.0, got " + present.replace("+", r"\+")):
        imported("math", "math", "some", (1, 0), (2, 0))


def test_right_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "version", lambda package: "1.4.2+cpu")
    assert imported("math", "math", "some", (1, 0), (2, 0)).pi > 3


def test_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "version", lambda package: "1.0")
    with pytest.raises(InputError, match=r"math 1\.0 cannot be imported: No module named 'math\.nothing'"):
        imported("math.nothing", "math", "some", (1, 0), (2, 0))


def test_what_a_config_says(tmp_path: Path) -> None:
    """Only what holds: no size beside a file, no origin without one; and it can be read again."""
    fresh, trained = (preset("les", tmp_path / "a.xyz", "mace", source) for source in (None, tmp_path / "a.model"))
    for config in (fresh, trained):
        assert validated(config.model_dump(mode="json"), "test") == config
    assert "channels" in dump(fresh) and "freeze" not in dump(fresh) and "from" not in dump(fresh)
    assert "channels" not in dump(trained) and "freeze: nothing" in dump(trained) and "form" not in dump(trained)


def test_other_models(tmp_path: Path) -> None:
    """What is no model of a known package is refused, and nothing of it is read."""
    import torch

    with pytest.raises(InputError, match="expected a model of mace or nequip or allegro, got Linear"):
        augment(torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match=r"ends in \.model or \.ckpt or \.zip, got 'no suffix'"):
        augment(tmp_path / "model")
    with pytest.raises(InputError, match="expected 'quiet' or 'usual', got 'loud'"):
        augment(tmp_path / "a.model", start="loud")
