import gzip
import os
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from image_files import (
    box,
    chunk,
    cmyk_jpeg,
    gradient,
    jpeg_with_exif,
    png_with_exif,
    stored,
    tiff,
    webp_with_exif,
)
from posecli.errors import InputError
from posecli.opencv import cv2
from posecli.sources import reading
from posecli.sources.reading import fetch, read_image

SCENE = gradient(32, 48)
LOSSY = 10.0  # largest mean error of a codec on SCENE, in grey levels; another orientation gives more than 40


def encode(suffix: str, rgb: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def oriented(suffix: str, orientation: int) -> bytes:
    image = stored(SCENE, orientation)
    plain = encode(suffix, image)
    if suffix == ".jpg":
        return jpeg_with_exif(plain, orientation, thumbnail=plain)
    return (
        png_with_exif(plain, orientation) if suffix == ".png" else webp_with_exif(plain, orientation, image.shape[:2])
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(suffix: str, orientation: int) -> None:
    image = read_image(oriented(suffix, orientation), "photo")
    assert image.shape == SCENE.shape
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - SCENE).mean() < LOSSY


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_tiff_comes_out_upright(channels: int, bits: int, orientation: int) -> None:
    image = stored(SCENE, orientation)
    image = image if channels == 3 else image[..., 0]
    data = tiff(image if bits == 8 else image.astype(np.uint16) * 257, orientation)
    expected = SCENE if channels == 3 else np.repeat(SCENE[..., :1], 3, axis=2)
    np.testing.assert_array_equal(read_image(data, "photo"), expected)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_lossless_formats_give_the_pixels(suffix: str) -> None:
    np.testing.assert_array_equal(read_image(encode(suffix, SCENE), "photo"), SCENE)


def test_grey_becomes_three_equal_channels() -> None:
    grey = SCENE[..., 0]
    image = read_image(cv2.imencode(".png", grey)[1].tobytes(), "photo")
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_are_scaled_to_8(suffix: str) -> None:
    deep = SCENE[..., ::-1].astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(cv2.imencode(suffix, deep)[1].tobytes(), "photo"), SCENE)


def test_alpha_is_dropped() -> None:
    alpha = np.full((*SCENE.shape[:2], 1), 100, np.uint8)
    png = cv2.imencode(".png", np.concatenate([SCENE[..., ::-1], alpha], axis=2))[1].tobytes()
    np.testing.assert_array_equal(read_image(png, "photo"), SCENE)


