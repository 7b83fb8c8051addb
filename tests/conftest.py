"""What all tests share: one thread, Ctrl-C, and a small random potential."""

import signal
from collections.abc import Iterator

import pytest
import torch

from leyden.charges import Local
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.testing.assembly import assembled

torch.set_num_threads(1)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as on a terminal, also where tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def potential() -> Potential:
    """Latent charges and dipoles on H, C and O, in float64."""
    return assembled(lambda channels, elements: Local(channels, elements, GaussianBasis(0.6, 1), hidden=4))


@pytest.fixture
def short_range() -> Potential:
    """The same without charges."""
    return assembled(lambda channels, elements: None)
