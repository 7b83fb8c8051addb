"""What charge models demand of the basis of their density and of the features that they read."""

from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels


def one_shell(name: str, basis: GaussianBasis) -> None:
    """Raise InputError unless there is one shell."""
    require(
        basis.shells == 1,
        f"charges.{name}: expected one shell, got {basis.shells}; use GaussianBasis(width, lmax) with one width.",
    )


def ranks(name: str, channels: Channels, basis: GaussianBasis) -> None:
    """Raise InputError unless there are features of the rank of each multipole."""
    require(
        basis.lmax < 1 or channels.vectors > 0,
        f"charges.{name}: dipoles need a backbone with vector features, and this one has none.",
    )
    require(
        basis.lmax < 2 or channels.tensors > 0,
        f"charges.{name}: quadrupoles need a backbone with features of rank 2, and this one has none.",
    )


def charges_or_dipoles(name: str, channels: Channels, basis: GaussianBasis) -> None:
    """Raise InputError unless there is one shell, of charges or of dipoles too, with vector features for these."""
    require(
        basis.lmax <= 1 and basis.shells == 1,
        f"charges.{name}: expected one shell of charges or dipoles, got lmax {basis.lmax} and {basis.shells} shells;"
        " use GaussianBasis(width, lmax=0 or 1).",
    )
    ranks(name, channels, basis)


def charges_only(name: str, basis: GaussianBasis) -> None:
    """Raise InputError unless there is one shell of charges."""
    require(
        basis.dim == 1,
        f"charges.{name}: expected one shell of charges, got lmax {basis.lmax} and {basis.shells} shells; use"
        " GaussianBasis(width).",
    )
