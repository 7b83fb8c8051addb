"""The density: atom-centred Gaussians and their moments."""

from leyden.density.basis import DEFAULT_WIDTH, GaussianBasis
from leyden.density.moments import dipole, total_charge

__all__ = ["DEFAULT_WIDTH", "GaussianBasis", "dipole", "total_charge"]
