"""What a potential is made of, as plain data: the section `model` of a config, and config.yaml of a model folder."""

import math
from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from leyden.baseline import Baseline
from leyden.charges.quiet import quieten
from leyden.coulomb import Coulomb
from leyden.potential import Potential
from leyden.spec.backbones import AnyBackboneSpec, CartesianSpec, PretrainedSpec, describe_backbone
from leyden.spec.charges import AnyChargeSpec, LocalSpec, describe_charges
from leyden.spec.section import Element, Section


class CoulombSpec(Section):
    """The Coulomb operator; see leyden.Coulomb."""

    accuracy: float = Field(1e-5, gt=0.0, lt=0.1)
    method: Literal["auto", "direct", "reciprocal", "mesh"] = "auto"
    charged: Literal["background", "error"] = "background"
    images: Literal["truncated", "corrected"] = "truncated"
    surroundings: float = Field(math.inf, ge=1.0, description="relative permittivity around a 3D-periodic sample")


class ModelSpec(Section):
    """Backbone, charge model (null: short-range only) and Coulomb operator."""

    backbone: AnyBackboneSpec = CartesianSpec()
    charges: AnyChargeSpec | None = LocalSpec()
    coulomb: CoulombSpec = CoulombSpec()
    conditioned: bool = Field(
        True,
        description="features know total charge and spin; false: only the charge model knows the charge, and the energy"
        " of charging does not grow with the cell",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        """A total charge that nothing knows would be ignored."""
        if self.charges is None and not self.conditioned:
            raise ValueError("expected conditioned: true without charges, as nothing else would know the total charge")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """{backbone: mace, from: file} for {backbone: {kind: mace, from: file}}."""
        if not isinstance(given, dict) or not isinstance(given.get("backbone"), str):
            return given
        rest = {key: value for key, value in given.items() if key != "from"}
        source = {key: given[key] for key in given.keys() - rest.keys()}
        return rest | {"backbone": {"kind": given["backbone"], **source}}


class PotentialSpec(ModelSpec):
    """A ModelSpec with what the training data determined: elements, mean number of neighbors, reference energies."""

    elements: tuple[Element, ...] = Field(min_length=1)
    average_neighbors: float = Field(gt=0.0)
    baseline: dict[Element, float]
    charging: float = Field(0.0, description="eV/e, reference energy of the total charge")


def build(spec: PotentialSpec) -> Potential:
    """A potential with fresh weights, but for those of a file that the backbone's section names: with its energies of
    isolated atoms, and charges that start as the section says."""
    backbone = spec.backbone.make(spec.elements, spec.average_neighbors)
    coulomb = Coulomb(**spec.coulomb.model_dump())
    charges = None if spec.charges is None else spec.charges.make(backbone.channels, backbone.elements)
    baseline = Baseline(spec.baseline, spec.charging)
    if isinstance(spec.backbone, PretrainedSpec) and spec.backbone.source is not None:
        baseline = Baseline(backbone.reference)
        if charges is not None and spec.backbone.start == "quiet":
            quieten(charges)
    return Potential(backbone, charges, coulomb, baseline, spec.conditioned)


def describe(potential: Potential) -> PotentialSpec:
    """The spec from which `build` makes a potential of the same form."""
    backbone, charges, coulomb = potential.backbone, potential.charges, potential.coulomb
    return PotentialSpec(
        backbone=describe_backbone(backbone),
        charges=None if charges is None else describe_charges(charges),
        coulomb=CoulombSpec(**asdict(coulomb)),
        conditioned=potential.conditioned,
        elements=backbone.elements,
        average_neighbors=backbone.average_neighbors,
        baseline=potential.baseline.energies,
        charging=potential.baseline.charging,
    )
