"""Observables as derivatives of the energy."""

from leyden.properties.charge import hardness
from leyden.properties.electric import born_charges, dipole, polarizability
from leyden.properties.labelled import labelled
from leyden.properties.summary import ElectricalProperties, electrical_properties

__all__ = [
    "ElectricalProperties", "born_charges", "dipole", "electrical_properties", "hardness", "labelled", "polarizability",
]  # fmt: skip
