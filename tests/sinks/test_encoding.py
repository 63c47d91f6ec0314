import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecli.errors import OutputError, UsageError
from posecli.options import CRFS, Codec
from posecli.pyav import av
from posecli.sinks.encoding import VideoWriter, to_yuv
from written_videos import Image, flat, look

BASE = Fraction(1, 90000)  # s
HW = (48, 64)
UNEVEN = list(accumulate([0, 33, 33, 34, 120, 7, 33, 500, 33, 33, 33]))  # ms: as phones record
CODECS = sorted(CRFS)


def grey(number: int, hw: tuple[int, int] = HW) -> Image:
    """Each frame another grey."""
    return flat(20 + 15 * (number % 14), hw)


def encode(path: Path, times_s: list[float], *, codec: Codec = "h264", hw: tuple[int, int] = HW) -> Path:
    with VideoWriter(path, hw, time_base=BASE, codec=codec) as writer:
        for number, time_s in enumerate(times_s):
            writer.write(writer.prepare(grey(number, hw)), time_s)
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_keeps_its_time_and_its_picture(tmp_path: Path, codec: Codec) -> None:
    hw = (72, 96)  # the smallest that all encoders take is about so
    written = look(encode(tmp_path / "a.mp4", [ms / 1000 for ms in UNEVEN], codec=codec, hw=hw))
    assert written.times == pytest.approx([ms / 1000 for ms in UNEVEN], abs=2e-5)
    assert written.length_s == pytest.approx((UNEVEN[-1] + 33) / 1000, abs=2e-5)  # the last lasts as most do
    assert written.whole_s == pytest.approx(written.length_s, abs=1e-3)
    assert written.hw == hw
    for number, image in enumerate(written.images):
        assert np.abs(image.astype(int) - grey(number, hw)).mean() < 6


def test_the_first_frame_is_the_start(tmp_path: Path) -> None:
    written = look(encode(tmp_path / "a.mp4", [10.02, 10.06, 10.10]))
    assert written.times == pytest.approx([0, 0.04, 0.08])
    assert written.whole_s == pytest.approx(0.12)


def test_one_frame_lasts_as_the_rate_says(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE, fps=10) as writer:
        writer.write(writer.prepare(grey(0)), 0)
    assert look(tmp_path / "a.mp4").whole_s == pytest.approx(0.1)
    assert look(encode(tmp_path / "b.mp4", [0.0])).whole_s == pytest.approx(0.04)


@pytest.mark.parametrize("fps", [0.0, 1e-9, 29.97, 1e6, None])
def test_rates_that_cannot_be_are_not_believed(tmp_path: Path, fps: float | None) -> None:
    with VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE, fps=fps) as writer:
        for number in range(3):
            writer.write(writer.prepare(grey(number)), number / 50)
    assert look(tmp_path / "a.mp4").times == pytest.approx([0, 0.02, 0.04])


def test_odd_sides_become_even(tmp_path: Path) -> None:
    assert look(encode(tmp_path / "a.mp4", [0, 0.04], hw=(47, 63))).hw == HW


def test_times_that_do_not_grow_are_moved_on(tmp_path: Path) -> None:
    written = look(encode(tmp_path / "a.mp4", [0.0, 0.04, 0.04, 0.03, 0.08]))
    assert written.times == pytest.approx([0, 0.04, 0.04 + 1 / 90000, 0.04 + 2 / 90000, 0.08])


def test_browsers_can_play_it(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [0, 0.04])
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        assert (context.pix_fmt, context.colorspace, context.color_primaries, context.color_trc) == ("yuv420p", 1, 1, 1)
        assert context.color_range == 1
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_apple_knows_its_hevc(tmp_path: Path) -> None:
    with av.open(str(encode(tmp_path / "a.mp4", [0, 0.04], codec="hevc"))) as file:
        assert file.streams.video[0].codec_tag == "hvc1"


