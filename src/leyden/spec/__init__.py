"""What a potential is made of, as plain data: the section `model` of a config, and config.yaml of a model folder."""

from leyden.spec.backbones import AnyBackboneSpec, BackboneSpec, CartesianSpec, MACESpec, PretrainedSpec
from leyden.spec.charges import (
    KINDS,
    AnyChargeSpec,
    ChargeSpec,
    EquilibrationSpec,
    LocalSpec,
    MixtureSpec,
    ResponseSpec,
    SolverSpec,
    SpinEquilibrationSpec,
    SplitChargeEquilibrationSpec,
    SplitSpec,
    SymmetricResponseSpec,
    UnrolledSpec,
    VariationalSpec,
)
from leyden.spec.model import CoulombSpec, ModelSpec, PotentialSpec, build, describe
from leyden.spec.section import Section

__all__ = [
    "KINDS",
    "AnyBackboneSpec",
    "AnyChargeSpec",
    "BackboneSpec",
    "CartesianSpec",
    "ChargeSpec",
    "CoulombSpec",
    "EquilibrationSpec",
    "LocalSpec",
    "MACESpec",
    "MixtureSpec",
    "ModelSpec",
    "PotentialSpec",
    "PretrainedSpec",
    "ResponseSpec",
    "Section",
    "SolverSpec",
    "SpinEquilibrationSpec",
    "SplitChargeEquilibrationSpec",
    "SplitSpec",
    "SymmetricResponseSpec",
    "UnrolledSpec",
    "VariationalSpec",
    "build",
    "describe",
]
