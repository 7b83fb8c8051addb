"""One adapter for each library that sums Coulomb interactions: charges in, the energy in e^2/Å out.

The pair part is split off at a width s. Self terms may differ: no force depends on them. Neighbor lists (vesin, for all
but OpenMM) and everything that depends on the cell are made anew in each call, except what `kept` says, which users
keep; mlipops and OpenMM compute in single precision always.
"""

import math
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
import torch
from coulomb_cases import OPERATIONS, SMEARED, Case, Peer, Settings, half_waves, neighbors, vectors
from torch import Tensor

from leyden import Coulomb, GaussianBasis
from leyden.coulomb import BoundCoulomb, stencil
from leyden.units import COULOMB


class Leyden(Peer):
    """Ours, at a nominal accuracy; with self terms."""

    package, offers = "leyden", (*Peer.offers, "open smeared")

    def __init__(self, accuracy: float = 1e-4, method: str = "auto") -> None:
        super().__init__()
        self.accuracy, self.method = accuracy, method

    def bind(self, positions: Tensor, case: Case) -> BoundCoulomb:
        """The operator bound to new positions."""
        basis = GaussianBasis(width=SMEARED / math.sqrt(2) if case.form == "smeared" else 0.0)
        return Coulomb(self.accuracy, self.method).bind(replace(case.system, positions=positions), basis)

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Energy of each structure."""
        return self.bind(positions, case).energy(charges[:, None]) / COULOMB


class WithoutLoops(Leyden):
    """Ours on a mesh by tensor operations."""

    def bind(self, positions: Tensor, case: Case) -> BoundCoulomb:
        """The operator bound to new positions."""
        stencil.COMPILED = False
        try:
            return super().bind(positions, case)
        finally:
            stencil.COMPILED = True


class PlainSum(Peer):
    """The latent Ewald equation (arXiv 2408.15165, eq. 9) as written: sines and cosines N x K; with self terms."""

    package, offers, images = "torch", ("periodic smeared", "open smeared"), 1

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """1/2V sum_k 4 pi / k^2 exp(-s^2 k^2 / 2) |S(k)|^2, or the sum over all pairs of an open structure."""
        if not case.periodic:
            i, j, d = vectors(positions, case, 0.0)
            r = d.norm(dim=1)
            return (charges[i] * charges[j] * torch.erf(r / (math.sqrt(2) * SMEARED)) / r).sum()
        parts = zip(*(x.chunk(case.system.count) for x in (positions, charges)), case.system.cell, strict=True)
        return torch.stack([self._one(*part) for part in parts])

    def _one(self, positions: Tensor, charges: Tensor, cell: Tensor) -> Tensor:
        k, weights = half_waves(cell, self.settings["smeared"].fine, SMEARED)
        phase = positions @ k.T
        return 0.5 * (weights * ((charges @ phase.cos()) ** 2 + (charges @ phase.sin()) ** 2)).sum()


class TorchPME(Peer):
    """torch-pme: batches of periodic structures in a loop, open ones as one list of pairs."""

    package = "torch-pme"

    def __init__(self, method: str, smeared: Settings, point: Settings) -> None:
        super().__init__(smeared, point)
        self.method, self.images = method, 4 if method == "ewald" else 0

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Charge times potential, which is half the usual one, of each atom."""
        s = self.settings[case.form]
        i, j, d = vectors(positions, case, s.cutoff)
        r, pairs = d.norm(dim=1), torch.stack([i, j], 1)
        sum_ = _torchpme(self.method if case.periodic else "direct", s, r.dtype, r.device)
        if not case.periodic:
            return sum_(charges[:, None], torch.zeros_like(case.system.cell[0]), positions, pairs, r)[:, 0] * charges
        energies, size = [], len(charges) // case.system.count
        for n, cell in enumerate(case.system.cell):
            atoms, own = slice(n * size, (n + 1) * size), i // size == n
            potential = sum_(charges[atoms, None], cell, positions[atoms], pairs[own] - n * size, r[own])
            energies.append((potential[:, 0] * charges[atoms]).sum())
        return torch.stack(energies)


