"""Small videos whose frames tell which they are: frame number i is of the grey level `level(i)` all over."""

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.pyav import av

SIZE = (64, 48)  # width, height, px
TICKS = 1000  # a second, in the times that are given
MOST_FRAMES = 40
# By quarters anticlockwise: pixel (x, y) is shown at (a x + c y, b x + d y), but for a shift.
QUARTERS = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


def level(number: int) -> int:
    """The grey level of a frame: so far from the next that no codec takes one for the other."""
    return 20 + 5 * number


def number_of(image: NDArray[np.uint8]) -> int:
    """Which frame an image is."""
    return round((float(image.mean()) - 20) / 5)


def every_40_ms(count: int) -> list[int]:
    """The times, in ms, of so many frames at 25 fps."""
    return [40 * number for number in range(count)]


def write_video(
    path: Path,
    ms: Sequence[int],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    key_every: int = 12,
    turned: int = 0,  # MP4 only: quarters anticlockwise by which players are to turn it
    aspect: Fraction | None = None,  # width by height of a pixel
    audio: bool = False,
    container: Mapping[str, str] | None = None,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
) -> Path:
    """Write frames that are shown at these times, in ms; `pictures`, (H, W, 3), in place of the levels."""
    assert pictures is not None or len(ms) <= MOST_FRAMES
    with av.open(str(path), "w", options=dict(container or {})) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
        stream.codec_context.gop_size = key_every
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        stream.codec_context.time_base = Fraction(1, TICKS)
        if codec == "libx264":
            stream.options = {"crf": "5", "bf": "2", "threads": "1", "x264-params": "scenecut=0"}
        sound = output.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number, time_ms in enumerate(ms):
            picture = np.full((size[1], size[0], 3), level(number), np.uint8) if pictures is None else pictures[number]
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, TICKS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            write_silence(output, sound)
    if turned:
        data = path.read_bytes()
        at = data.index(b"tkhd") + 44  # of nine numbers: a, b, u, c, d, v, x, y, w
        a, b, c, d = QUARTERS[turned % 4]
        path.write_bytes(data[:at] + struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16) + data[at + 20 :])
    return path


def write_silence(output: Any, stream: Any, seconds: float = 0.5) -> None:
    """Fill an audio stream of an open container."""
    for start in range(0, int(8000 * seconds), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as output:
        write_silence(output, output.add_stream("aac", rate=8000, layout="mono"))
    return path
