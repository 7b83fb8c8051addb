"""A stand-in for `Les(...)(positions, cell, desc | latent_charges, batch)`, evaluated with leyden.Coulomb.

Latent Ewald summation (Cheng, arXiv 2408.15165; King et al., arXiv 2412.15455), with c = 1 / (2 eps_0) = 2 pi k_e and
S(k) = sum_i q_i exp(i k.r_i), is

    periodic cells:  E = c / V sum_{0 < k < k_c} exp(-s^2 k^2 / 2) / k^2 |S(k)|^2,    k_c = 2 pi / dl,
    open cells:      E = c / (2 pi) sum_{i < j} q_i q_j erf(r_ij / (sqrt(2) s)) / r_ij,
    self-interaction, which the sum over k contains:  c / ((2 pi)^(3/2) s) sum_i q_i^2.

What is called sigma there, s, is sqrt(2) times the sigma of the density here: 1 / (2 eps_0 V) sum_k ... |S|^2 is V of
Gaussians of width s / sqrt(2). Three things are converted:
- `Coulomb` keeps the self-interaction. remove_self_interaction takes it out, else open cells have it as periodic ones.
- `Coulomb` counts k = 0 of charged cells as that of point charges, -(pi k_e / V) s^2 Q^2, which the sum above does not
  have. It is taken out.
- The sum above ends sharply at k_c. Here it ends smoothly, where the relative error of forces is ACCURACY, or later if
  a finer dl asks for that; a coarser dl only tells what error to expect there (comparison.py).

Charges in other units come with another prefactor: c is `norm_factor`, eV Å for charges in e.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.checks import InputError, finite, nearest, require, shaped
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.les.born import born_charges
from leyden.system import THINNEST, System
from leyden.units import COULOMB

VACUUM = 2.0 * math.pi * COULOMB
"""1 / (2 eps_0), eV Å / e^2."""
ACCURACY = 1e-5
FINEST = 1e-13
"""Relative errors of forces: the default one, and that beyond which roundoff is larger."""


@dataclass(frozen=True)
class Arguments:
    """What `Les` is asked for. sigma, dl: s and dl of the module docstring, Å; norm_factor: c.

    n_layers, n_hidden: linear layers of the perceptron that makes charges of desc, and units between them, one number
    or n_layers - 1. Raises InputError.
    """

    sigma: float = 1.0
    dl: float = 2.0
    n_layers: int = 3
    n_hidden: int | tuple[int, ...] = (32, 16)
    remove_self_interaction: bool = True
    norm_factor: float = VACUUM

    def __post_init__(self) -> None:
        for name in ("sigma", "dl", "norm_factor"):
            value = getattr(self, name)
            fits = isinstance(value, int | float) and 0.0 < value < math.inf
            require(fits, f"Les: expected {name} to be a positive number, got {value!r}; correct it.")
        fits, got = isinstance(self.remove_self_interaction, bool), repr(self.remove_self_interaction)
        require(fits, f"Les: expected remove_self_interaction to be True or False, got {got}; correct it.")
        fits = isinstance(self.n_layers, int) and self.n_layers > 0
        require(fits, f"Les: expected n_layers to be at least 1, got {self.n_layers!r}; correct it.")
        fits = len(self.hidden) == self.n_layers - 1 and all(isinstance(n, int) and n > 0 for n in self.hidden)
        wanted = f"one positive number or {self.n_layers - 1}, one fewer than n_layers"
        require(fits, f"Les: expected n_hidden to be {wanted}, got {self.n_hidden!r}; correct one of them.")

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units between the layers."""
        one = isinstance(self.n_hidden, int)
        return (self.n_hidden,) * (self.n_layers - 1) if one else tuple(self.n_hidden)  # type: ignore[arg-type, return-value]

    @staticmethod
    def of(given: Mapping[str, Any]) -> "Arguments":
        """Raises InputError for what is not known."""
        known = [field.name for field in fields(Arguments)]
        for name in given:
            hint = (
                f"Les: expected arguments among {', '.join(known)}, got {name!r}{nearest(name, known)}; leave it out."
            )
            require(name in known, hint)
        return Arguments(**given)


