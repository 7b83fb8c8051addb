"""What a backbone hands to the rest: Cartesian, channel-last features of every atom.

scalars (N, K0), vectors (N, 3, K1), tensors (N, 3, 3, K2) symmetric traceless. Under a rotation or reflection R:
s -> s, v -> R v, T -> R T R^T.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """energy (N,) eV short-range energy of each atom; scalars (N, K0); vectors (N, 3, K1); tensors (N, 3, 3, K2)."""

    energy: Tensor
    scalars: Tensor
    vectors: Tensor
    tensors: Tensor


@dataclass(frozen=True)
class Channels:
    """How many scalar, vector and tensor channels a backbone gives."""

    scalars: int
    vectors: int
    tensors: int
