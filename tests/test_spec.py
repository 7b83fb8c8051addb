"""Spec: what a potential is made of, there and back."""

import pytest
import torch
from pydantic import ValidationError

from leyden.charges import Local
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.spec import (
    KINDS,
    CartesianSpec,
    ChargeSpec,
    CoulombSpec,
    EquilibrationSpec,
    LocalSpec,
    MixtureSpec,
    PotentialSpec,
    ResponseSpec,
    SolverSpec,
    SpinEquilibrationSpec,
    SplitChargeEquilibrationSpec,
    SplitSpec,
    SymmetricResponseSpec,
    UnrolledSpec,
    VariationalSpec,
    build,
    describe,
)
from leyden.spec.charges.registry import SPECS
from leyden.testing.assembly import assembled, batch

SPEC = PotentialSpec(
    backbone=CartesianSpec(cutoff=3.25, channels=4, layers=1, basis=5),
    charges=LocalSpec(
        mode="shift",
        dipoles=True,
        quadrupoles=True,
        width={1: 0.5, 6: 0.7, 8: 0.6},
        self_interaction=False,
        scale=1.5,
        hidden=3,
    ),
    coulomb=CoulombSpec(accuracy=1e-4, method="auto", charged="error", images="corrected", surroundings=80.0),
    elements=(1, 6, 8),
    average_neighbors=7.25,
    baseline={1: -1.0, 6: -2.0, 8: -3.0},
    charging=9.0,
    conditioned=False,
)


def test_every_field_survives_building() -> None:
    """Every value of SPEC differs from its default where it can, so that none may be forgotten."""
    assert describe(build(SPEC)) == SPEC
    for section, default in (
        (SPEC.backbone, CartesianSpec()),
        (SPEC.charges, LocalSpec()),
        (SPEC.coulomb, CoulombSpec()),
    ):
        same = {name for name, value in section if value == getattr(default, name)}
        assert same <= {"kind", "method"}


OTHERS = [
    SplitSpec(
        dipoles=True,
        quadrupoles=True,
        width={1: 0.5, 6: 0.7, 8: 0.6},
        formal={8: -1.0},
        self_interaction=False,
        scale=1.2,
        hidden=3,
    ),
    EquilibrationSpec(dipoles=True, width=0.6, hidden=3, solver=SolverSpec(tolerance=1e-6, iterations=50)),
    SpinEquilibrationSpec(width=0.6, hidden=3, solver=SolverSpec(iterations=50)),
    SplitChargeEquilibrationSpec(
        dipoles=True, width=0.6, formal={1: 0.5}, hidden=3, solver=SolverSpec(unconverged="report")
    ),
    ResponseSpec(dipoles=True, width=0.6, receivers=(0.9,), hidden=3, solver=SolverSpec(iterations=50)),
    SymmetricResponseSpec(dipoles=True, width=0.6, hidden=3, solver=SolverSpec(iterations=50)),
    UnrolledSpec(dipoles=True, width=0.6, receivers=(0.9,), steps=3, hidden=3),
    VariationalSpec(dipoles=True, width=0.6, terms=2, hidden=3, solver=SolverSpec(iterations=50)),
    MixtureSpec(states=(0.0, 1.0), temperature=0.2, width=0.6, hidden=3, solver=SolverSpec(iterations=50)),
]


@pytest.mark.parametrize("charges", OTHERS, ids=lambda spec: spec.kind)
def test_every_charge_model_survives_building(charges: ChargeSpec) -> None:
    """Every value differs from its default; what is built has it, and comes back from plain data, too."""
    spec = SPEC.model_copy(update={"charges": charges, "coulomb": CoulombSpec()})
    same = {name for name, value in charges if value == type(charges).model_fields[name].get_default()}
    assert same <= {"kind"}
    assert describe(build(spec)) == spec
    assert PotentialSpec.model_validate(spec.model_dump(mode="json")) == spec
    again = build(spec).double()
    assert again(batch()).density.abs().max() > 1e-3


def test_every_kind_is_tested() -> None:
    assert {spec.kind for spec in OTHERS} | {"local"} == set(KINDS)
    assert list(KINDS.values()) == list(SPECS)


def test_plain_data_there_and_back() -> None:
    assert PotentialSpec.model_validate(SPEC.model_dump(mode="json")) == SPEC


def test_description_rebuilds_the_form_of_any_potential(potential: Potential, short_range: Potential) -> None:
    for model in (potential, short_range):
        other = build(describe(model)).double()
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(batch()).energy, model(batch()).energy)


def test_defaults_are_those_of_the_classes() -> None:
    spec = PotentialSpec(elements=(8, 1), average_neighbors=5.0, baseline={})
    potential = build(spec)
    assert potential.coulomb == Coulomb()
    assert potential.charges.basis == GaussianBasis()
    default = Local(potential.backbone.channels, (1, 8), GaussianBasis())
    for name in ("mode", "self_interaction", "scale", "hidden"):
        assert getattr(potential.charges, name) == getattr(default, name)
    assert describe(potential).elements == (1, 8)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"backbone": {"cutoff": 0.1}},
        {"charges": {"mode": "uniform"}},
        {"charges": {"scale": -1.0}},
        {"coulomb": {"accuracy": 0.5}},
        {"charges": {"sigma": 1.0}},
        {"charges": None, "conditioned": False},
    ],
)
def test_wrong_values_and_unknown_keys(change: dict) -> None:
    with pytest.raises(ValidationError):
        PotentialSpec.model_validate(SPEC.model_dump() | change)


def test_foreign_parts_are_refused() -> None:
    potential = assembled(lambda c, e: None)
    potential.charges = torch.nn.Identity()
    with pytest.raises(TypeError, match="expected a charge model that has a spec, got Identity"):
        describe(potential)
