"""Cardinal B-splines M_p of order p: the weights by which a site reaches the p nearest nodes of a mesh on an axis.

M_1(x) = 1 for 0 <= x < 1, and with it (Essmann et al. 1995, J. Chem. Phys. 103, 8577, eq. 4.1)

    M_p(x) = (x M_{p-1}(x) + (p - x) M_{p-1}(x - 1)) / (p - 1),    M_p'(x) = M_{p-1}(x) - M_{p-1}(x - 1).

Centred, its Fourier transform is sinc(f)^p, f being the frequency in cycles per node and sinc(f) = sin(pi f) / (pi f).
"""

import torch
from torch import Tensor


def weights(x: Tensor, order: int, derivative: int) -> Tensor:
    """The derivative of M_p at x + j, j = 0 ... p - 1, for x (...) in [0, 1): (p, ...); derivative < p."""
    zero = torch.zeros_like(x)[None]
    w = zero + 1.0
    for p in range(2, order - derivative + 1):
        t = x + torch.arange(p, device=x.device, dtype=x.dtype).view(-1, *[1] * x.dim())
        w = (t * torch.cat([w, zero]) + (p - t) * torch.cat([zero, w])) / (p - 1)
    for _ in range(derivative):
        w = torch.cat([w, zero]) - torch.cat([zero, w])
    return w


def deconvolution(frequency: Tensor, order: int) -> Tensor:
    """b = U_0 / sum_j U_j^2, U_j = sinc(f + j)^p, for frequencies f in cycles per node, of the same shape.

    The mesh mixes a wave with its aliases f + j. Used on both sides of a quadratic form, b makes the mean square error
    over all positions of the sites least (Ballenegger et al. 2012, J. Chem. Theory Comput. 8, 936).
    """
    alias = sum(torch.sinc(frequency + j) ** (2 * order) for j in range(-2, 3))
    return torch.sinc(frequency) ** order / alias
