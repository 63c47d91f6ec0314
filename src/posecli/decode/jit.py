"""`kernel`: the decorator of every numba function here.

A kernel calls no kernel of another module: numba's cache on disk notices a change in the caller's own file only, so it
would go on running the old callee. (Nor does it notice a change in this file: clear the caches after one.)
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Runs without the GIL. Calls are inlined: otherwise each passes every array as a dozen words. No checks for division by
# zero: what is divided by is never 0.
SETTINGS: dict[str, Any] = {"nogil": True, "forceinline": True, "error_model": "numpy"}


def kernel(function: F) -> F:
    """Compile at the first call, and keep the machine code on disk where a place can be written.

    Where none can be (read-only site-packages, no home, a full disk, a damaged cache file) the kernel is compiled anew
    in each process: slower to start, never an error.
    """
    dispatcher: Any
    try:
        dispatcher = numba.njit(cache=True, **SETTINGS)(function)
    except (RuntimeError, OSError):  # numba: "no locator available"
        dispatcher = numba.njit(**SETTINGS)(function)
    else:
        # numba lets an error of reading or writing the cache end the first call, although the code compiled.
        cache = getattr(dispatcher, "_cache", None)  # absent under NUMBA_DISABLE_JIT
        if cache is not None:
            cache.load_overload = _tolerant(cache.load_overload)
            cache.save_overload = _tolerant(cache.save_overload)
    return cast(F, dispatcher)


def _tolerant(access: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a failed access to the cache into a miss, which is what None means to numba."""

    def attempt(*args: Any) -> Any:
        try:
            return access(*args)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    return attempt
