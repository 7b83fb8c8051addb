"""Which key of a file is taken for which property."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from leyden.checks import InputError
from leyden.train.keys import resolve
from leyden.train.labels import ANY, PROPERTIES
from leyden.train.values import read_value


def frame(info: dict[str, object] | None = None, arrays: dict[str, object] | None = None, **results: object) -> Atoms:
    atoms = Atoms("HO", [[0, 0, 0], [0, 0, 1.0]], info=info or {})
    for key, value in (arrays or {}).items():
        atoms.set_array(key, np.asarray(value))
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def value_of(name: str, atoms: Atoms) -> torch.Tensor:
    value = read_value(atoms, resolve([atoms]).sources[name])
    assert value is not None
    return value


def test_canonical_keys_need_no_note() -> None:
    found = resolve([frame({"REF_energy": 1.0, "total_charge": 1}, {"REF_forces": np.zeros((2, 3))})])
    assert {s.of.name: s.key for s in found.sources.values()} == {
        "energy": "REF_energy", "forces": "REF_forces", "total_charge": "total_charge",
    }  # fmt: skip
    assert found.notes == () and found.warnings == ()


@pytest.mark.parametrize("alias", [(p.name, a) for p in PROPERTIES.values() for a in p.aliases])
def test_every_alias_is_found_and_said(alias: tuple[str, str]) -> None:
    name, key = alias
    prop = PROPERTIES[name]
    shape = tuple(4 if n == ANY else n for n in prop.shape)
    value = np.ones((2, *shape) if prop.per_atom else shape)
    if value.ndim == 3:
        value = value.reshape(2, 9)
    found = resolve([frame({}, {key: value}) if prop.per_atom else frame({key: value})])
    assert found.sources[name].key == key
    assert any(note.startswith(f"{name}: read from") and f"`{key}`" in note for note in found.notes)


def test_calculator_results_are_found() -> None:
    found = resolve([frame(energy=2.0, forces=np.ones((2, 3)), charges=np.ones(2))])
    assert {n: s.place for n, s in found.sources.items()} == dict.fromkeys(
        ("energy", "forces", "charges"), "calculator"
    )


def test_canonical_wins_and_is_said() -> None:
    atoms = frame({"REF_energy": 1.0}, energy=2.0)
    assert value_of("energy", atoms).item() == 1.0
    assert any("calculator `energy` is passed over" in note for note in resolve([atoms]).notes)


def test_charge_of_a_frame_is_not_a_charge_of_an_atom() -> None:
    found = resolve([frame({"charge": 2}, charges=np.ones(2))])
    assert (found.sources["total_charge"].key, found.sources["charges"].place) == ("charge", "calculator")


def test_named_keys_win() -> None:
    atoms = frame({"REF_energy": 1.0, "mine": 3.0})
    found = resolve([atoms], {"energy": "mine"})
    assert found.sources["energy"].key == "mine"
    assert "info `REF_energy`" in found.warnings[0]


def test_a_named_key_is_not_read_twice() -> None:
    found = resolve([frame({"spin": 1.0, "charge": 2.0})], {"total_spin": "charge"})
    assert {name: source.key for name, source in found.sources.items()} == {"total_spin": "charge"}
    assert "info `spin`" in found.warnings[0]


def test_a_named_column_that_ase_renamed_is_found() -> None:
    assert resolve([frame(charges=np.ones(2))], {"charges": "charge"}).sources["charges"].key == "charges"


def test_a_named_key_that_is_absent_is_an_error() -> None:
    with pytest.raises(InputError, match=r"energy: expected the key 'my_energie'.*did you mean 'my_energy'"):
        resolve([frame({"my_energy": 1.0})], {"energy": "my_energie"})


def test_an_unknown_property_is_an_error() -> None:
    with pytest.raises(InputError, match="did you mean 'forces'"):
        resolve([frame()], {"forcs": "f"})


def test_one_source_per_file() -> None:
    found = resolve([frame({"REF_energy": 1.0}), frame(energy=2.0)])
    assert found.count("energy") == 1
    assert any("1 of 2 frames lack it (the first is frame 1)" in note for note in found.notes)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 4)])
def test_density_coefficients_have_the_width_of_the_file(shape: tuple[int, ...]) -> None:
    value = value_of("density_coefficients", frame({}, {"REF_density_coefficients": np.ones(shape)}))
    assert value.shape == (2, 4 if shape[-1] == 4 else 1)
    assert PROPERTIES["density_coefficients"].shape_text == "(N, dim)"


@pytest.mark.parametrize("key", ["charges", "Qs", "mbi_charges"])
def test_charges_are_no_density_coefficients(key: str) -> None:
    assert "density_coefficients" not in resolve([frame({}, {key: np.ones(2)})]).sources


@pytest.mark.parametrize("raw", [np.ones((2, 2, 2)), 1.0])
def test_density_coefficients_of_another_shape(raw: object) -> None:
    atoms = frame({"REF_x": raw})
    with pytest.raises(InputError, match=r"density_coefficients \(key `REF_x`\): expected shape \(N, dim\)"):
        read_value(atoms, resolve([atoms], {"density_coefficients": "REF_x"}).sources["density_coefficients"])


@pytest.mark.parametrize(
    "key", ["REF_hirshfeld", "mbi_charges", "dft_e", "my_bec", "inter_energy", "virial", "efield", "esp_grid", "my_esp"]
)
def test_label_like_keys_are_warned_about(key: str) -> None:
    assert f"info `{key}`" in resolve([frame({key: 1.0})]).warnings[0]


@pytest.mark.parametrize("key", ["config_type", "distance", "smiles", "because", "respa"])
def test_other_keys_are_not(key: str) -> None:
    assert resolve([frame({key: 1.0})]).warnings == ()


@pytest.mark.parametrize("shape", [(4, 3), (12,), (1, 4, 3), (1, 12)])
def test_points_have_the_number_of_the_frame(shape: tuple[int, ...]) -> None:
    value = value_of("potential_points", frame({"REF_potential_points": np.arange(12.0).reshape(shape)}))
    assert value.shape == (1, 4, 3) and value[0, 1].tolist() == [3.0, 4.0, 5.0]
    assert PROPERTIES["potential_points"].shape_text == "(M, 3)"


@pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 2, 3)])
def test_points_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"potential_points \(key `REF_potential_points`\): expected shape \(M, 3\), got"
    ):
        value_of("potential_points", frame({"REF_potential_points": np.zeros(shape)}))


def test_les_order_is_transposed() -> None:
    born = np.arange(18.0).reshape(2, 9)
    assert torch.equal(value_of("born_effective_charges", frame({}, {"REF_born_effective_charges": born}))[1, 0],
                       torch.tensor([9.0, 10.0, 11.0], dtype=torch.float64))  # fmt: skip
    assert torch.equal(value_of("born_effective_charges", frame({}, {"BEC": born}))[1, 0],
                       torch.tensor([9.0, 10.0, 11.0], dtype=torch.float64))  # fmt: skip
    assert torch.equal(value_of("born_effective_charges", frame({}, {"bec": born}))[1, :, 0],
                       torch.tensor([9.0, 10.0, 11.0], dtype=torch.float64))  # fmt: skip


def test_voigt_order_of_ase() -> None:
    stress = value_of("stress", frame({"REF_stress": np.arange(6.0)}))
    expected = torch.tensor([[[0.0, 5, 4], [5, 1, 3], [4, 3, 2]]], dtype=torch.float64)
    assert torch.equal(stress, expected)


@pytest.mark.parametrize("shape", [(3, 3), (9,), (1, 3, 3), (1, 9)])
def test_quadrupole_shapes_and_trace(shape: tuple[int, ...]) -> None:
    full = np.diag([3.0, 6.0, 9.0]) + 1.0 - np.eye(3)
    value = value_of("quadrupole", frame({"quadrupole": full.reshape(shape)}))
    assert torch.equal(value[0], torch.tensor([[-3.0, 1, 1], [1, 0, 1], [1, 1, 3]], dtype=torch.float64))


@pytest.mark.parametrize("raw", ["n/a", True, [[1.0], [1.0, 2.0]], [1.0, 2.0]])
def test_energies_that_are_no_number(raw: object) -> None:
    with pytest.raises(InputError, match=r"energy \(key `REF_energy`\): expected"):
        value_of("energy", frame({"REF_energy": raw}))
