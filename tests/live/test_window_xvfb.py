"""`posecli webcam` in a real window, on an X server without a screen: keys pressed, the screen looked at."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from posecli.draw import PALETTE
from posecli.opencv import cv2

NEEDED = ("Xvfb", "xdotool", "import")
WAIT_S, STEP_S = 180.0, 0.1  # on a machine that does much else
BLACK_S = 15.0
VIDEO_S, FPS = 1200, 5
SCREEN_HW = (800, 1360)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is for Linux")


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        words = f"{', '.join(missing)} missing; Debian has them in xvfb, xdotool and imagemagick"
        if os.environ.get("CI"):
            pytest.fail(f"required in CI: {words}")
        pytest.skip(words)


@pytest.fixture
def display() -> Iterator[str]:
    """An X server of the test's own, which chooses a free number."""
    reading, writing = os.pipe()
    height, width = SCREEN_HW
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as numbers:
        yield f":{numbers.readline().strip()}"
    server.terminate()
    server.wait(WAIT_S)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """Two people from an example photo, moving a little, for longer than any test takes."""
    photo = cv2.imread(str(examples / "two-pioneers.jpg"))
    height, width = photo.shape[:2]
    scale = max(1280 / width, 720 / height)
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:720, :1280]
    moved = [np.ascontiguousarray(np.roll(photo, 4 * min(step, 20 - step), axis=1)) for step in range(20)]
    path = tmp_path_factory.mktemp("video") / "people.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.bit_rate = 1_000_000
        packets = [p for image in moved for p in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24"))]
        packets += stream.encode()
        base, frame = packets[0].time_base, packets[1].pts - packets[0].pts
        for number in range(VIDEO_S * FPS):  # the same again and again, from its key frame: encoding takes longer
            packet = packets[number % len(packets)]
            packet.pts, packet.dts, packet.time_base = number * frame, number * frame, base
            container.mux(packet)
    return path


class Desk:
    """Whoever sits before the screen."""

    def __init__(self, display: str, folder: Path) -> None:
        self.environment = {**os.environ, "DISPLAY": display}
        self.folder = folder
        self.log = folder / "stderr.txt"

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "posecli", "webcam", *arguments],
                cwd=self.folder,
                env=self.environment,
                stderr=log,
                stdout=subprocess.DEVNULL,
            )

    def press(self, key: str) -> None:
        subprocess.run(["xdotool", "key", key], env=self.environment, check=True, capture_output=True)

    def look(self) -> NDArray[np.uint8]:
        """The screen, (H, W, 3) RGB."""
        command = ["import", "-silent", "-window", "root", "png:-"]
        data = subprocess.run(command, env=self.environment, check=True, capture_output=True).stdout
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])

    def wait_for(self, what: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
        """Look until it is so: the window of another process tells nobody."""
        end = time.monotonic() + WAIT_S
        while not what():
            assert process.poll() is None, self.log.read_text()
            if time.monotonic() > end:
                screen = self.look()
                keep(screen, "failed")
                process.send_signal(signal.SIGABRT)  # it writes where it is
                process.wait(WAIT_S)
                shown = {colour: count(screen, colour) for colour in PALETTE[:4]}
                found = lines_of(self.folder / "poses.jsonl")
                pytest.fail(
                    f"screen {screen.mean():.1f} {shown}, {len(found)} frames, {found[-1:]}\n{self.log.read_text()}"
                )
            time.sleep(STEP_S)

    def sees_window(self) -> bool:
        """Whether there is anything on the screen.

        Where the machine is busy and no window manager is there, the Qt of OpenCV now and then loses the event that
        says that its window is visible, and then never draws it: whoever sits there minimises it, and brings it back.
        """
        end = time.monotonic() + BLACK_S
        while time.monotonic() < end:
            if self.look().std() > 20:
                return True
            time.sleep(STEP_S)
        for change in ("windowunmap", "windowmap"):
            found = ["xdotool", "search", "--name", "^posecli$", change, "%@"]
            subprocess.run(found, env=self.environment, check=False, capture_output=True)  # it may not be there yet
        return False

    def says(self, text: str) -> bool:
        return text in self.log.read_text()


def count(image: NDArray[np.uint8], colour: tuple[int, ...]) -> int:
    return int((np.abs(image.astype(int) - colour[:3]).max(axis=2) <= 6).sum())


def shows_people(image: NDArray[np.uint8]) -> bool:
    """Whether there are skeletons, in colours of ids; what is written in the corner has the first one, too."""
    return max(count(image, colour) for colour in PALETTE[1:]) > 100


def test_a_window_its_keys_and_its_files(display: str, video: Path, tmp_path: Path) -> None:
    desk = Desk(display, tmp_path)
    process = desk.start("--source", str(video), "--poses", "poses.jsonl")
    try:
        desk.wait_for(lambda: desk.sees_window(), process)
        desk.wait_for(lambda: shows_people(desk.look()), process)
        screen = desk.look()
        assert screen.std() > 20
        keep(screen, "webcam")

        desk.press("s")
        desk.wait_for(lambda: desk.says("saved posecli-out"), process)
        desk.press("r")
        desk.wait_for(lambda: desk.says("recording to posecli-out"), process)
        desk.wait_for(lambda: count(desk.look()[:90, 900:], (240, 66, 66)) > 40, process)  # the red dot
        desk.press("h")
        desk.wait_for(lambda: count(desk.look()[200:600, 400:900], (58, 64, 79)) > 500, process)  # the keys' caps
        keep(desk.look(), "help")
        desk.press("h")
        desk.wait_for(lambda: count(desk.look()[200:600, 400:900], (58, 64, 79)) < 50, process)
        desk.press("2")
        desk.wait_for(lambda: desk.says("quality: balanced"), process)
        desk.wait_for(lambda: len(poses_of(tmp_path)) > 30, process)
        desk.press("r")
        desk.wait_for(lambda: desk.says("recording saved"), process)

        desk.press("space")
        desk.wait_for(lambda: is_still(desk), process)
        desk.press("space")
        desk.wait_for(lambda: not is_still(desk), process)
        keep(desk.look(), "balanced")
        desk.press("q")
        assert process.wait(WAIT_S) == 0, desk.log.read_text()
    finally:
        process.kill()
        process.wait(WAIT_S)

    assert not re.search("error|warning|Traceback|qt", desk.log.read_text(), re.IGNORECASE)
    check_files(tmp_path / "posecli-out")
    assert all(line["poses"] for line in poses_of(tmp_path)[5:])
    assert {pose["id"] for pose in poses_of(tmp_path)[-1]["poses"]} <= set(range(1, 30))


def check_files(folder: Path) -> None:
    """A picture with skeletons, a video that can be played, and poses that go with it."""
    (picture,) = folder.glob("*.png")
    image = cv2.imread(str(picture))
    assert image.shape == (720, 1280, 3)
    assert shows_people(image[..., ::-1])
    (recording,) = folder.glob("*.mp4")
    with av.open(str(recording)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    lines = [json.loads(line) for line in recording.with_suffix(".jsonl").read_text().splitlines()]
    assert times == pytest.approx([line["time_s"] for line in lines], abs=0.002)
    assert len(times) > 3


def poses_of(folder: Path) -> list[dict[str, list[dict[str, int]]]]:
    return [json.loads(line) for line in lines_of(folder / "poses.jsonl")]


def lines_of(path: Path) -> list[str]:
    """The lines that are complete."""
    return path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []


def is_still(desk: Desk) -> bool:
    before = desk.look()
    time.sleep(5 * STEP_S)
    return bool((before == desk.look()).mean() > 0.999)


def keep(screen: NDArray[np.uint8], name: str) -> None:
    """Leave a picture to look at where the environment asks for it."""
    if folder := os.environ.get("POSECLI_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(Path(folder) / f"{name}.png"), screen[..., ::-1])
