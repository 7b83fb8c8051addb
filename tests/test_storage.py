"""Model folders: a round trip changes nothing, loading executes nothing, damage is named in one sentence."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from leyden.baseline import Baseline
from leyden.charges import Local
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels
from leyden.potential import Potential
from leyden.storage import FILES, load, metadata, save
from leyden.testing.assembly import assembled, batch
from leyden.units import COULOMB


class Planted:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


@pytest.fixture
def folder(potential: Potential, tmp_path: Path) -> Path:
    return save(potential, tmp_path / "model", {"versions": {"leyden": "9.8.7"}})


@pytest.mark.parametrize("mode", ["free", "shift", "softness", None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip(mode: str | None, dtype: torch.dtype, tmp_path: Path) -> None:
    def make(channels: Channels, elements: tuple[int, ...]) -> Local | None:
        if mode is None:
            return None
        basis = GaussianBasis({1: 0.51, 6: 0.7, 8: 1 / 3}, 1)
        return Local(channels, elements, basis, mode, self_interaction=True, scale=1.25, hidden=4)

    potential = assembled(make).to(dtype)
    potential.baseline = Baseline({1: -13.6 / 7, 8: -2041.123456789012345})
    if mode:
        potential.charges.sign.neg_()
    loaded = load(save(potential, tmp_path / "deep" / "model"))
    before, after = forces(potential, batch(dtype)), forces(loaded, batch(dtype))
    assert torch.equal(before.output.energy, after.output.energy)
    assert torch.equal(before.forces, after.forces)
    assert next(loaded.parameters()).dtype == dtype
    assert loaded.coulomb == potential.coulomb and loaded.baseline == potential.baseline
    if mode:
        assert torch.equal(before.output.density, after.output.density)
        assert loaded.charges.scale == 1.25


def test_dtype_of_choice(folder: Path, potential: Potential) -> None:
    assert next(load(folder, torch.float32).parameters()).dtype == torch.float32
    assert next(load(folder).parameters()).dtype == torch.float64


def test_order_of_elements_of_a_potential_made_by_hand(potential: Potential, tmp_path: Path) -> None:
    charges = Local(potential.backbone.channels, (8, 6, 1), GaussianBasis(0.6), hidden=4).double()
    with torch.no_grad():
        charges.charge.bias.copy_(torch.tensor([0.5, -0.1, -0.4]))
    other = Potential(potential.backbone, charges, potential.coulomb, potential.baseline)
    loaded = load(save(other, tmp_path / "model"))
    assert torch.equal(loaded(batch()).energy, other(batch()).energy)


def test_metadata(folder: Path) -> None:
    about = metadata(folder)
    assert about["versions"] == {"leyden": "9.8.7"}
    assert about["coulomb_constant"] == COULOMB and about["units"]["length"] == "Å"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_saving_again_replaces(folder: Path, potential: Potential) -> None:
    before = load(folder)(batch()).energy
    with torch.no_grad():
        potential.charges.charge.bias.add_(torch.tensor([0.1, 0.2, -0.3]))
    save(potential, folder)
    assert torch.equal(load(folder)(batch()).energy, potential(batch()).energy)
    assert not torch.equal(load(folder)(batch()).energy, before)
    assert "versions" not in metadata(folder)


def test_loading_executes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "executed"
    for name in ("model.pt", "model.pkl", "config.pkl"):
        (folder / name).write_bytes(pickle.dumps(Planted(target)))
    pickle.loads((folder / "model.pt").read_bytes())
    assert target.exists()
    target.unlink()

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a model folder was unpickled")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, forbidden)
    load(folder)
    assert not target.exists()


def test_weights_that_are_a_pickle_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / FILES[1]).write_bytes(pickle.dumps(Planted(tmp_path / "executed")))
    refused(folder)
    assert not (tmp_path / "executed").exists()


def test_yaml_that_makes_objects_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / FILES[0]).write_text(f"!!python/object/apply:os.mkdir ['{tmp_path / 'executed'}']")
    refused(folder, "python/object")
    assert not (tmp_path / "executed").exists()


def refused(folder: Path, match: str = "expected") -> str:
    """Assert that loading says in one sentence what is wrong and names the place; returns it."""
    with pytest.raises(InputError, match=match) as caught:
        load(folder)
    said = str(caught.value)
    assert str(folder) in said and "expected" in said and said.endswith(".") and "\n" not in said
    assert len(said) < 500
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


@pytest.mark.parametrize("name", FILES)
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"found no {name};")


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "found no config.yaml, model.safetensors, metadata.json")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\xff\xfe\x00" + b])
def test_damaged_file(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    refused(folder)


def changed(path: Path, **changes: object) -> None:
    content = yaml.safe_load(path.read_text()) | changes
    path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))


def test_other_format(folder: Path) -> None:
    changed(folder / FILES[2], format=2)
    refused(folder, r"format 1, got 2; load it with .*9\.8\.7")
    (folder / FILES[2]).write_text("{}")
    refused(folder, "got None")
    (folder / FILES[2]).write_text("[1, 2]")
    refused(folder, "expected a JSON object")


def test_wrong_yaml(folder: Path) -> None:
    (folder / FILES[0]).write_text("backbone: [1, 2")
    refused(folder)
    (folder / FILES[0]).write_text("just a sentence")
    refused(folder)


def test_unknown_key_is_named(folder: Path) -> None:
    changed(folder / FILES[0], kernel="gaussian")
    refused(folder, "kernel")


@pytest.mark.parametrize(
    ("key", "value"),
    [("average_neighbors", "many"), ("average_neighbors", 0.0), ("elements", [1, 6, 500]), ("elements", []),
     ("elements", [-1, 6, 8]), ("baseline", {8: "low"}), ("baseline", {0: 1.0})],
)  # fmt: skip
def test_wrong_value_is_named(folder: Path, key: str, value: object) -> None:
    changed(folder / FILES[0], **{key: value})
    refused(folder, key)


def test_weights_of_another_model(folder: Path) -> None:
    weights = load_file(folder / FILES[1])
    name = "charges.charge.bias"
    save_file({k: v for k, v in weights.items() if k != name}, folder / FILES[1])
    refused(folder, name)
    save_file(weights | {name: weights[name][:2]}, folder / FILES[1])
    refused(folder, name)
    save_file(weights | {"charges.extra": weights[name].clone()}, folder / FILES[1])
    refused(folder, "charges.extra")
    save_file({}, folder / FILES[1])
    refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_no_permission_to_read(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, as the superuser may read everything."""
    read, opened = Path.read_text, load_file

    def denied(path: Path, *args: object, **kwargs: object) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return (opened if Path(path).suffix == ".safetensors" else read)(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", denied)
    monkeypatch.setattr("leyden.storage.load_file", denied)
    refused(folder, "Permission denied")


def test_no_permission_to_write(potential: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(InputError, match=r"model: expected a folder that can be written, got Permission denied; .*\.$"):
        save(potential, tmp_path / "model")
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        save(potential, tmp_path / "file")


def test_config_that_was_cut_but_still_reads(folder: Path) -> None:
    """A shortened number is valid YAML, and would load as another reference energy."""
    config = folder / "config.yaml"
    text = config.read_text().rstrip()
    config.write_text(text[:-2] + "\n")
    with pytest.raises(InputError, match=r"as they were written, got another config.yaml"):
        load(folder)
