"""Headless Chromium as a player of videos: whether it plays one, and what it sees."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WAIT_S = 600  # for a page; whoever waits longer has found a bug
PATIENCE_S = 120  # for a frame that was sought
FAREWELL_S = 30  # for the browser to end when it is asked to

# Plays the beginning without sound, then shows each of the times that are asked for, and reports it all. A busy
# machine shows a frame a while after it was sought: the page looks again until it sees what is expected, or too long.
PAGE = """<!doctype html><video id="video" muted playsinline></video><script>
const video = document.getElementById("video"), canvas = document.createElement("canvas");
const tell = (result) => fetch("/result", {method: "POST", body: JSON.stringify(result)});
const once = (event) => new Promise((done) => video.addEventListener(event, done, {once: true}));
const colour = () => {
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data, sum = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += pixels[i + c];
  return sum.map((value) => value / (pixels.length / 4));
};
const settled = async (expected) => {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const seen = colour();
    if (seen.every((value, c) => Math.abs(value - expected[c]) <= NEAR) || performance.now() > end) return seen;
    await new Promise((done) => setTimeout(done, 50));
  }
};
video.addEventListener("error", () => tell({error: video.error.message || "code " + video.error.code}));
(async () => {
  video.src = "/video";
  await once("loadeddata");
  const result = {error: null, width: video.videoWidth, height: video.videoHeight, duration: video.duration};
  await video.play();
  await once("timeupdate");
  video.pause();
  result.played = video.currentTime;
  result.colours = [];
  for (const [time, expected] of FRAMES) {
    const seeked = once("seeked");
    video.currentTime = time;
    await seeked;
    result.colours.push(await settled(expected));
  }
  result.sound = video.webkitAudioDecodedByteCount > 0;
  await tell(result);
})().catch((error) => tell({error: String(error)}));
</script>"""


@dataclass(frozen=True)
class Played:
    """What a browser makes of a video."""

    error: str | None
    width: int = 0
    height: int = 0
    duration: float = 0.0  # s
    played: float = 0.0  # s, how far it came by itself
    colours: tuple[tuple[float, ...], ...] = ()  # mean R, G, B of the frames that were asked for
    sound: bool = False  # whether some was decoded


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def play(chromium: str, video: Path, frames: Sequence[tuple[float, Sequence[float]]] = (), near: float = 6) -> Played:
    """Have Chromium play a video, and show it at some times, where a mean R, G, B is expected to within `near`."""
    results: Queue[Any] = Queue()
    wanted = json.dumps([(time_s, [float(value) for value in colour]) for time_s, colour in frames])
    page = PAGE.replace("FRAMES", wanted).replace("NEAR", str(near)).replace("PATIENCE", str(1000 * PATIENCE_S))
    profiles = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # the browser's last children may still write
    with _served(page.encode(), video.read_bytes(), results) as address, profiles as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
        command += [
            "--autoplay-policy=no-user-gesture-required",
            "--no-first-run",
            f"--user-data-dir={profile}",
            address,
        ]
        environment = {**os.environ, "HOME": profile}
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        ) as browser:
            try:
                result = results.get(timeout=WAIT_S)
            except Empty:
                pytest.fail(f"the page did not report within {WAIT_S} s")
            finally:
                _end(browser)
    if "colours" in result:
        result["colours"] = tuple(tuple(colour) for colour in result["colours"])
    return Played(**result)


def _end(browser: "subprocess.Popen[bytes]") -> None:
    """Have the browser end, by force where it will not."""
    browser.terminate()
    try:
        browser.wait(FAREWELL_S)
    except subprocess.TimeoutExpired:
        browser.kill()


@contextmanager
def _served(page: bytes, video: bytes, results: "Queue[Any]") -> Iterator[str]:
    """A page and its video on loopback; what the page posts goes to `results`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/video":
                self._send(page if self.path == "/" else b"", "text/html", 200 if self.path == "/" else 404)
                return
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first, last = (int(match[1]), int(match[2] or len(video) - 1)) if match else (0, len(video) - 1)
            extra = {"Content-Range": f"bytes {first}-{last}/{len(video)}"} if match else {}
            self._send(video[first : last + 1], "video/mp4", 206 if match else 200, extra)

        def do_POST(self) -> None:
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(b"", "text/plain", 200)

        def _send(self, body: bytes, kind: str, status: int, extra: dict[str, str] | None = None) -> None:
            self.send_response(status)
            headers = {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Accept-Ranges": "bytes",
                **(extra or {}),
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # a browser takes what it needs
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
