"""What a potential is made of, as plain data: the section `model` of a config, and config.yaml of a model folder."""

import math
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from leyden.backbones.cartesian import Cartesian
from leyden.baseline import Baseline
from leyden.charges import Local
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.potential import Potential

Element = Annotated[int, Field(ge=1, le=118)]
"""Atomic number."""


class Section(BaseModel):
    """A part of a config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CartesianSpec(Section):
    """The built-in equivariant network; see leyden.backbones.Cartesian."""

    kind: Literal["cartesian"] = "cartesian"
    cutoff: float = Field(4.5, gt=0.5, description="Å")
    channels: int = Field(32, ge=1)
    layers: int = Field(2, ge=1)
    basis: int = Field(8, ge=1, description="radial functions")


class LocalSpec(Section):
    """Latent charges; see leyden.charges.Local."""

    kind: Literal["local"] = "local"
    mode: Literal["free", "shift", "softness"] = "softness"
    dipoles: bool = False
    width: float | dict[int, float] = Field(0.7071067811865476, description="Å, standard deviation of the density")
    self_interaction: bool = True
    scale: float = Field(1.0, gt=0.0, description="physical charge = scale * latent charge; sqrt(eps_inf) in a bulk")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")


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
    charges: LocalSpec | None = LocalSpec()
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
    charges = None
    if spec.charges is not None:
        basis = GaussianBasis(spec.charges.width, int(spec.charges.dipoles))
        charges = Local(
            backbone.channels,
            spec.elements,
            basis,
            spec.charges.mode,
            spec.charges.self_interaction,
            spec.charges.scale,
            spec.charges.hidden,
        )
    return Potential(backbone, charges, coulomb, Baseline(spec.baseline))


def describe(potential: Potential) -> PotentialSpec:
    """The spec from which `build` makes a potential of the same form."""
    backbone, charges, coulomb = potential.backbone, potential.charges, potential.coulomb
    if not isinstance(backbone, Cartesian) or not isinstance(charges, Local | None):
        raise TypeError(f"describe: expected a Cartesian backbone and Local charges, got {backbone} and {charges}")
    return PotentialSpec(
        backbone=CartesianSpec(
            cutoff=backbone.cutoff, channels=backbone.width, layers=backbone.depth, basis=backbone.basis
        ),
        charges=None
        if charges is None
        else LocalSpec(
            mode=charges.mode,
            dipoles=charges.basis.lmax > 0,
            width=charges.basis.width,
            self_interaction=charges.self_interaction,
            scale=charges.scale,
            hidden=charges.hidden,
        ),
        coulomb=CoulombSpec(**asdict(coulomb)),
        elements=backbone.elements,
        average_neighbors=backbone.average_neighbors,
        baseline=potential.baseline.energies,
    )
