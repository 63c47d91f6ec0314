"""The webcam as a whole: a camera too fast for whoever takes its pictures, and a stream that is cut and comes back."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live_parts import Clock, FakeCamera, FakeScreen, picture
from posecli.cli import watching
from posecli.cli.watching import Request, watch
from posecli.draw import DrawStyle
from posecli.estimate import Estimator
from posecli.options import FollowOptions, resolve_options
from posecli.pyav import av
from posecli.sinks.structured import JsonLinesSink
from posecli.sources.devices import Device, Wait
from posecli.sources.live import LiveSource
from video_files import every_40_ms, write_video
from video_trials import PEOPLE_HW, WAIT_S, json_lines, panned, people, running

CAMERA_S = 0.01  # between two pictures
MISSED = 5  # pictures that come while one is worked on
WORK_S = (MISSED + 0.5) * CAMERA_S
FRAMES = 6  # that are worked on
HW = (240, 320)
PACE_S = 0.02  # between two pieces of a stream
PIECE = 188 * 20  # bytes, of MPEG-TS


@pytest.mark.parametrize("where", ["the network", "the file"])
def test_a_slow_consumer_of_a_fast_camera_is_never_behind(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one of them works on a frame, several more come: only the newest counts."""
    clock, camera = Clock(), FakeCamera(picture(0, HW))
    numbers, came_s = count(1), {0: clock.now}
    late_s: list[float] = []  # how old each picture is once it is on the screen

    class Watched(FakeScreen):
        def show(self, image: NDArray[np.uint8]) -> None:
            super().show(image)
            late_s.append(clock.now - came_s[int(np.median(image))])  # little is written on it

    screen = Watched([*[None] * (FRAMES - 1), "q"])

    def taking_long(work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*given: Any) -> Any:
            for number in islice(numbers, MISSED):
                clock.now += CAMERA_S
                came_s[number] = clock.now
                camera.give(picture(number, HW))
            clock.now += CAMERA_S / 2
            return work(*given)

        return lambda *given: working(*given) if len(screen.images) < FRAMES else work(*given)

    def open_device(wait: Wait) -> Device:
        return camera

    kind, name = (Estimator, "infer") if where == "the network" else (JsonLinesSink, "write")
    monkeypatch.setattr(kind, name, taking_long(getattr(kind, name)))
    monkeypatch.setattr(watching, "preview", lambda source, screen, load, **_: (load(), ()))  # it takes pictures, too
    watch(
        Request(poses=str(tmp_path / "poses.jsonl")),
        DrawStyle(),
        resolve_options(quality="fast", size=161, backend="torch"),
        FollowOptions(),
        fetch=False,
        quiet=True,
        source=LiveSource(open_device, "camera-0", 0, clock=clock),
        screen=screen,
    )
    camera.let_go()
    assert [line["index"] for line in json_lines(tmp_path / "poses.jsonl")] == [MISSED * n for n in range(FRAMES)]
    assert len(late_s) == FRAMES
    assert max(late_s) < WORK_S + CAMERA_S


class Station:
    """A stream on loopback, over and over the same, until the line is cut; whoever then comes first is refused."""

    def __init__(self, data: bytes) -> None:
        station = self
        self.connections = 0
        self.has_refused = False
        self.cut = Event()
        self.is_over = Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                station.connections += 1
                is_cut = station.cut.is_set()
                if is_cut and not station.has_refused:
                    station.has_refused = True
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()  # without a length, as live streams are
                end = station.is_over if is_cut else station.cut
                for at in cycle(range(0, len(data), PIECE)):
                    if end.wait(PACE_S):
                        return
                    self.wfile.write(data[at : at + PIECE])

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Whoever was listening has gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/live"

    def close(self) -> None:
        self.cut.set()
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def station(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """Two people, on the air."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    path = tmp_path / "people.ts"
    pictures = panned(people(examples), 40)
    write_video(path, every_40_ms(40), size=PEOPLE_HW[::-1], pictures=pictures)
    station = Station(path.read_bytes())
    yield station
    station.close()


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_stream_that_is_cut_and_comes_back(station: Station, tmp_path: Path) -> None:
    words = ("--headless", "--poses", "-", "--record", "take.mp4", "--size", 193, "--backend", "torch", "--threads", 1)
    lines: list[dict[str, Any]] = []
    with running("webcam", "--source", station.address, *words, folder=tmp_path) as run:
        stdout = run.process.stdout
        assert stdout is not None
        reader = Thread(target=lambda: lines.extend(json.loads(line) for line in stdout))
        reader.start()
        run.wait_until(lambda: len(lines) > 5)
        returns = run.talk.count("live is back")  # a busy machine may have lost it before
        station.cut.set()
        run.wait_until(lambda: station.has_refused and run.talk.count("live is back") > returns)
        before = len(lines)
        run.wait_until(lambda: len(lines) > before + 5)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(WAIT_S) == 143, run.talk
        reader.join(WAIT_S)

    assert f"{station.address}: has broken off" in run.talk
    assert "trying again every 0.5 s" in run.talk
    assert "Traceback" not in run.talk
    assert station.has_refused
    assert station.connections >= 3
    assert {(line["name"], line["height"], line["width"]) for line in lines} == {("live", *PEOPLE_HW)}
    assert all(line["poses"] for line in (*lines[3:6], *lines[-3:]))
    times = [line["time_s"] for line in lines]
    assert times == sorted(set(times))
    assert [line["index"] for line in lines] == sorted({line["index"] for line in lines})

    recorded = json_lines(tmp_path / "take.jsonl")
    assert len(recorded) >= len(lines) - 1
    with av.open(str(tmp_path / "take.mp4")) as video:
        shown = [float(frame.time) for frame in video.decode(video=0)]
    both = min(len(shown), len(recorded))
    assert max(len(shown), len(recorded)) <= both + 1  # the signal may have come between the two files
    assert shown[:both] == pytest.approx([line["time_s"] for line in recorded[:both]], abs=0.002)
    assert max(np.diff(shown)) > 1.0  # the pause is in it