class Les(nn.Module):
    """The module docstring's energy; arguments as a mapping, as keywords, or both. Raises InputError for unknown ones.

    Charges of desc are read by a perceptron of its own, whose input width is that of the first desc.
    """

    def __init__(self, les_arguments: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__()
        both = sorted(set(les_arguments or {}) & set(arguments))
        require(not both, f"Les: expected every argument once, got {', '.join(both)} twice; leave one out.")
        self.arguments = Arguments.of({**(les_arguments or {}), **arguments})
        self.basis = GaussianBasis(self.arguments.sigma / math.sqrt(2.0))
        asked = math.exp(-0.5 * (2.0 * math.pi * self.arguments.sigma / self.arguments.dl) ** 2)
        self.coulomb = Coulomb(accuracy=max(min(ACCURACY, asked), FINEST))
        layers: list[nn.Module] = []
        for units in self.arguments.hidden:
            layers += [nn.LazyLinear(units), nn.SiLU()]
        self.perceptron = nn.Sequential(*layers, nn.LazyLinear(1))

    def forward(
        self, positions: Tensor, cell: Tensor | None, desc: Tensor | None = None, latent_charges: Tensor | None = None,
        batch: Tensor | None = None, compute_energy: bool = True, compute_bec: bool = False,
    ) -> dict[str, Tensor | None]:  # fmt: skip
        """Of atoms at positions (N, 3) Å in cells (S, 3, 3) Å, structure by structure as batch (N,) says.

        A structure is open where its cell is zero (or cell is None), else periodic along three axes. Charges (N,) or
        (N, 1) are given, or read from desc (N, K).

        Returns E_lr (S,) eV, latent_charges (N,), and BEC (N, 3, 3) with BEC[i, a, b] = dP_a/dr_ib (born.py), in
        units of the charges; E_lr or BEC is None where it is not asked for. Raises InputError.
        """
        system = batched(positions, cell, batch)
        charges = self._charges(desc, latent_charges, len(positions))
        return {
            "E_lr": self.energy(system, charges) if compute_energy else None,
            "latent_charges": charges,
            "BEC": born_charges(system, charges) if compute_bec else None,
        }

    def energy(self, system: System, charges: Tensor) -> Tensor:
        """(S,) eV of charges (N,)."""
        s, periodic = self.arguments.sigma, system.pbc.all(1)
        energy = self.coulomb.bind(system, self.basis).energy(charges[:, None])
        both = segment.total(torch.stack([charges, charges.square()], 1), system.index, system.count)
        background = math.pi * COULOMB * s**2 * both[:, 0].square() / torch.where(periodic, system.volume, 1.0)
        energy = energy + torch.where(periodic, background, 0.0)
        if self.arguments.remove_self_interaction:
            energy = energy - COULOMB / (math.sqrt(2.0 * math.pi) * s) * both[:, 1]
        return self.arguments.norm_factor / VACUUM * energy

    def _charges(self, desc: Tensor | None, given: Tensor | None, count: int) -> Tensor:
        if desc is None and given is not None:
            charges = given[:, 0] if given.dim() == 2 and given.shape[1] == 1 else given
            return finite("latent_charges", shaped("latent_charges", charges, count))
        if desc is None or given is not None:
            found = "neither" if desc is None else "both"
            raise InputError(f"Les: expected either desc or latent_charges, got {found}; give one of them.")
        return self.perceptron(shaped("desc", desc, count, None))[:, 0]


def batched(positions: Tensor, cell: Tensor | None, batch: Tensor | None) -> System:
    """The structures as a System. Raises InputError for shapes, indices and cells that do not fit."""
    finite("positions", shaped("positions", positions, None, 3))
    index = torch.zeros(len(positions), dtype=torch.long, device=positions.device) if batch is None else batch.long()
    shaped("batch", index, len(positions))
    count = max(int(index.max()) + 1, 1) if len(index) else 0
    cell = positions.new_zeros(count, 3, 3) if cell is None else cell.to(positions)
    cell = finite("cell", shaped("cell", cell[None] if cell.dim() == 2 else cell, None, 3, 3))
    fits = bool((index.diff() >= 0).all()) and torch.equal(index.unique(), torch.arange(len(cell), device=index.device))
    remedy = "sort atoms by structure, and give a cell for each"
    require(fits, f"batch: expected ascending structures 0 to {len(cell) - 1}, each with atoms, got others; {remedy}.")
    periodic = cell.detach().flatten(1).any(1)
    for number in periodic.nonzero().flatten().tolist():
        thick = torch.linalg.svdvals(cell[number].detach()).min().item() > THINNEST
        got, remedy = cell[number].tolist(), "for slabs and wires use leyden.Coulomb, which has them"
        require(thick, f"cell: expected three independent vectors or only zeros, got {got}; {remedy}.")
    one, pbc = torch.ones_like(cell[:, 0, 0]), periodic[:, None].expand(-1, 3)
    field, numbers = torch.zeros_like(cell[:, 0]), torch.ones_like(index)
    return System(positions, numbers, cell, pbc, index, torch.zeros_like(one).detach(), one.detach(), field.detach())
