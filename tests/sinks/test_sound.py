import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecli.errors import PosecliWarning
from posecli.pyav import av
from posecli.sinks import sound
from posecli.sinks.encoding import VideoWriter
from written_videos import RATE, beeps, flat, hear, look, make_source, onsets

SECONDS = 3.0
BEEPS = [0.5, 1.5, 2.5]  # s
FPS = 25
COPIES = [("mp4", "aac"), ("mp4", "libmp3lame"), ("mp4", "libopus"), ("mkv", "flac"), ("ts", "aac")]
OTHERS = [("mov", "pcm_s16le"), ("asf", "wmav2"), ("mkv", "mp2"), ("mp4", "alac"), ("mkv", "ac3"), ("mp4", "eac3")]


def source(folder: Path, container: str = "mp4", codec: str = "aac", sound_s: float = SECONDS) -> Path:
    images = [flat(100)] * round(SECONDS * FPS)
    path = folder / f"source.{container}"
    return make_source(path, images, FPS, sound=beeps(sound_s, BEEPS), sound_codec=codec)


def with_sound_of(path: Path, start_s: float = 0.0, end_s: float = SECONDS) -> Path:
    """A video that shows from `start_s` to `end_s` of its source."""
    out = path.with_name("out.mp4")
    stream = av.open(str(path)).streams.video[0]
    with VideoWriter(out, (48, 64), time_base=stream.time_base, fps=FPS, audio=path) as writer:
        for number in range(round(start_s * FPS), round(end_s * FPS)):
            writer.write(writer.prepare(flat(100)), number / FPS)
    return out


@pytest.mark.parametrize(("container", "codec"), [*COPIES, *OTHERS])
def test_sound_stays_in_time(tmp_path: Path, container: str, codec: str) -> None:
    path = source(tmp_path, container, codec)
    out = with_sound_of(path)
    written = look(out)
    original = look(path).sound
    assert written.sound == (original if (container, codec) in COPIES else "aac")
    assert onsets(*hear(out)) == pytest.approx(onsets(*hear(path)), abs=0.002)
    assert onsets(*hear(out)) == pytest.approx(BEEPS, abs=0.05)  # some codecs delay it themselves
    assert written.times == pytest.approx([number / FPS for number in range(round(SECONDS * FPS))], abs=1e-3)
    assert abs(written.whole_s - SECONDS) <= 1 / FPS


def test_what_lacks_its_header_is_not_copied(tmp_path: Path) -> None:
    path = source(tmp_path, "mkv", "libopus")
    data = path.read_bytes()
    assert data.count(b"\x63\xa2\x93OpusHead") == 1  # 19 bytes of Matroska's CodecPrivate, which become a void
    path.write_bytes(data.replace(b"\x63\xa2\x93OpusHead", b"\xec\x94\0OpusHead"))
    out = with_sound_of(path)
    assert look(out).sound == "aac"
    assert onsets(*hear(out)) == pytest.approx(BEEPS, abs=0.05)


def test_what_is_copied_is_not_encoded_anew(tmp_path: Path) -> None:
    path = source(tmp_path)
    start, samples = hear(path)
    copied_start, copied = hear(with_sound_of(path))
    assert copied_start == pytest.approx(start, abs=1e-4)
    np.testing.assert_array_equal(copied, samples[: len(copied)])
    assert len(copied) > 0.98 * len(samples)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("ts", "aac"), ("mkv", "mp2"), ("mov", "pcm_s16le")])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1.0), (1.2, 2.0), (1.2, 3.0)])
def test_a_part_has_the_sound_of_that_part(
    tmp_path: Path, container: str, codec: str, start_s: float, end_s: float
) -> None:
    out = with_sound_of(source(tmp_path, container, codec), start_s, end_s)
    expected = [time - start_s for time in BEEPS if start_s <= time < end_s]
    assert onsets(*hear(out)) == pytest.approx(expected, abs=1 / FPS)
    written = look(out)
    assert written.times[0] == 0
    assert abs(written.whole_s - (end_s - start_s)) <= 1 / FPS


def test_sound_that_ends_early_or_late(tmp_path: Path) -> None:
    short = with_sound_of(source(tmp_path, sound_s=1.0))
    assert len(hear(short)[1]) / RATE == pytest.approx(1.0, abs=0.1)
    assert look(short).whole_s == pytest.approx(SECONDS)
    long = with_sound_of(source(tmp_path, sound_s=6.0))
    assert abs(look(long).whole_s - SECONDS) <= 1 / FPS


def test_the_last_packet_of_sound_does_not_outlast_the_last_frame_by_more_than_a_frame(tmp_path: Path) -> None:
    path, out = source(tmp_path), tmp_path / "out.mp4"
    with VideoWriter(out, (48, 64), time_base=Fraction(1, 1000), audio=path) as writer:
        for number in range(101):  # 10 ms each, where packets of sound have 21
            writer.write(writer.prepare(flat(100)), number / 100)
    assert look(out).whole_s <= 1.02
    assert len(hear(out)[1]) / RATE > 0.98


def test_sound_is_interleaved_as_the_video_comes(tmp_path: Path) -> None:
    """Neither waits in memory for the other: in the file, what belongs together is together."""
    with av.open(str(with_sound_of(source(tmp_path)))) as file:
        times = [(packet.stream.type, float(packet.dts * packet.time_base)) for packet in file.demux() if packet.size]
    latest = {"audio": 0.0, "video": 0.0}
    for kind, time in times:
        latest[kind] = time
        if min(latest.values()) > 0:
            assert abs(latest["audio"] - latest["video"]) < 1.1
    assert min(latest.values()) > 2


