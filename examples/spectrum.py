"""The infrared spectrum of a molecule, from its normal modes and from a simulation: the same bands."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.io import read
from ase.optimize import BFGS

import leyden
from leyden.backbones.backbone import Backbone
from leyden.calculators import LeydenCalculator
from leyden.dynamics import Settings, run
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.properties.correlation import Transform
from leyden.properties.electric import born_charges
from leyden.properties.recorded import Electrical
from leyden.properties.spectra import infrared
from leyden.properties.trajectory import Trajectory
from leyden.properties.vibrations import infrared_intensities, normal_modes


class Springs(Backbone):
    """Every pair of atoms on a spring: O-H of 0.96 Å, H-H of 1.52 Å. Charges see how close other atoms are."""

    cutoff, elements, channels = 6.0, (1, 8), Channels(1, 0, 0)

    def forward(self, graph: Graph) -> Features:
        """Half the energy of a spring on each of its atoms."""
        alike = graph.system.numbers[graph.pairs.centers] == graph.system.numbers[graph.pairs.neighbors]
        energy = torch.where(alike, 0.5, 3.0) * (graph.lengths - torch.where(alike, 1.52, 0.96)) ** 2
        scalars = graph.gather(torch.exp(-(graph.lengths**2)))[:, None]
        none = scalars.new_zeros(len(scalars), 3, 0)
        return Features(graph.gather(energy), scalars, none, none[:, None])


torch.manual_seed(0)
charges = leyden.charges.Local(Springs.channels, Springs.elements, leyden.GaussianBasis(width=0.5))
calculator = LeydenCalculator(leyden.Potential(Springs(), charges, leyden.Coulomb(), leyden.Baseline({})))
water = Atoms("OH2", [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]], calculator=calculator)
BFGS(water, logfile=None).run(fmax=1e-5)

system, temperature = leyden.System.from_ase(water), 1.0
modes = normal_modes(calculator.potential, system)
intensities = infrared_intensities(modes, born_charges(calculator.potential, system))

water.set_momenta((modes.directions * modes.masses.sqrt()[:, None]).sum(0) * np.sqrt(2 * units.kB * temperature))
with tempfile.TemporaryDirectory() as folder:  # every mode has the energy k T
    path = Path(folder) / "water.xyz"
    list(run(water, calculator, Settings(860, 0.8, thermostat="none", every=2), path))
    source = Electrical(Trajectory.of(read(path, ":")), calculator.potential)
spectrum = infrared(source.current, Transform(source.trajectory.timestep, 100.0, "hann"), temperature)

for nu, intensity in zip(modes.wavenumbers, intensities, strict=True):
    x, y = (values[np.abs(spectrum.wavenumbers - nu) < 90] for values in (spectrum.wavenumbers, spectrum.intensity))
    print(f"mode {nu:4.0f} cm^-1, {intensity:4.1f} km/mol; band {x[y.argmax()]:4.0f} cm^-1, {np.trapezoid(y, x):4.1f}")
