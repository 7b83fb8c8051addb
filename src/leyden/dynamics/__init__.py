"""Molecular dynamics with a trained potential."""

from leyden.dynamics.run import Settings, run

__all__ = ["Settings", "run"]