@pytest.mark.parametrize("when", ["prepared", "written"])
def test_a_video_whose_frames_change_their_size(tmp_path: Path, when: str) -> None:
    with VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE) as writer:
        writer.write(writer.prepare(flat(200)), 0)
        other = flat(200, (96, 64))
        writer.write(writer.prepare(other) if when == "prepared" else to_yuv(other), 0.04)
    written = look(tmp_path / "a.mp4")
    assert written.hw == HW
    assert written.images[1][:, 2:14].mean() < 20
    assert written.images[1][:, 20:44].mean() > 190


def test_what_changes_its_size_keeps_its_colours(tmp_path: Path) -> None:
    green = (20, 200, 30)
    with VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE) as writer:
        writer.write(writer.prepare(flat(green)), 0)
        writer.write(to_yuv(flat(green, (96, 128))), 0.04)
    for image in look(tmp_path / "a.mp4").images:
        assert np.abs(image.astype(int) - green).max() <= 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_encoded_is_kept_whatever_ends_the_work(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.mp4"

    def work() -> None:
        with VideoWriter(path, HW, time_base=BASE) as writer:
            for number in range(7):
                writer.write(writer.prepare(grey(number)), number / 25)
            assert not path.exists()
            raise error

    with pytest.raises(error):
        work()
    assert len(look(path).images) == 7
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_in_the_middle_of_a_frame_leaves_the_frames_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packets after one that is lost could not be decoded: none of them is in the file."""
    path, writer = tmp_path / "a.mp4", VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE)

    def interrupt(duration: int) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        for number in range(60):
            if number == 40:
                monkeypatch.setattr(writer, "_release", interrupt)
            writer.write(writer.prepare(grey(number)), number / 25)

    with pytest.raises(KeyboardInterrupt):
        work()
    monkeypatch.undo()
    writer.close()
    written = look(path)
    assert 10 < len(written.images) <= 40
    for time_s, image in zip(written.times, written.images, strict=True):
        assert np.abs(image.astype(int) - grey(round(25 * time_s))).mean() < 6


def test_ctrl_c_between_a_frame_s_encoding_and_its_muxing_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writer = tmp_path / "a.mp4", VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE)
    presses = [KeyboardInterrupt()]

    class Interrupted(deque[Any]):
        """Ctrl-C comes once, while the encoder works: Python heeds it when the call that it is in returns."""

        def extend(self, answers: Iterable[Any]) -> None:
            super().extend(answers)
            if presses:
                raise presses.pop()

    def work() -> None:
        for number in range(60):
            if number == 40:
                monkeypatch.setattr(writer, "_encoded", Interrupted())
            writer.write(writer.prepare(grey(number)), number / 25)

    with pytest.raises(KeyboardInterrupt):
        work()
    writer.close()
    written = look(path)
    assert written.times == pytest.approx([number / 25 for number in range(41)], abs=2e-5)
    for number, image in enumerate(written.images):
        assert np.abs(image.astype(int) - grey(number)).mean() < 6


def test_ctrl_c_while_the_file_is_completed_leaves_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, writer = tmp_path / "a.mp4", VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE)
    for number in range(60):
        writer.write(writer.prepare(grey(number)), number / 25)

    def interrupt() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_lasting", interrupt)
    with pytest.raises(KeyboardInterrupt):
        writer.close()
    assert len(look(path).images) == 59
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fragmented", [False, True])
def test_without_a_frame_there_is_no_file_and_an_older_one_stays(tmp_path: Path, fragmented: bool) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with VideoWriter(path, HW, time_base=BASE, fragmented=fragmented):
        pass
    with VideoWriter(tmp_path / "b.mp4", HW, time_base=BASE, fragmented=fragmented):
        pass
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_ffmpeg_might_take_for_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "new folder/concat:é %d [1].mp4" if sys.platform != "win32" else "new folder/é %d [1].mp4"
    encode(Path(name), [0, 0.04])
    assert len(look(Path(name).absolute()).images) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.mp4", tmp_path / "target.mp4"
    link.symlink_to(target)
    encode(link, [0, 0.04])
    assert link.is_symlink()
    assert len(look(target).images) == 2


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_place_that_cannot_be_written(tmp_path: Path, fragmented: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for path in (tmp_path / "file" / "a.mp4", tmp_path / "folder.mp4"):
        writer = VideoWriter(path, HW, time_base=BASE, fragmented=fragmented)

        def work(writer: VideoWriter = writer) -> None:
            with writer:
                writer.write(writer.prepare(grey(0)), 0)

        with pytest.raises(OutputError, match=rf"{path.name}: cannot be written \(.+\); choose another place"):
            work()
        writer.close()  # nothing is left to be done
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.mp4"]


def test_a_size_that_the_encoder_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a.mp4: libx265 cannot encode 2x2 px; use another --codec"):
        encode(tmp_path / "a.mp4", [0], codec="hevc", hw=(2, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", CODECS)
def test_quality_has_its_range(tmp_path: Path, codec: Codec) -> None:
    best, worst, default = CRFS[codec]
    assert best < default < worst
    sizes = []
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (18, 24, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    for crf in (best, worst):
        with VideoWriter(tmp_path / f"{crf}.mp4", (72, 96), time_base=BASE, codec=codec, crf=crf) as writer:
            for number in range(3):
                writer.write(writer.prepare(np.roll(image, number)), number / 25)
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]
    for crf in (best - 1, worst + 1):
        with pytest.raises(
            UsageError, match=f"--crf must lie between {best} and {worst} for --codec {codec}, got {crf}"
        ):
            VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE, codec=codec, crf=crf)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--crf does not go with --codec gif"):
        VideoWriter(tmp_path / "a.gif", HW, time_base=BASE, codec="gif")
    with pytest.raises(ValueError, match="recordings have none"):
        VideoWriter(tmp_path / "a.mp4", HW, time_base=BASE, fragmented=True, audio=tmp_path / "b.mp4")


FULL_DISK = """
import resource, sys, numpy as np
from fractions import Fraction
from pathlib import Path
from posecli.errors import OutputError
from posecli.sinks.encoding import VideoWriter

rng = np.random.default_rng(0)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
path, fragmented = Path(sys.argv[1]), sys.argv[2] == "True"
writer = VideoWriter(path, (240, 320), time_base=Fraction(1, 1000), fragmented=fragmented)
try:
    with writer:
        for number in range(500):
            writer.write(writer.prepare(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)), number / 25)
