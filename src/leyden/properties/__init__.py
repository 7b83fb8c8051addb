"""Observables as derivatives of the energy."""

from leyden.properties.charge import hardness
from leyden.properties.dielectric import dielectric_tensor
from leyden.properties.electric import born_charges, dipole, polarizability
from leyden.properties.electrostatic import electrostatic_potential
from leyden.properties.identifiability import distant_forces, identifiability
from leyden.properties.labelled import labelled
from leyden.properties.piezoelectric import piezoelectric_tensor
from leyden.properties.summary import ElectricalProperties, electrical_properties

__all__ = [
    "ElectricalProperties", "born_charges", "dielectric_tensor", "dipole", "distant_forces", "electrical_properties",
    "electrostatic_potential", "hardness", "identifiability", "labelled", "piezoelectric_tensor", "polarizability",
]  # fmt: skip