@cache
def _torchpme(method: str, s: Settings, dtype: torch.dtype, device: torch.device) -> torch.nn.Module:
    import torchpme

    potential = torchpme.CoulombPotential(smearing=None if method == "direct" else s.width)
    if method == "direct":
        return torchpme.Calculator(potential).to(device, dtype)
    if method == "ewald":  # its Miller indices reach half as far as the wavelength says
        return torchpme.EwaldCalculator(potential, lr_wavelength=math.pi / s.fine).to(device, dtype)
    kind = {"pme": torchpme.PMECalculator, "p3m": torchpme.P3MCalculator}[method]
    return kind(potential, mesh_spacing=s.fine, interpolation_nodes=s.order).to(device, dtype)


class Nvalchemi(Peer):
    """nvalchemi-toolkit-ops with alpha given: its automatic one is wrong, silently, for a short neighbor list."""

    package = "nvalchemi-toolkit-ops"

    def __init__(self, method: str, smeared: Settings, point: Settings) -> None:
        super().__init__(smeared, point)
        self.method, self.images = method, 2 if method == "ewald" else 0

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Energies of the atoms."""
        from nvalchemiops.torch.interactions.electrostatics import coulomb, ewald, k_vectors, pme

        s, cell = self.settings[case.form], case.system.cell
        batch = {"batch_idx": case.system.index.int()} if case.system.count > 1 else {}
        near = compressed(positions, case, s.cutoff) if case.form == "point" else {}
        if not case.periodic:
            return coulomb.coulomb_energy(positions, charges, cell, 1e6, 0.0, **near, **batch)
        alpha = cell.new_full((case.system.count,), s.alpha)
        if self.method == "ewald":
            k = k_vectors.generate_k_vectors_ewald_summation(cell, s.fine)
            far = ewald.ewald_reciprocal_space(positions, charges, cell, k, alpha, **batch)
        else:
            mesh = {"mesh_spacing": s.fine, "spline_order": s.order}
            far = pme.pme_reciprocal_space(positions, charges, cell, alpha, **mesh, **batch)
        return far + ewald.ewald_real_space(positions, charges, cell, alpha, **near, **batch) if near else far


class MLIPOps(Peer):
    """mlipops: pairs from vesin instead of its search over all pairs.

    Its PME has first derivatives only: second ones are documented to raise, but are silently wrong on the CPU.
    """

    package, offers = "mlipops", (*Peer.offers, "open smeared")
    kept = "its module: mesh or k vectors, and what depends on them, of a cell that stays"

    def __init__(self, method: str, smeared: Settings, point: Settings) -> None:
        super().__init__(smeared, point)
        self.method, self.images = method, 1 if method == "ewald" else 0
        self.operations = OPERATIONS if method == "ewald" else OPERATIONS[:3]

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Energy of each structure."""
        s, x, q = self.settings[case.form], positions.float(), charges.float()
        batch = case.system.index if case.system.count > 1 else None
        pairs = None if case.kind == "periodic smeared" else torch.stack(neighbors(positions, case, s.cutoff)[:2], 1)
        if not case.periodic:
            return _mlipops_pairs(case.form)(x, q, pairs, None, batch)
        cell, sum_ = case.system.cell.float(), _mlipops(self.method, s, case.length, x.device)
        box = cell[0] if batch is None else cell
        far = sum_(x, q, box, include_direct=False, batch=batch)
        return far if pairs is None else far + sum_.direct(x, q, pairs, box, batch)


@cache
def _mlipops(method: str, s: Settings, length: float, device: torch.device) -> torch.nn.Module:
    import mlipops

    pairs = mlipops.NeighborList(s.cutoff, device=str(device))
    if method == "ewald":
        waves = 3 * [math.ceil(length * s.fine / (2 * math.pi))]
        return mlipops.CoulombEwald(pairs, None, *waves, s.alpha, 1.0).to(device)
    return mlipops.CoulombPME(pairs, None, *3 * [even(length / s.fine)], s.order, s.alpha, 1.0).to(device)


def compressed(positions: Tensor, case: Case, cutoff: float) -> dict[str, Tensor]:
    """A full neighbor list by rows, as nvalchemi takes it."""
    i, j, shift = neighbors(positions, case, cutoff, full=True)
    start = torch.bincount(i, minlength=len(positions)).cumsum(0)
    start = torch.cat([start.new_zeros(1), start]).int()
    return {"neighbor_list": torch.stack([i, j]).int(), "neighbor_ptr": start, "neighbor_shifts": shift.int()}


