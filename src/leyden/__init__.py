"""Leyden: electrostatics for machine-learning interatomic potentials."""

from leyden import backbones, charges, derivatives, properties
from leyden.augment import augment
from leyden.baseline import Baseline
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.potential import Output, Potential
from leyden.storage import load, save
from leyden.system import System

__all__ = [
    "Baseline",
    "Coulomb",
    "GaussianBasis",
    "Output",
    "Potential",
    "System",
    "augment",
    "backbones",
    "charges",
    "derivatives",
    "load",
    "properties",
    "save",
]
