"""Which of FFmpeg's encoders makes a video, and what it is told. FFmpeg's builds differ in those that they have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from posecli.errors import UsageError
from posecli.options import Codec
from posecli.pyav import av

os.environ.setdefault("SVT_LOG", "1")  # only errors: it would tell stderr how it was built; read when it starts


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders, and what it is told."""

    name: str
    options: Mapping[str, str]
    quality: tuple[str, ...] = ("crf",)  # the options that take the crf
    live: Mapping[str, str] = field(default_factory=dict)  # besides, for recordings: frames leave at once
    tag: str | None = None  # that MP4 knows it by, where players insist on another than FFmpeg's
    finest_tick: int = 2**31 - 1  # a second has no more of them


# Presets that keep up with the network on two cores. x265 and SVT-AV1 are told not to write to stderr.
ENCODERS: Mapping[Codec, Encoder] = {
    "h264": Encoder("libx264", {"preset": "veryfast", "bf": "0"}, live={"preset": "ultrafast", "tune": "zerolatency"}),
    "hevc": Encoder(
        "libx265",
        {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"},
        live={"tune": "zerolatency"},
        tag="hvc1",  # Apple's players take no other
    ),
    "av1": Encoder("libsvtav1", {"preset": "9"}),
    "vp9": Encoder("libvpx-vp9", {"deadline": "realtime", "cpu-used": "7", "row-mt": "1"}),
    "mpeg4": Encoder("mpeg4", {}, quality=("qmin", "qmax"), finest_tick=2**16 - 1),
}


def check_codec(codec: Codec) -> None:
    """Raise UsageError for a codec that this build of PyAV lacks."""
    if _is_there(codec):
        return
    there = [name for name in (*ENCODERS, "gif") if _is_there(name)]
    raise UsageError(f"--codec {codec} is not in this build of PyAV; it has {', '.join(there)}")


def _is_there(codec: Codec) -> bool:
    name = ENCODERS[codec].name if codec in ENCODERS else codec
    try:
        av.Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError is one
        return False
    return True


def coarsened(time_base: Fraction, finest_tick: int) -> Fraction:
    """A time base whose tick the codec can write, as near as may be."""
    if time_base.denominator <= finest_tick:
        return time_base
    return Fraction(1, time_base.denominator // -(-time_base.denominator // finest_tick))
