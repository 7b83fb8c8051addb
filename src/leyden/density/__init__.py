"""The density: atom-centred Gaussians and their moments."""

from leyden.density.basis import GaussianBasis
from leyden.density.moments import dipole, total_charge

__all__ = ["GaussianBasis", "dipole", "total_charge"]