@cache
def _mlipops_pairs(form: str) -> torch.nn.Module:
    from mlipops import Pairwise
    from mlipops.coulomb import ErfScaledInteraction, point_charge_interaction

    smeared = ErfScaledInteraction(point_charge_interaction, 1 / (math.sqrt(2) * SMEARED))
    return Pairwise(smeared if form == "smeared" else point_charge_interaction, None)


class OpenMM(Peer):
    """OpenMM: energy and forces of PME without autograd; smeared form: its reciprocal part alone, with the same s."""

    package, operations, batches = "openmm", ("E + F",), False
    offers = ("periodic smeared", "periodic point")
    kept = "its context, with mesh and charges, and its neighbor list, since the atoms do not move between calls"

    def energy(self, positions: Tensor, charges: Tensor, case: Case) -> Tensor:
        """Energy with the forces as its derivative."""
        return _OpenMMEnergy.apply(positions, charges, case, self.settings[case.form])


class _OpenMMEnergy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, positions: Tensor, charges: Tensor, case: Case, s: Settings) -> Tensor:
        """nm and kJ/mol inside."""
        context, scale = _openmm(case.length, s, tuple(charges.tolist())), 1389.35456
        context.setPositions(positions.detach().cpu().numpy() / 10)
        state = context.getState(energy=True, forces=True, groups=-1 if s.cutoff else 2)
        ctx.forces = positions.new_tensor(state.getForces(asNumpy=True)._value) / (10 * scale)
        return positions.new_tensor(state.getPotentialEnergy()._value / scale)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        return -grad * ctx.forces, None, None, None


@lru_cache(maxsize=1)
def _openmm(length: float, s: Settings, charges: tuple[float, ...]):
    import openmm

    force, system, box = openmm.NonbondedForce(), openmm.System(), length / 10
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in (box * np.eye(3)).tolist()))
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setReciprocalSpaceForceGroup(1)
    force.setCutoffDistance((s.cutoff or 5.0) / 10)
    force.setPMEParameters(10 * s.alpha, *3 * (even(length / s.fine),))
    for charge in charges:
        system.addParticle(1.0)
        force.addParticle(charge, 1.0, 0.0)
    system.addForce(force)
    names = [openmm.Platform.getPlatform(n).getName() for n in range(openmm.Platform.getNumPlatforms())]
    platform = openmm.Platform.getPlatformByName("CPU" if "CPU" in names else "Reference")
    threads = {"Threads": str(torch.get_num_threads())} if "CPU" in names else {}
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform, threads)


def even(points: float) -> int:
    """Smallest even number of mesh points that is no less and has no prime factor but 2, 3 and 5."""
    smooth = {2 * 2**a * 3**b * 5**c for a in range(9) for b in range(5) for c in range(4)}
    return min(n for n in smooth if n >= points)


PEERS: dict[str, Peer] = {
    "Leyden without loops": WithoutLoops(1e-4, "mesh"),
    "plain sum": PlainSum(Settings(SMEARED, 0.0, 4.36)),
    "torch-pme P3M": TorchPME("p3m", Settings(SMEARED, 0.0, 0.7, 5), Settings(1.27, 5.0, 1.25, 5)),
    "torch-pme Ewald": TorchPME("ewald", Settings(SMEARED, 0.0, 4.1), Settings(2.28, 9.0, 1.49)),
    "nvalchemi PME": Nvalchemi("pme", Settings(SMEARED, 0.0, 0.5, 6), Settings(0.976, 4.0, 0.488, 5)),
    "nvalchemi Ewald": Nvalchemi("ewald", Settings(SMEARED, 0.0, 3.9), Settings(2.28, 9.0, 1.32)),
    "mlipops PME": MLIPOps("pme", Settings(SMEARED, 0.0, 0.35, 5), Settings(1.27, 5.0, 0.7, 5)),
    "mlipops Ewald": MLIPOps("ewald", Settings(SMEARED, 0.0, 3.9), Settings(1.463, 6.0, 2.05)),
    "OpenMM": OpenMM(Settings(SMEARED, 0.0, 0.35, 5), Settings(1.27, 5.0, 0.66, 5)),
}
"""The cheapest settings that were found with a relative force error of about 1e-4 at 648 atoms of water."""
