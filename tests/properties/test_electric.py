"""Dipoles and Born charges: what the contract of charge models does not say."""

import pytest
import torch
from ase import Atoms

from leyden.charges import Local
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.properties import born_charges, dipole, polarizability
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.backbone import MOLECULE
from leyden.testing.numeric import close
from leyden.train.physics import rotation_residual


def test_dipole_is_that_of_the_output(potential: Potential) -> None:
    assert torch.equal(dipole(potential, molecules()), potential(molecules()).dipole)


def test_lone_ion() -> None:
    """A single atom of charge Q at r: dipole Q r, Born charge Q times the unit matrix."""
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(0.7), hidden=4))
    system = System.from_ase(Atoms("O", [[1.0, -2.0, 0.5]]), charge=-2)
    close(dipole(potential, system), -2 * system.positions, 1e-14)
    close(born_charges(potential, system)[0], -2 * torch.eye(3, dtype=torch.float64), 1e-14)


def test_rotational_sum_rule(potential: Potential) -> None:
    """Rows are polarizations: a rotation of the molecule turns the dipole; the transpose does not obey this."""
    system = System.from_ase(MOLECULE, charge=1)
    born, moment = born_charges(potential, system), dipole(potential, system)[0].detach()
    assert rotation_residual(born, moment, system.positions) < 1e-10
    assert rotation_residual(born.mT, moment, system.positions) > 1e-2


def test_graph_only_when_asked(potential: Potential) -> None:
    assert not born_charges(potential, molecules()).requires_grad
    assert born_charges(potential, molecules(), create_graph=True).requires_grad
    assert not born_charges(potential, batch()).requires_grad
    with torch.no_grad():
        assert born_charges(potential, batch()).abs().max() > 0.1


def test_without_charges_is_refused(short_range: Potential) -> None:
    for function in (dipole, born_charges):
        with pytest.raises(InputError, match=r"expected a model with charges, got a short-range one"):
            function(short_range, molecules())


def test_polarizability_of_charges_that_feel_nothing() -> None:
    """Latent charges depend on no field: exactly zero."""
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(0.7), hidden=4))
    assert torch.equal(polarizability(potential, molecules()), torch.zeros(2, 3, 3, dtype=torch.float64))


def test_polarizability_is_refused_where_there_is_none(potential: Potential, short_range: Potential) -> None:
    with pytest.raises(InputError, match="expected open structures, or a model whose charge moves along bonds"):
        polarizability(potential, batch())
    with pytest.raises(InputError, match="expected a model with charges, got a short-range one"):
        polarizability(short_range, molecules())