def test_a_palette_is_looked_up() -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)
    palette = bytes([10, 20, 30, 200, 100, 50])
    body = [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", b"\0\xff"), (b"IDAT", zlib.compress(b"\0\1\0"))]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*body, (b"IEND", b"")])
    np.testing.assert_array_equal(read_image(png, "photo"), [[[200, 100, 50], [10, 20, 30]]])


def test_cmyk_becomes_rgb() -> None:
    image = read_image(cmyk_jpeg((255, 0, 0, 255)), "photo")  # full magenta and yellow, no cyan, no black: red
    assert image.shape == (8, 8, 3)
    assert np.abs(image.astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("size", [(1, 1), (10, 20000), (20000, 10)])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_extreme_shapes(size: tuple[int, int], suffix: str) -> None:
    assert read_image(encode(suffix, np.zeros((*size, 3), np.uint8)), "photo").shape == (*size, 3)


WHOLE = {suffix: encode(suffix, gradient(160, 200)) for suffix in (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm")}
WHOLE["progressive"] = cv2.imencode(".jpg", gradient(160, 200), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()

_INSIDE = WHOLE[".png"].index(b"IDAT") + 30
DAMAGED_PNG = WHOLE[".png"][:_INSIDE] + bytes([WHOLE[".png"][_INSIDE] ^ 1]) + WHOLE[".png"][_INSIDE + 1 :]


@pytest.mark.parametrize("kind", WHOLE)
@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_never_read_as_a_whole_one(kind: str, share: float) -> None:
    data = WHOLE[kind]
    with pytest.raises(InputError, match=r"^photo: .*; "):
        read_image(data[: int(share * len(data))], "photo")


@settings(deadline=None, max_examples=300)
@example(at=WHOLE[".png"].index(b"IDAT"), flip=0x20)  # now a chunk that a reader may pass over
@given(at=st.integers(0, len(WHOLE[".png"]) - 1), flip=st.integers(1, 255))
def test_a_damaged_png_is_refused_or_read_as_it_was(at: int, flip: int) -> None:
    damaged = bytearray(WHOLE[".png"])
    damaged[at] ^= flip
    with suppress(InputError):
        np.testing.assert_array_equal(read_image(bytes(damaged), "photo"), gradient(160, 200))


@pytest.mark.parametrize("kind", [".jpg", ".png", "progressive"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.02, 0.99))
def test_a_cut_file_prints_nothing(kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = WHOLE[kind]
    with pytest.raises(InputError):
        read_image(data[: int(share * len(data))], "photo")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"^bad: the file is empty \(0 bytes\); get a fresh copy"),
        (b"\x1aE\xdf\xa3 film", "^bad: a video whose name does not say so; give it one that does, such as one in .mp4"),
        (b"just text, named .jpg", "^bad: not an image that OpenCV can read; .*convert"),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic") + b"rest", "^bad: HEIC is not supported; convert it to JPEG"),
        (WHOLE[".jpg"][:-500], "^bad: the JPEG file is cut off or damaged; get a fresh copy"),
        (DAMAGED_PNG, "^bad: the PNG file is cut off or damaged; get a fresh copy"),
        (WHOLE[".bmp"][:-500], "^bad: OpenCV .* cannot decode this BMP file; .*convert it to JPEG or PNG"),
        (b"\xff\x0a jxl", "cannot decode this JPEG XL file"),
    ],
)
def test_a_bad_file_is_named_with_the_remedy(data: bytes, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=message):
        read_image(data, "bad")
    assert capfd.readouterr() == ("", "")


def black_png(width: int, height: int, rows: int | None = None) -> bytes:
    """A black picture of one bit a pixel, or the start of one: the smallest file for the most pixels."""
    row = b"\0" * (1 + (width + 7) // 8)
    pixels = zlib.compress(row * (height if rows is None else rows))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("side", [2**14 + 1, 24_000, 40_000])
def test_too_many_pixels(side: int) -> None:
    remedy = r"bomb: more than 268435456 pixels; make the picture smaller \(or raise OPENCV_IO_MAX_IMAGE_PIXELS\)"
    with pytest.raises(InputError, match=remedy):
        read_image(black_png(side, side, rows=1), "bomb")


def test_what_opencv_says_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise cv2.error("OpenCV(5.0) where: error: (-4)\n Insufficient memory\n")

    monkeypatch.setattr(cv2, "imdecode", refuse)
    with pytest.raises(InputError, match=r"photo: OpenCV cannot decode it \(Insufficient memory\); convert it"):
        read_image(WHOLE[".png"], "photo")


@pytest.mark.slow
def test_a_hundred_megapixels_are_not_too_many() -> None:
    assert read_image(black_png(12_000, 9_000), "photo").shape == (9_000, 12_000, 3)


def test_paths_with_spaces_unicode_and_brackets(tmp_path: Path) -> None:
    path = tmp_path / "à b [1] ☃.png"
    path.write_bytes(WHOLE[".png"])
    np.testing.assert_array_equal(read_image(path, "photo"), gradient(160, 200))


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"photo: cannot be read \(.+\); check its permissions"):
        read_image(tmp_path / "gone.jpg", "photo")


def test_a_link_to_itself_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match=r"photo: cannot be read \(.+\)"):
        read_image(loop, "photo")


def test_a_link_to_nothing_says_so(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="photo: a link to a file that is missing; mend or remove the link"):
        read_image(link, "photo")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photo: not a file, but a folder, a pipe or a device; save it"):
        read_image(tmp_path, "photo")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are files on POSIX systems only")
def test_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("would wait for ever"))
    for path in (tmp_path / "x.jpg", Path(os.devnull)):
        with pytest.raises(InputError, match="photo: not a file, but a folder, a pipe or a device"):
            read_image(path, "photo")


def test_a_file_may_vanish_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    (tmp_path / "a.png").write_bytes(WHOLE[".png"])
    monkeypatch.setattr(Path, "read_bytes", vanish)
    with pytest.raises(InputError, match=r"photo: cannot be read \(No such file or directory\)"):
        read_image(tmp_path / "a.png", "photo")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(reading.MAX_FILE_BYTES + 1)  # takes no place on disk
    with pytest.raises(InputError, match="photo: larger than 1000 MB; make the picture smaller"):
        read_image(path, "photo")


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, str, bytes, int]]] = {}  # path: status, type, body, length that is claimed

    def do_GET(self) -> None:
        status, kind, body, length = self.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Location", self.path)  # for redirects only
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serve(handler: type[Handler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()
            thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(reading, "MAX_DOWNLOAD_BYTES", 300_000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    png = WHOLE[".png"]

    class Answers(Handler):
        answers: ClassVar = {
            "/a.png": (200, "image/png", png, len(png)),
            "/page": (200, "text/html; charset=utf-8", b"<html>", 6),
            "/film": (200, "Video/mp4", b"film", 4),
            "/camera": (200, "multipart/x-mixed-replace; boundary=x", b"--x", 3),
            "/text.png": (200, "text/plain", png, len(png)),
            "/bare": (200, "image/png", b"\xef\xbb\xbf\n <!doctype html>", 20),
            "/login": (403, "text/plain", b"", 0),
            "/busy": (503, "text/plain", b"", 0),
            "/round": (302, "text/plain", b"", 0),
            "/gone": (404, "text/plain", b"", 0),
            "/big": (200, "image/png", b"\0" * 300_001, 300_001),
            "/short": (200, "image/png", png[:99], len(png)),
        }

    with serve(Answers) as address:
        yield address


def test_an_image_is_fetched(server: str) -> None:
    assert fetch(f"{server}/a.png") == WHOLE[".png"]


def test_the_bytes_decide_what_is_an_image(server: str) -> None:
    assert fetch(f"{server}/text.png") == WHOLE[".png"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page", "/page: a web page or text, not an image; give the address of the image itself"),
        ("/film", "/film: a video, not an image; to have it read as one, give http://.*/film#.mp4"),
        ("/camera", "/camera: a video, not an image; to have it read as one"),
        ("/gone", "/gone: HTTP 404 Not Found; check the address"),
        ("/big", "/big: larger than 0 MB; download it and give the file"),
        ("/bare", "/bare: a web page or text, not an image"),
        ("/login", "/login: HTTP 403 Forbidden; .* download it with a browser and give the file"),
        ("/busy", "/busy: HTTP 503 Service Unavailable; .* try again later"),
        ("/round", r"/round: cannot be fetched \(it redirects without end\); check the address and the network"),
        ("/short", r"/short: cannot be fetched \(the connection broke off\); check the address and the network"),
    ],
)
def test_an_address_that_gives_no_image(server: str, path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(server + path)


def test_offline_no_image_is_fetched(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    with pytest.raises(InputError, match=r"/a.png: POSECLI_OFFLINE forbids the network; unset it, or give the image"):
        fetch(f"{server}/a.png")


def test_a_trickle_has_an_end(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that the clock is read, 25 s have passed: at the start, and after each piece."""
    clock = count(0, 25)
    monkeypatch.setattr(reading, "monotonic", lambda: next(clock))
    monkeypatch.setattr(reading, "_DOWNLOAD_STEP_BYTES", 8)
    with pytest.raises(InputError, match=r"/a.png: not here after 60 s; download it and give the file"):
        fetch(f"{server}/a.png")
    assert next(clock) == 4 * 25


def test_what_has_come_is_not_held_up_by_what_is_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends one byte and waits: the deadline is looked at before more is there."""
    ended, pieces = threading.Event(), []

    class Trickle(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"1")
            ended.wait(10)

    def clock() -> float:
        pieces.append(1)
        return 100.0 * len(pieces)

    monkeypatch.setattr(reading, "monotonic", clock)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(Trickle) as address:
        with pytest.raises(InputError, match="not here after 60 s"):
            fetch(f"{address}/a.jpg")
        ended.set()


def test_the_body_of_a_redirect_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, seen = threading.Event(), []

    class Redirect(Handler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(302 if self.path == "/a.png" else 200)
            self.send_header("Location", "/b.png")
            self.end_headers()
            self.wfile.write(WHOLE[".png"])
            if self.path == "/a.png":
                ended.wait(10)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.5)
    with serve(Redirect) as address:
        assert fetch(f"{address}/a.png") == WHOLE[".png"]
        ended.set()
    assert seen == ["/a.png", "/b.png"]


def test_a_proxy_that_is_set_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://[bad")
    says = r"cannot be fetched \(http_proxy=http://\[bad is not a valid address of a proxy\)"
    with pytest.raises(InputError, match=says):
        fetch("http://models.invalid/a.jpg")


@pytest.mark.parametrize("coding", ["chunked", "gzip"])
def test_transfer_codings_are_undone(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = WHOLE[".png"]
    body = gzip.compress(data) if coding == "gzip" else b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)

    class Coded(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding" if coding == "gzip" else "Transfer-Encoding", coding)
            if coding == "gzip":
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(Coded) as address:
        assert fetch(f"{address}/a.png") == data


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:9/a.jpg", "http://", "https://exa mple/x.jpg", "http://127.0.0.1:99999/a.jpg"),
        *("http://.a/b.jpg", f"http://{'a' * 70}.com/b.jpg", "http://[x]/a.jpg", "http://*.a/b.jpg"),
    ],
)
def test_an_address_that_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(
        InputError, match=r"cannot be fetched \([^()<>]+\); check the address and the network"
    ) as caught:
        fetch(url)
    assert os.linesep not in str(caught.value)
    assert "Error" not in str(caught.value)


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.01)
    says = r"cannot be fetched \(timed out after 0 s\)"
    # The system accepts, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(InputError, match=says):
        fetch(f"http://127.0.0.1:{server.getsockname()[1]}/a.jpg")
