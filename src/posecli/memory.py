"""How the C library hands out memory: pages that were freed are kept for the next image.

glibc gives megabytes that are freed back to the system, and each page of what is asked for next has to be had anew,
zeroed. PyTorch asks for such blocks for each layer, OpenCV for each picture: that takes a fifth of the network's time.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of mallopt(3)
LARGEST_KEPT = 32 << 20  # bytes of one block; glibc allows no more
MOST_KEPT = 256 << 20  # bytes that stay unused at the end of a heap
CHOSEN_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, and say whether it does: elsewhere than on glibc, nothing changes.

    Nor does it where the user has told glibc otherwise through the environment. The command line calls it; a program
    that uses posecli decides for itself, as it is a setting of the whole process.
    """
    if sys.platform != "linux" or any(name in os.environ for name in CHOSEN_BY_USER):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):  # musl, say
        return False
    return bool(library.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and library.mallopt(M_TRIM_THRESHOLD, MOST_KEPT))
