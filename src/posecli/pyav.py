"""PyAV as posecli uses it: FFmpeg's libraries, with a clear error where they cannot be loaded.

What FFmpeg logs is dropped unless a program that posecli is part of has asked PyAV for it; errors come as exceptions.
Everything that needs videos writes `from posecli.pyav import av`, where it is used: photos do without.
"""

from __future__ import annotations

from posecli.errors import MissingDependencyError

try:
    import av
except ImportError as error:
    raise MissingDependencyError(
        f"PyAV, which reads and writes videos, cannot be loaded ({error}); run: pip install --force-reinstall av"
    ) from error

__all__ = ["av"]
