"""The training config: one YAML file, validated; presets; key=value overrides.

An unknown key is an error that names the nearest valid one.
"""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from leyden.checks import InputError, nearest
from leyden.spec import ModelSpec, Section, backbones, charges
from leyden.spec.presets import PRESETS

KINDS: dict[str, type[Section]] = {**backbones.KINDS, **charges.KINDS}
"""Sections by the kind that a config names."""


class DataSection(Section):
    """Files, and how to read them."""

    train: Path
    validation: Path | None = Field(
        None, description="a file; without one, a fraction of the training file is held out"
    )
    validation_fraction: float = Field(0.1, gt=0.0, lt=1.0)
    test: Path | None = Field(None, description="evaluated after training, for the report")
    keys: dict[str, str] = Field({}, description="where to read a property from, for example {forces: my_forces}")
    pbc: bool | None = Field(None, description="overrides the periodicity that the files state")


class LossSection(Section):
    """Weights of squared errors of labels, of the distance to a density, and of what is not stable."""

    energy: float = Field(10.0, ge=0.0, description="eV/atom")
    forces: float = Field(1.0, ge=0.0, description="eV/Å")
    stress: float = Field(0.0, ge=0.0, description="virial, eV/atom")
    dipole: float = Field(0.0, ge=0.0, description="e Å over the square root of the number of atoms")
    quadrupole: float = Field(0.0, ge=0.0, description="e Å^2 over the square root of the number of atoms")
    density_coefficients: float = Field(0.0, ge=0.0, description="of the basis of the model, e, e Å")
    density: float = Field(0.0, ge=0.0, description="of density_coefficients: the Coulomb energy of errors, eV/atom")
    chemical_potential: float = Field(0.0, ge=0.0, description="dE/dQ, eV/e")
    born_effective_charges: float = Field(0.0, ge=0.0, description="e, by component")
    polarizability: float = Field(0.0, ge=0.0, description="Å^3 over the square root of the number of atoms")
    electrostatic_potential: float = Field(
        0.0, ge=0.0, description="V, by point; in periodic structures relative to the mean over the points"
    )
    charges: float = Field(0.0, ge=0.0, description="e, by atom; discouraged, docs/training.md says why")
    stability: float = Field(0.0, ge=0.0, description="of cycles p = g(p): the spectral radius of dg/dp above 0.9")

    @model_validator(mode="after")
    def _some(self) -> "LossSection":
        if not self.wanted():
            raise ValueError("expected at least one weight above zero that is of a label")
        return self

    def wanted(self) -> list[str]:
        """Labels with a weight."""
        weights = self.model_dump(exclude={"density", "stability"})
        weights["density_coefficients"] += self.density
        return [name for name, weight in weights.items() if weight > 0.0]


class OptimizerSection(Section):
    """AdamW, linear warm-up, cosine decay to final_fraction of the learning rate; the averaged weights are kept."""

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(3, ge=1)
    learning_rate: float = Field(1e-2, gt=0.0)
    pretrained_rate: float = Field(1e-3, gt=0.0, description="that of weights read from a file")
    final_fraction: float = Field(0.01, gt=0.0, le=1.0)
    warmup_steps: int = Field(100, ge=0)
    weight_decay: float = Field(1e-3, ge=0.0, description="of matrices, not of vectors")
    ema_decay: float = Field(0.995, ge=0.0, lt=1.0)
    clip_gradient: float = Field(10.0, gt=0.0)
    direct_epochs: int = Field(0, ge=0, description="first epochs, in which the density feels no potential")


class HardwareSection(Section):
    """Where to run: handed to lightning's Trainer."""

    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    strategy: str = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    threads: int | None = Field(None, ge=1, description="of each process; null leaves the number to torch")


class Config(Section):
    """Everything that determines a training run."""

    output: Path = Path("runs/leyden")
    seed: int = Field(0, ge=0, lt=2**32)
    data: DataSection
    model: ModelSpec = ModelSpec()
    loss: LossSection = LossSection()
    optimizer: OptimizerSection = OptimizerSection()
    hardware: HardwareSection = HardwareSection()


def preset(name: str, train: Path, backbone: str = "cartesian", source: Path | None = None) -> Config:
    """The config of a preset for a training file, with a kind of backbone, and the file of a trained one.

    Raises InputError for an unknown preset or backbone, and for a file where the backbone is built in.
    """
    if name not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, got {name!r}{nearest(name, PRESETS)}.")
    model = PRESETS[name].model_dump() | {"backbone": {"kind": backbone} | ({} if source is None else {"from": source})}
    content = {"output": Path("runs") / name, "data": {"train": train}, "model": model}
    return validated(content, "preset")


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML config and apply overrides such as optimizer.epochs=50. Raises InputError with the remedy."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: expected a config file, got {error.strerror}; write one with `leyden init`."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected YAML, got: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected a config with a section 'data', got {_kind(content)}; write one with `leyden init`."
        )
    for override in overrides:
        _override(content, override)
    return validated(content, str(path))


def validated(content: dict[str, Any], where: str) -> Config:
    """A Config from plain data. Raises InputError that names the key, what was expected and what came."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_sentence(error)}") from None


def dump(config: Config) -> str:
    """The config as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _override(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise InputError(f"override: expected key=value such as optimizer.epochs=50, got {override!r}.")
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise InputError(f"override {override!r}: expected {section!r} to be a section, got a value.")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"override {override!r}: expected a YAML value after '=', got {value!r}; quote it.") from None


def _sentence(error: ValidationError) -> str:
    """The first error, with the nearest valid key for an unknown one; of a value that may be of several types, as a
    width, the error of the type that it is closest to."""
    errors = error.errors()
    value = [*takewhile(lambda part: not _is_type(part), errors[0]["loc"])]
    first = max((each for each in errors if [*each["loc"][: len(value)]] == value), key=lambda each: len(each["loc"]))
    place = [str(part) for part in first["loc"] if not _is_type(part)]
    key = ".".join(part for part in place if part not in KINDS)
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        return f"unknown key '{key}'{nearest(place[-1], known)}; expected one of {', '.join(known)}."
    if first["type"] == "union_tag_invalid":
        kind, kinds = first["ctx"]["tag"], (backbones if place[-1] == "backbone" else charges).KINDS
        return f"key '{key}.kind': expected one of {', '.join(kinds)}, got {kind!r}{nearest(kind, kinds)}."
    if first["type"] == "missing":
        return f"key '{key}': expected a value, got none; add it."
    if first["type"] == "value_error":
        return f"key '{key}': {first['ctx']['error']}."
    said = "expected a section" if first["type"] == "model_type" else first["msg"]
    said = said.replace("Input should be", "expected")
    return f"key '{key}': {said[0].lower()}{said[1:]}, got {_kind(first['input'])}."


def _is_type(part: int | str) -> bool:
    """Whether a part of the place of an error is no key, but what pydantic calls a type that a value may have."""
    return str(part).startswith(("constrained-", "tuple[", "dict["))


def _kind(value: object) -> str:
    """A wrong value in words; collections by their kind only."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    return repr(value)


def _known_keys(sections: list[str]) -> list[str]:
    """Valid keys of a section, given by its path, in which the kind of a charge model is a part of its own."""
    model: Any = Config
    for section in sections:
        if section in KINDS:
            model = KINDS[section]
            continue
        annotation = model.model_fields[section].annotation
        options = [annotation, *get_args(annotation)]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, Section)), model)
    return [field.alias or name for name, field in model.model_fields.items()]
