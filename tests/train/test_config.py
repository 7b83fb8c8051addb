"""The training config: presets, overrides, and one sentence for every mistake."""

from pathlib import Path

import pytest
import yaml

from leyden.checks import InputError
from leyden.spec import LocalSpec
from leyden.train.config import PRESETS, Config, DataSection, LossSection, dump, load_config, preset, validated

MINIMAL = "data: {train: a.xyz}\n"


def written(folder: Path, text: str = MINIMAL) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_presets_are_valid_and_distinct() -> None:
    configs = {name: preset(name, Path("a.xyz")) for name in PRESETS}
    assert len({dump(config) for config in configs.values()}) == len(PRESETS)
    assert len({config.model.model_dump_json() for config in configs.values()}) == len(PRESETS)
    assert configs["short-range"].model.charges is None
    assert configs["les"].model.charges is not None and not configs["les"].model.charges.dipoles
    assert configs["les-multipole"].model.charges is not None and configs["les-multipole"].model.charges.dipoles


def test_unknown_preset() -> None:
    with pytest.raises(InputError, match=r"got 'short_range' \(did you mean 'short-range'\?\)"):
        preset("short_range", Path("a.xyz"))


@pytest.mark.parametrize("name", PRESETS)
def test_round_trip(tmp_path: Path, name: str) -> None:
    config = preset(name, Path("a.xyz"))
    changed = config.model_copy(update={"seed": 7, "data": DataSection(train=Path("Å.xyz"), keys={"forces": "f"})})
    assert load_config(written(tmp_path, dump(changed))) == changed != config


def test_overrides(tmp_path: Path) -> None:
    overrides = (
        "seed=3", "optimizer.learning_rate=1e-3", "optimizer.epochs=5", "model.charges=null", "data.pbc=false",
        "data.keys={energy: E}", "model.backbone.cutoff=6", "output=runs/a=b",
    )  # fmt: skip
    config = load_config(written(tmp_path), overrides)
    assert (config.seed, config.optimizer.learning_rate, config.optimizer.epochs) == (3, 1e-3, 5)
    assert config.model.charges is None and config.data.pbc is False and config.data.keys == {"energy": "E"}
    assert config.model.backbone.cutoff == 6.0 and config.output == Path("runs/a=b")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=3", r"unknown key 'epochs'; expected one of output, seed, data, model, loss, optimizer, hardware"),
        ("sead=3", r"unknown key 'sead' \(did you mean 'seed'\?\)"),
        ("optimizer.epoch=3", r"unknown key 'optimizer.epoch' \(did you mean 'epochs'\?\)"),
        ("data.trian=b", r"unknown key 'data.trian' \(did you mean 'train'\?\)"),
        ("model.backbone.cutof=3", r"unknown key 'model.backbone.cutof' \(did you mean 'cutoff'\?\)"),
        ("model.charges.modes=free", r"unknown key 'model.charges.modes' \(did you mean 'mode'\?\)"),
        ("model.coulomb.acuracy=1", r"unknown key 'model.coulomb.acuracy' \(did you mean 'accuracy'\?\)"),
        ("optimizer.epochs=many", r"'optimizer.epochs': expected a valid integer.*got 'many'"),
        ("optimizer.epochs=0", r"'optimizer.epochs': expected greater than or equal to 1, got 0"),
        ("optimizer.learning_rate=.nan", r"'optimizer.learning_rate': expected greater than 0, got nan"),
        ("optimizer=3", r"'optimizer': expected a section, got 3"),
        ("optimizer=", r"'optimizer': expected a section, got nothing"),
        ("hardware.dtype=float16", r"'hardware.dtype': expected 'float32' or 'float64', got 'float16'"),
        ("model.charges.mode=exact", r"'model.charges.mode': expected 'free', 'shift' or 'softness', got 'exact'"),
        ("data.validation_fraction=1.0", r"'data.validation_fraction': expected less than 1, got 1.0"),
        ("loss={energy: 0, forces: 0}", r"'loss': expected at least one weight above zero"),
        ("loss={energy: 0, forces: 0, stability: 1}", r"'loss': expected at least one weight .* of a label"),
        ("seed=-1", r"'seed': expected greater than or equal to 0, got -1"),
        ("optimizer.epochs", r"override: expected key=value such as optimizer.epochs=50, got 'optimizer.epochs'"),
        ("=3", r"override: expected key=value .*got '=3'"),
        ("optimizer.epochs=[1,", r"override 'optimizer.epochs=\[1,': expected a YAML value after '=', got '\[1,'"),
        ("seed.a=1", r"override 'seed.a=1': expected 'seed' to be a section, got a value"),
    ],
)
def test_mistakes(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_config(written(tmp_path, MINIMAL + "seed: 1\n"), [override])
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a config with a section 'data', got nothing"),
        ("- a\n- b\n", "expected a config with a section 'data', got a list"),
        ("seed: 1\n", "key 'data': expected a value, got none"),
        ("data: {}\n", "key 'data.train': expected a value, got none"),
        ("data: {train: a.xyz\n", "expected YAML, got: while parsing"),
        ("1: 2\ndata: {train: a.xyz}\n", "key '1': keys should be strings, got 1"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_config(written(tmp_path, text))
    assert "config.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; write one with `leyden init`"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02\xff\xfe")
    with pytest.raises(InputError, match="expected YAML, got: 'utf-8' codec"):
        load_config(tmp_path / "model.ckpt")


def test_dump_names_every_key() -> None:
    """What `leyden init` prints shows a user everything there is to set."""
    content = yaml.safe_load(dump(preset("les", Path("a.xyz"))))
    assert set(content) == set(Config.model_fields)
    assert set(content["loss"]) == set(LossSection.model_fields)


def test_labels_with_a_weight() -> None:
    assert LossSection(stability=1.0).wanted() == ["energy", "forces"]
    assert LossSection(energy=0.0, forces=0.0, dipole=1.0).wanted() == ["dipole"]


@pytest.mark.parametrize(
    ("charges", "sentence"),
    [
        ({"kind": "equilibraton"}, r"key 'model.charges.kind': expected one of local, .*did you mean 'equilibration'"),
        ({"kind": "equilibration", "dipole": True}, r"unknown key 'model.charges.dipole' \(did you mean 'dipoles'\?\)"),
        ({"quadrupoles": True}, "key 'model.charges.quadrupoles': expected dipoles beside quadrupoles"),
        ({"width": [0.3, -1]}, "key 'model.charges.width.1': expected greater than 0, got -1"),
        ({"width": {1: "wide"}}, "key 'model.charges.width.1': expected a valid number, .*, got 'wide'"),
        ({"width": "wide"}, "key 'model.charges.width': expected a valid number, .*, got 'wide'"),
        ({"modes": "free"}, r"unknown key 'model.charges.modes' \(did you mean 'mode'\?\)"),
        ({"kind": "equilibration", "solver": {"iterations": 0}}, "key 'model.charges.solver.iterations'"),
    ],
)
def test_charge_models(charges: dict[str, object], sentence: str) -> None:
    """A section of its own for each kind; what is wrong is named without the kind."""
    with pytest.raises(InputError, match=sentence):
        validated({"data": {"train": "x.xyz"}, "model": {"charges": charges}}, "config.yaml")


def test_latent_charges_by_default() -> None:
    """A section without a kind is that of latent charges."""
    config = validated({"data": {"train": "x.xyz"}, "model": {"charges": {"mode": "free"}}}, "config.yaml")
    assert isinstance(config.model.charges, LocalSpec) and config.model.charges.mode == "free"
