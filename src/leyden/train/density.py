"""How far a density is from a labelled one: the Coulomb energy of the difference, twice (Dunlap, Connolly and Sabin,
J. Chem. Phys. 71, 3396 (1979)),

    <dp|V|dp> = int int drho(r) drho(r') k_e / |r - r'|,

the integral of the squared electric field that the density lacks. Where the labels are the density of an electronic
structure calculation, fitted in this metric, it is what can be learned of that density's own distance.
"""

from torch import Tensor

from leyden import segment
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.system import System


def coulomb_distance(coulomb: Coulomb, basis: GaussianBasis, system: System, density: Tensor, label: Tensor) -> Tensor:
    """<dp|V|dp> an atom (eV), of those of S structures whose label (N, dim) has no NaN."""
    lacking = segment.total(label.isnan().any(1).to(label.dtype), system.index, system.count)
    wanted = (lacking == 0).nonzero().squeeze(1)
    if not len(wanted):
        return density[:0, 0]
    part, atoms = system.select(wanted)
    difference = density[atoms] - label[atoms]
    return 2 * coulomb.bind(part, basis).energy(difference) / part.size
