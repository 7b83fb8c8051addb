"""Leyden inside other programs."""

from leyden.calculators.ase import LeydenCalculator

__all__ = ["LeydenCalculator"]