def silent(path: Path, match: str, start_s: float = 0.0) -> None:
    """Writing with the sound of `path` gives a video that has none, and a warning."""
    out = path.with_name("out.mp4")
    with VideoWriter(out, (48, 64), time_base=Fraction(1, 1000), audio=path) as writer:
        with pytest.warns(PosecliWarning, match=rf"out.mp4: without sound, as {match}"):
            writer.write(writer.prepare(flat(100)), start_s)
        writer.write(writer.prepare(flat(100)), start_s + 0.04)
    written = look(out)
    assert len(written.images) == 2
    assert written.sound is None


def spoil(path: Path, share: float, rng: np.random.Generator) -> int:
    """Overwrite the first packets of the sound, after its very first; says how many."""
    with av.open(str(path)) as file:
        places = [(packet.pos, packet.size) for packet in file.demux(audio=0) if packet.pos is not None and packet.size]
    places = places[: math.ceil(share * len(places))]
    with path.open("r+b") as file:
        for position, size in places:
            file.seek(position)
            file.write(rng.bytes(size))
    return len(places)


def test_sound_that_is_damaged_throughout(tmp_path: Path, rng: np.random.Generator) -> None:
    path = source(tmp_path)
    spoil(path, 1.0, rng)
    silent(path, "that of .*source.mp4 is damaged")


def test_sound_that_is_damaged_in_part(tmp_path: Path, rng: np.random.Generator) -> None:
    path = source(tmp_path)
    spoil(path, 0.3, rng)
    with pytest.warns(PosecliWarning, match=r"source.mp4: parts of its sound are damaged; the video is silent there"):
        out = with_sound_of(path)
    start, samples = hear(out)  # all that is left can be decoded
    assert onsets(start, samples)[-1] == pytest.approx(BEEPS[-1], abs=0.04)


def test_sound_that_cannot_be_had(tmp_path: Path) -> None:
    path = source(tmp_path)
    silent(path, r"that of .*source.mp4 ends before", start_s=10.0)
    path.unlink()
    silent(path, "its source cannot be opened once more: ")
    make_source(path, [flat(1)] * 3)
    silent(path, ".*source.mp4 has none of a known kind")


def test_sound_that_mp4_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path, "asf", "wmav2")
    monkeypatch.setattr(sound, "COPIED", {"wmav2"})
    silent(path, r"that of .*source.* cannot be written as MP4")


def test_a_header_that_fails_for_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path, "mkv", "mp2")
    real = sound.Sound.add_to

    def without_rate(self: sound.Sound, output: Any) -> None:
        real(self, output)
        raise av.error.InvalidDataError(22, "Invalid argument")

    monkeypatch.setattr(sound.Sound, "add_to", without_rate)
    silent(path, r"that of .*source.* cannot be written as MP4")


def test_sound_that_changes_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows cannot be encoded with what came before."""
    real = sound.Sound._moved

    def resampled(self: sound.Sound, frame: Any) -> bool:
        if frame.pts > RATE:
            frame.sample_rate = 22050
        return real(self, frame)

    monkeypatch.setattr(sound.Sound, "_moved", resampled)
    with pytest.warns(PosecliWarning, match="parts of its sound are damaged"):
        out = with_sound_of(source(tmp_path, "mov", "pcm_s16le"))
    assert onsets(*hear(out)) == pytest.approx(BEEPS[:1], abs=0.04)
    assert len(look(out).images) == SECONDS * FPS


def test_times_that_go_back_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sound.Sound._copy

    def twice(self: sound.Sound, output: Any, piece: Any) -> None:
        real(self, output, piece)
        self._shift_s, before = 0.0, self._shift_s
        real(self, output, piece)
        self._shift_s = before

    monkeypatch.setattr(sound.Sound, "_copy", twice)
    with pytest.warns(PosecliWarning, match="parts of its sound are damaged"):
        out = with_sound_of(source(tmp_path))
    assert onsets(*hear(out)) == pytest.approx(BEEPS, abs=0.04)


def test_a_source_that_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sound.Sound._read

    def broken(self: sound.Sound, packets: Iterator[Any]) -> Iterator[Any]:
        def some() -> Iterator[Any]:
            yield from islice(packets, 40)
            raise OSError(5, "Input/output error")

        return real(self, some())

    monkeypatch.setattr(sound.Sound, "_read", broken)
    with pytest.warns(PosecliWarning, match="parts of its sound are damaged"):
        out = with_sound_of(source(tmp_path))
    assert onsets(*hear(out)) == pytest.approx(BEEPS[:1], abs=0.04)
    assert len(look(out).images) == SECONDS * FPS


def test_a_source_that_cannot_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: sound.Sound, packets: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sound.Sound, "_read", refuse)
    silent(source(tmp_path), r"that of .*source.mp4 is damaged \(.*Input/output error\)")


class Refusing:
    """A file that takes no packets."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def mux(self, packets: object) -> None:
        raise self.error


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mov", "pcm_s16le")])
def test_packets_that_mp4_refuses_are_left_out_but_a_full_disk_is_told(
    tmp_path: Path, container: str, codec: str
) -> None:
    path = source(tmp_path, container, codec)
    with av.open(str(tmp_path / "out.mp4"), "w") as output:
        heard = sound.Sound(path, 0.0)
        heard.add_to(output)
        heard.advance(Refusing(av.error.InvalidDataError(22, "Invalid argument")), 1.0)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="No space left"):
            heard.advance(Refusing(OSError(28, "No space left on device")), 2.0)  # type: ignore[arg-type]
        with pytest.warns(PosecliWarning, match="parts of its sound are damaged"):
            heard.finish(Refusing(av.error.InvalidDataError(22, "Invalid argument")))  # type: ignore[arg-type]
        heard.close()
