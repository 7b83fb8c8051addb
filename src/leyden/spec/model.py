"""What a potential is made of, as plain data: the section `model` of a config, and config.yaml of a model folder."""

import math
from dataclasses import asdict
from typing import Literal

from pydantic import Field

from leyden.backbones.cartesian import Cartesian
from leyden.baseline import Baseline
from leyden.coulomb import Coulomb
from leyden.potential import Potential
from leyden.spec.charges import AnyChargeSpec, LocalSpec, describe_charges
from leyden.spec.section import Element, Section


class CartesianSpec(Section):
    """The built-in equivariant network; see leyden.backbones.Cartesian."""

    kind: Literal["cartesian"] = "cartesian"
    cutoff: float = Field(4.5, gt=0.5, description="Å")
    channels: int = Field(32, ge=1)
    layers: int = Field(2, ge=1)
    basis: int = Field(8, ge=1, description="radial functions")


class CoulombSpec(Section):
    """The Coulomb operator; see leyden.Coulomb."""

    accuracy: float = Field(1e-5, gt=0.0, lt=0.1)
    method: Literal["auto", "direct", "reciprocal", "mesh"] = "auto"
    charged: Literal["background", "error"] = "background"
    images: Literal["truncated", "corrected"] = "truncated"
    surroundings: float = Field(math.inf, ge=1.0, description="relative permittivity around a 3D-periodic sample")


class ModelSpec(Section):
    """Backbone, charge model (null: short-range only) and Coulomb operator."""

    backbone: CartesianSpec = CartesianSpec()
    charges: AnyChargeSpec | None = LocalSpec()
    coulomb: CoulombSpec = CoulombSpec()


class PotentialSpec(ModelSpec):
    """A ModelSpec with what the training data determined: elements, mean number of neighbors, reference energies."""

    elements: tuple[Element, ...] = Field(min_length=1)
    average_neighbors: float = Field(gt=0.0)
    baseline: dict[Element, float]


def build(spec: PotentialSpec) -> Potential:
    """A potential with fresh weights."""
    backbone = Cartesian(
        spec.elements,
        cutoff=spec.backbone.cutoff,
        channels=spec.backbone.channels,
        layers=spec.backbone.layers,
        average_neighbors=spec.average_neighbors,
        basis=spec.backbone.basis,
    )
    coulomb = Coulomb(**spec.coulomb.model_dump())
    charges = None if spec.charges is None else spec.charges.make(backbone.channels, spec.elements)
    return Potential(backbone, charges, coulomb, Baseline(spec.baseline))


def describe(potential: Potential) -> PotentialSpec:
    """The spec from which `build` makes a potential of the same form."""
    backbone, charges, coulomb = potential.backbone, potential.charges, potential.coulomb
    if not isinstance(backbone, Cartesian):
        raise TypeError(f"describe: expected a Cartesian backbone, got {type(backbone).__name__}")
    return PotentialSpec(
        backbone=CartesianSpec(
            cutoff=backbone.cutoff, channels=backbone.width, layers=backbone.depth, basis=backbone.basis
        ),
        charges=None if charges is None else describe_charges(charges),
        coulomb=CoulombSpec(**asdict(coulomb)),
        elements=backbone.elements,
        average_neighbors=backbone.average_neighbors,
        baseline=potential.baseline.energies,
    )
