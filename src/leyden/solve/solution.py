"""What a solver returns: the density, and how it was found."""

from dataclasses import dataclass
from enum import Enum

from torch import Tensor


class Status(Enum):
    """Outcome of a solve; the value is the message a user sees."""

    DIRECT = "the density is an explicit function of the features; nothing was solved"


@dataclass(frozen=True)
class Solution:
    """density (N, dim); iterations (S,); residual (S,) largest violation of the density's equation; status."""

    density: Tensor
    iterations: Tensor
    residual: Tensor
    status: Status
