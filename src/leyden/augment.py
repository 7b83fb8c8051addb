"""A trained short-range model with charges beside it: augment("NAME.model", charges="les").

E = E_model + U(p; h) + 1/2 <p|V|p>, with h the features of the model. What the model learned contains already the
Coulomb energies of what is within its cutoff, so charges start from next to nothing (charges/quiet.py): the sum is
right before training, which then decides how the energy is shared.
"""

from copy import deepcopy
from pathlib import Path

from torch import nn

from leyden.backbones import MACE, Backbone, NequIP, Pretrained
from leyden.backbones.pretrained import Freeze
from leyden.baseline import Baseline
from leyden.charges.quiet import quieten
from leyden.checks import InputError, nearest, require
from leyden.coulomb import Coulomb
from leyden.potential import Potential
from leyden.spec.backbones import MACESpec, NequIPSpec, PretrainedSpec
from leyden.spec.charges import KINDS, ChargeSpec
from leyden.spec.presets import PRESETS
from leyden.storage import load

FILES: dict[str, type[PretrainedSpec]] = {".model": MACESpec, ".ckpt": NequIPSpec, ".zip": NequIPSpec}
"""What a file is taken for."""
PACKAGES = ("mace", "nequip", "allegro")
"""Where classes of models are from."""


def augment(
    model: nn.Module | str | Path,
    charges: str | ChargeSpec | None = "local",
    freeze: Freeze = "nothing",
    start: str = "quiet",
    head: str | None = None,
    coulomb: Coulomb | None = None,
) -> Potential:
    """A potential with the model as its backbone, ready to be trained, in the dtype of the model.

    model: of mace-torch or nequip, or the path of a file of one (a pickle, which is executed: trust its origin); or a
    potential without charges, or its folder. charges: a preset ("les", "qeq", ...), a kind ("local", "equilibration",
    ...), a section of leyden.spec, or None. freeze: what training leaves as it is, "nothing", "features" or "backbone";
    of the built-in backbone "nothing" or "backbone". start: "quiet" or "usual" charges. head: of a MACE model with
    several, the one whose energies are wanted.

    Raises InputError for a model, file or name that is not known.
    """
    require(start in ("quiet", "usual"), f"start: expected 'quiet' or 'usual', got {start!r}.")
    backbone, baseline = _trained(_read(Path(model), head) if isinstance(model, str | Path) else model, head)
    _freeze(backbone, freeze)
    section = _section(charges)
    added = None if section is None else section.make(backbone.channels, backbone.elements)
    if added is not None and start == "quiet":
        quieten(added)
    dtype = next(backbone.parameters()).dtype
    return Potential(backbone, added, coulomb, baseline).to(dtype)


def _read(path: Path, head: str | None) -> nn.Module:
    if path.is_dir():
        return load(path)
    section = FILES.get(path.suffix)
    if section is None:
        raise InputError(
            f"{path}: expected a model folder, or a file that ends in {' or '.join(FILES)}, got"
            f" {path.suffix or 'no suffix'!r}; rename it, or load the model and give that."
        )
    named = {"head": head} if head is not None and section is MACESpec else {}
    return section.model_validate({"source": path, **named}).make((), 1.0)


def _trained(model: nn.Module, head: str | None) -> tuple[Backbone, Baseline]:
    """The backbone, and the energies of isolated atoms that it has or had."""
    if isinstance(model, Potential):
        require(
            model.charges is None,
            f"augment: expected a potential without charges, got one with {type(model.charges).__name__}; train it"
            " as it is.",
        )
        return deepcopy(model.backbone), model.baseline
    package = type(model).__module__.partition(".")[0]
    if package in PACKAGES:
        model = MACE(model, head) if package == "mace" else NequIP(model)
    if isinstance(model, Pretrained):
        one = head is None or (isinstance(model, MACE) and model.head == head)
        require(one, f"head: expected none, as {type(model).__name__} has one, got {head!r}; drop it.")
        return model, Baseline(model.reference)
    hint = "make a leyden.Potential of it" if isinstance(model, Backbone) else "docs/add_a_backbone.md says how"
    raise InputError(f"augment: expected a model of {' or '.join(PACKAGES)}, got {type(model).__name__}; {hint}.")


def _freeze(backbone: Backbone, what: Freeze) -> None:
    if isinstance(backbone, Pretrained):
        return backbone.freeze(what)
    require(
        what in ("nothing", "backbone"),
        f"freeze: expected 'nothing' or 'backbone' of {type(backbone).__name__}, got {what!r}.",
    )
    backbone.requires_grad_(what == "nothing")
    return None


def _section(charges: str | ChargeSpec | None) -> ChargeSpec | None:
    if not isinstance(charges, str):
        return charges
    if charges in PRESETS:
        return PRESETS[charges].charges
    if charges in KINDS:
        return KINDS[charges]()
    known = dict.fromkeys([*PRESETS, *KINDS])
    raise InputError(f"charges: expected one of {', '.join(known)}, got {charges!r}{nearest(charges, known)}.")
