"""Recordings: whole whatever happens, video and poses together."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live_parts import picture
from posecli.errors import OutputError
from posecli.live.recording import Recorder, free_path
from posecli.poses import Poses
from posecli.sinks import encoding
from posecli.sources import Frame


def poses(people: int = 1) -> Poses:
    shape = (people, 17)
    return Poses(np.full((*shape, 2), 9, np.float32), np.ones(shape, np.float32), np.ones(people, np.float32))


def frame(number: int, hw: tuple[int, int] = (48, 64), start_s: float = 5.0) -> Frame:
    return Frame(picture(10 * (number % 20), hw), 100 + 3 * number, start_s + number / 10, "camera-0")


def recorder(errors: list[OutputError] | None = None) -> Recorder:
    return Recorder(lambda frame, poses: frame.image, 0.2, (errors if errors is not None else []).append)


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(each.time) for each in container.decode(video=0)]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]


def test_video_and_poses_begin_at_0_and_go_together(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.mp4"
    with recorder() as sink:
        sink.write(frame(0), poses())  # before it is on
        sink.start(path)
        assert sink.is_on
        for number in range(1, 9):
            sink.write(frame(number), poses(number % 3))
        assert sink.seconds == pytest.approx(0.7)
        sink.stop()
        assert not sink.is_on
        assert sink.seconds == 0.0
        sink.write(frame(9), poses())
    expected = [number / 10 for number in range(8)]
    assert times_of(path) == pytest.approx(expected, abs=1e-3)
    lines = lines_of(path)
    assert [line["time_s"] for line in lines] == pytest.approx(expected)
    assert [line["index"] for line in lines] == list(range(8))
    assert [len(line["poses"]) for line in lines] == [number % 3 for number in range(1, 9)]


def interrupted(path: Path) -> None:
    with recorder() as sink:
        sink.start(path)
        for number in range(5):
            sink.write(frame(number), poses())
        raise KeyboardInterrupt


def test_leaving_completes_what_is_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a.mp4")
    assert len(times_of(tmp_path / "a.mp4")) == len(lines_of(tmp_path / "a.mp4")) == 5


def test_several_recordings(tmp_path: Path) -> None:
    with recorder() as sink:
        for name in ("a.mp4", "b.mp4"):
            sink.start(tmp_path / name)
            sink.write(frame(1), poses())
            sink.write(frame(2), poses())
    assert len(times_of(tmp_path / "a.mp4")) == len(times_of(tmp_path / "b.mp4")) == 2


def test_pictures_of_another_size_go_on_in_a_new_recording(tmp_path: Path) -> None:
    with recorder() as sink:
        sink.start(tmp_path / "a.mp4")
        for number in range(3):
            sink.write(frame(number), poses())
        for number in range(3, 5):
            sink.write(frame(number, (96, 128)), poses())
        assert sink.is_on
    assert len(times_of(tmp_path / "a.mp4")) == 3
    assert times_of(tmp_path / "a-2.mp4") == pytest.approx([0.0, 0.1], abs=1e-3)
    assert [line["index"] for line in lines_of(tmp_path / "a-2.mp4")] == [0, 1]


def test_pauses_are_left_out(tmp_path: Path) -> None:
    with recorder() as sink:
        sink.leave_out(1.0, 2.0)  # before there is a recording
        sink.start(tmp_path / "a.mp4")
        for number in range(3):
            sink.write(frame(number), poses())
        sink.leave_out(5.35, 3605.0)
        sink.write(frame(3), poses())  # was held all the time
        for number in range(1, 3):
            sink.write(frame(number, start_s=3605.0), poses())
        sink.leave_out(3605.3, 3606.0)
        sink.leave_out(3606.1, 7205.0)  # both before the next frame, which came before the second was over
        sink.write(frame(0, start_s=7204.0), poses())
        assert sink.seconds == pytest.approx(0.75)
        sink.write(frame(1, start_s=7205.1), poses())  # what is left of the pause takes no time either
        assert sink.seconds == pytest.approx(0.95)
    expected = [0.0, 0.1, 0.2, 0.3, 0.45, 0.55, 0.75, 0.95]
    assert times_of(tmp_path / "a.mp4") == pytest.approx(expected, abs=1e-3)
    assert [line["time_s"] for line in lines_of(tmp_path / "a.mp4")] == pytest.approx(expected)
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["a.mp4"]


def test_a_camera_that_was_away_for_long_goes_on_in_a_new_recording(tmp_path: Path) -> None:
    day = 10 * 86_400
    with recorder() as sink:
        sink.start(tmp_path / "a.mp4")
        for number in (0, 1, 50, day, day + 1):  # 5 s are a gap like any other
            sink.write(frame(number), poses())
    assert times_of(tmp_path / "a.mp4") == pytest.approx([0.0, 0.1, 5.0], abs=1e-3)
    assert times_of(tmp_path / "a-2.mp4") == pytest.approx([0.0, 0.1], abs=1e-3)
    assert [len(lines_of(tmp_path / name)) for name in ("a.mp4", "a-2.mp4")] == [3, 2]


def test_a_recording_that_cannot_begin(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    errors: list[OutputError] = []
    with recorder(errors) as sink:
        sink.start(tmp_path / "file" / "a.mp4")
        sink.write(frame(0), poses())
        assert not sink.is_on
        sink.write(frame(1), poses())
    assert len(errors) == 1
    assert "cannot be written" in str(errors[0])


def test_a_disk_that_fills_up_leaves_what_there_is_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = encoding.VideoWriter

    class Filling(real):  # type: ignore[misc, valid-type]
        written = 0

        def write(self, *given: Any) -> None:
            self.written += 1
            if self.written > 3:
                raise OutputError("disk full")
            super().write(*given)

        def __exit__(self, *given: Any) -> None:
            super().__exit__(*given)
            if self.written > 3:
                raise OutputError("still full")

    monkeypatch.setattr(encoding, "VideoWriter", Filling)
    errors: list[OutputError] = []
    with recorder(errors) as sink:
        sink.start(tmp_path / "a.mp4")
        for number in range(6):
            sink.write(frame(number), poses())
        assert not sink.is_on
    assert [str(error) for error in errors] == ["disk full"]
    assert len(times_of(tmp_path / "a.mp4")) == len(lines_of(tmp_path / "a.mp4")) == 3


def test_an_error_that_must_end_the_run_does(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    def refuse(error: OutputError) -> None:
        raise error

    sink = Recorder(lambda frame, poses: frame.image, 0.2, refuse)
    sink.start(tmp_path / "file" / "a.mp4")
    with pytest.raises(OutputError):
        sink.write(frame(0), poses())
    assert not sink.is_on


def test_free_names(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    assert free_path(path) == path
    path.touch()
    assert free_path(path) == tmp_path / "a-2.mp4"
    (tmp_path / "a-2.jsonl").touch()
    assert free_path(path) == tmp_path / "a-3.mp4"
