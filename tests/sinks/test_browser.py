"""What is written plays where people will play it: a real browser loads it."""

from fractions import Fraction
from pathlib import Path

import pytest

from browser import play
from posecli.sinks.encoding import VideoWriter
from written_videos import beeps, flat, make_source

COLOURS = [
    (200, 40, 30),
    (30, 180, 60),
    (40, 60, 140),
]  # Chromium without a graphics card shows strong blue a little dark


@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
def test_a_browser_plays_it_in_true_colours(tmp_path: Path, chromium: str, codec: str) -> None:
    """Odd sides, frames that come unevenly, and the sound of a source go along."""
    source = make_source(tmp_path / "source.mp4", [flat(1)] * 50, sound=beeps(2, [0.5]))
    path, times_s = tmp_path / "a.mp4", [0.0, 0.5, 1.2]
    with VideoWriter(path, (121, 161), time_base=Fraction(1, 1000), codec=codec, audio=source) as writer:  # type: ignore[arg-type]
        for time_s, colour in zip(times_s, COLOURS, strict=True):
            writer.write(writer.prepare(flat(colour, (121, 161))), time_s)
    expected = [*COLOURS, COLOURS[0], COLOURS[1]]
    played = play(chromium, path, list(zip([0.1, 0.7, 1.5, 0.49, 0.51], expected, strict=True)))
    assert played.error is None
    assert (played.width, played.height) == (162, 122)
    assert played.duration == pytest.approx(1.7, abs=0.05)
    assert played.played > 0
    assert played.sound
    for seen, colour in zip(played.colours, expected, strict=True):
        assert seen == pytest.approx(colour, abs=6)


def test_a_browser_plays_a_recording(tmp_path: Path, chromium: str) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, (120, 160), time_base=Fraction(1, 90000), fps=30, fragmented=True) as writer:
        for number in range(75):
            writer.write(writer.prepare(flat(COLOURS[number // 30], (120, 160))), number / 30)
    path.write_bytes(path.read_bytes()[:-200])  # as if it had been cut off
    played = play(chromium, path, [(0.5, COLOURS[0]), (1.5, COLOURS[1])])
    assert played.error is None
    assert (played.width, played.height) == (160, 120)
    for seen, colour in zip(played.colours, COLOURS[:2], strict=True):
        assert seen == pytest.approx(colour, abs=6)
