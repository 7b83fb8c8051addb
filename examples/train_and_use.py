"""From a data file to an ASE calculator: train a small model of water clusters for a few epochs, then use it."""

import sys
import tempfile
from pathlib import Path

from ase.build import molecule

from leyden.calculators import LeydenCalculator
from leyden.train.config import DataSection, OptimizerSection, preset
from leyden.train.run import train

data = Path(__file__).parent.parent / "datasets" / "water_clusters"
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5

with tempfile.TemporaryDirectory() as folder:
    config = preset("les", data / "val.xyz").model_copy(
        update={
            "output": Path(folder) / "run",
            "data": DataSection(train=data / "val.xyz", validation=data / "test.xyz"),
            "optimizer": OptimizerSection(epochs=epochs),
        }
    )
    best = train(config).best

    water = molecule("H2O")
    water.calc = LeydenCalculator(best)
    print("energy", water.get_potential_energy(), "eV")
    print("charges", water.get_charges().round(3), "e")
    print("dipole", water.get_dipole_moment().round(3), "e Å")
    print("Born charge of O", water.calc.get_property("born_effective_charges", water)[0].round(3).tolist())
