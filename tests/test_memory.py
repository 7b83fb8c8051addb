import ctypes
import mmap
import platform
import resource

import pytest

from leyden.memory import keep_freed_memory

BLOCKS, SIZE = 40, 2**25


def faults_of_blocks() -> int:
    """Page faults of blocks that are used and freed one after the other."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(BLOCKS):
        block = libc.malloc(SIZE)
        ctypes.memset(block, 1, SIZE)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_pages_come_once():
    assert keep_freed_memory()
    faults_of_blocks()
    assert faults_of_blocks() < SIZE / mmap.PAGESIZE


def test_another_allocator_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", ""))
    assert not keep_freed_memory()
