"""A trained short-range model with charges beside it: augment("NAME.model", charges="les").

E = E_model + U(p; h) + 1/2 <p|V|p>, with h the features of the model. What the model learned contains already the
Coulomb energies of what is within its cutoff, so charges start from next to nothing (charges/quiet.py): the sum is
right before training, which then decides how the energy is shared.
"""

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

    model: of mace-torch or nequip, or the path of a file of one (a pickle, which is executed: trust its origin).
    charges: a preset ("les", "qeq", ...), a kind ("local", "equilibration", ...), a section of leyden.spec, or None.
    freeze: what training leaves as it is, "nothing", "features" or "backbone". start: "quiet" or "usual" charges. head:
    of a model with several, the one whose energies are wanted.

    Raises InputError for a model, file or name that is not known.
    """
    require(start in ("quiet", "usual"), f"start: expected 'quiet' or 'usual', got {start!r}.")
    backbone = _read(Path(model), head) if isinstance(model, str | Path) else _wrapped(model, head)
    backbone.freeze(freeze)
    section = _section(charges)
    added = None if section is None else section.make(backbone.channels, backbone.elements)
    if added is not None and start == "quiet":
        quieten(added)
    dtype = next(iter(backbone.pretrained())).dtype
    return Potential(backbone, added, coulomb, Baseline(backbone.reference)).to(dtype)


def _read(path: Path, head: str | None) -> Pretrained:
    section = FILES.get(path.suffix)
    if section is None:
        raise InputError(
            f"{path}: expected a file that ends in {' or '.join(FILES)}, got {path.suffix or 'no suffix'!r}; rename it,"
            " or load the model and give that."
        )
    require(
        head is None or section is MACESpec,
        f"head: expected none, as {path} is of a model with one, got {head!r}; drop it.",
    )
    return section.model_validate({"source": path, **({"head": head} if head else {})}).make((), 1.0)


def _wrapped(model: nn.Module, head: str | None) -> Pretrained:
    if isinstance(model, Pretrained):
        return model
    package = type(model).__module__.partition(".")[0]
    if package not in PACKAGES:
        hint = "make a leyden.Potential of it" if isinstance(model, Backbone) else "docs/add_a_backbone.md says how"
        raise InputError(f"augment: expected a model of {' or '.join(PACKAGES)}, got {type(model).__name__}; {hint}.")
    return MACE(model, head) if package == "mace" else NequIP(model)


def _section(charges: str | ChargeSpec | None) -> ChargeSpec | None:
    if not isinstance(charges, str):
        return charges
    if charges in PRESETS:
        return PRESETS[charges].charges
    if charges in KINDS:
        return KINDS[charges]()
    known = [*PRESETS, *KINDS]
    raise InputError(f"charges: expected one of {', '.join(known)}, got {charges!r}{nearest(charges, known)}.")
