"""Observables as derivatives of the energy."""

from leyden.properties.electric import born_charges, dipole, polarizability

__all__ = ["born_charges", "dipole", "polarizability"]