except OutputError as error:
    print(error)
writer.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
@pytest.mark.parametrize("fragmented", [False, True])
def test_a_disk_that_is_full(tmp_path: Path, fragmented: bool) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(path), str(fragmented)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: cannot be written (File too large); choose another place\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == [path]
    if fragmented:
        assert 0 < len(look(path).images) < 100
    else:
        assert path.read_bytes() == b"old"


RECORDING = """
import sys, numpy as np
from fractions import Fraction
from pathlib import Path
from posecli.sinks.encoding import VideoWriter

writer = VideoWriter(Path(sys.argv[1]), (48, 64), time_base=Fraction(1, 90000), fps=30, fragmented=True)
for number in range(int(sys.argv[2])):
    writer.write(writer.prepare(np.full((48, 64, 3), 20 + 15 * (number % 14), np.uint8)), 3 + number / 30)
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("count", [100, 33])
def test_a_recording_outlives_its_program_but_for_its_last_second(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.mp4"
    command = [sys.executable, "-c", RECORDING, str(path), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    written = look(path)
    assert count - 32 <= len(written.images) < count
    np.testing.assert_allclose(np.diff(written.times), 1 / 30, atol=2e-5)
    for number, image in enumerate(written.images):
        assert np.abs(image.astype(int) - grey(number)).mean() < 6


def test_a_recording_is_exact_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, HW, time_base=BASE, fps=30, fragmented=True) as writer:
        for number, ms in enumerate(UNEVEN):
            writer.write(writer.prepare(grey(number)), ms / 1000)
            assert list(tmp_path.iterdir()) == [path]
    written = look(path)
    assert written.times == pytest.approx([ms / 1000 for ms in UNEVEN], abs=2e-5)
    assert written.whole_s == pytest.approx((UNEVEN[-1] + 33) / 1000, abs=1e-3)
