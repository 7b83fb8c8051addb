"""Freed memory that stays with the process, for the next step to use.

The allocator of glibc gives large blocks back to the system when they are freed and asks for them again in the next
step, page by page and zeroed. Training and dynamics on CPUs free and ask for the same blocks all the time; where these
are kept (mallopt(3)), they take less time and no more memory than at the peak (benchmarks/results/memory.md).
"""

import ctypes
import platform

MMAP_MAX, TRIM_THRESHOLD, TOP_PAD = -4, -1, -2
"""M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h."""
LARGEST, STEP = 2**31 - 1, 2**28
"""Bytes: what is kept, and what is asked for at a time."""


def keep_freed_memory() -> bool:
    """Tell the allocator of this process; False where it is not that of glibc."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) for option, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, LARGEST), (TOP_PAD, STEP)))
