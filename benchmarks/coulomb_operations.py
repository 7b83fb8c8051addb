"""What the Coulomb benchmark times, and converged values of it; training is through charges that a network gives."""

from collections.abc import Callable

import torch
from coulomb_cases import OPERATIONS, Case, Peer, reference
from coulomb_peers import Leyden
from torch import Tensor

SMALL = 3100
"""Most atoms for which forces are compared with a reference that is not ours, and gradients with any."""


class Network(torch.nn.Module):
    """Charges near the given ones, their sum kept, from fixed random features."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.case, count = case, len(case.charges)
        self.features = torch.randn(count, 16, dtype=torch.float64).to(case.charges)
        layers = torch.nn.Linear(16, 32), torch.nn.SiLU(), torch.nn.Linear(32, 1)
        self.layers = torch.nn.Sequential(*layers).to(case.charges)

    def forward(self) -> Tensor:
        """Charges (N,)."""
        change = self.layers(self.features).view(self.case.system.count, -1)
        return self.case.charges + 0.05 * (change - change.mean(1, keepdim=True)).flatten()


def call(operation: str, peer: Peer, case: Case) -> Callable[[], Tensor]:
    """The operation as a function without arguments, which returns energy, forces, or gradient of the parameters."""
    network = Network(case)
    parameters = list(network.parameters())

    def energy() -> Tensor:
        with torch.no_grad():
            return peer.energy(case.system.positions, case.charges, case).sum()

    def forces() -> Tensor:
        x = case.system.positions.detach().requires_grad_()
        return -torch.autograd.grad(peer.energy(x, case.charges, case).sum(), x)[0]

    def potentials() -> Tensor:
        x, q = case.system.positions.detach().requires_grad_(), case.charges.detach().requires_grad_()
        return -torch.autograd.grad(peer.energy(x, q, case).sum(), (x, q))[0]

    def training() -> Tensor:
        x = case.system.positions.detach().requires_grad_()
        found = torch.autograd.grad(peer.energy(x, network(), case).sum(), x, create_graph=True)[0]
        return torch.cat([g.flatten() for g in torch.autograd.grad(found.square().mean(), parameters)])

    return dict(zip(OPERATIONS, (energy, forces, potentials, training), strict=True))[operation]


def converged(operation: str, exact: Case) -> Tensor | None:
    """Converged forces, by sums that are not ours where affordable, or gradient of the parameters; None: unknown."""
    forces, small = operation != "training", len(exact.charges) <= SMALL
    if not (forces or small):
        return None
    try:
        plain = forces and small and exact.periodic and exact.system.count == 1
        return reference(exact) if plain else call(operation, Leyden(1e-9), exact)()
    except Exception as error:
        print(f"no reference for {exact.form} {exact.name}: {error}", flush=True)
        return None
