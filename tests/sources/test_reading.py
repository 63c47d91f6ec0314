import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


def test_too_many_pixels() -> None:
    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 0, 0, 0, 0)
    body = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    with pytest.raises(InputError, match=r"bomb: OpenCV cannot decode it \(too many pixels\); convert"):
        read_image(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in body), "bomb")


def test_paths_with_spaces_unicode_and_brackets(tmp_path: Path) -> None:
    path = tmp_path / "à b [1] ☃.png"
    path.write_bytes(WHOLE[".png"])
    np.testing.assert_array_equal(read_image(path, "photo"), gradient(160, 200))


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"photo: cannot be read \(.+\); check its permissions"):
        read_image(tmp_path / "gone.jpg", "photo")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, kind, body, length = self.server.answers[self.path]  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(reading, "MAX_DOWNLOAD_BYTES", 300_000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    png = WHOLE[".png"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.answers = {  # type: ignore[attr-defined]
            "/a.png": (200, "image/png", png, len(png)),
            "/page": (200, "text/html; charset=utf-8", b"<html>", 6),
            "/gone": (404, "text/plain", b"", 0),
            "/big": (200, "image/png", b"\0" * 300_001, 300_001),
            "/short": (200, "image/png", png[:99], len(png)),
        }
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_an_image_is_fetched(server: str) -> None:
    assert fetch(f"{server}/a.png") == WHOLE[".png"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page", "/page: a web page or text, not an image; give the address of the image itself"),
        ("/gone", "/gone: HTTP 404 Not Found; check the address"),
        ("/big", "/big: larger than 0 MB; download it and give the file"),
        ("/short", "/short: cannot be fetched"),
    ],
)
def test_an_address_that_gives_no_image(server: str, path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(server + path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.jpg", "http://", "https://exa mple/x.jpg"])
def test_an_address_that_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(
        InputError, match=r"cannot be fetched \([^()<>]+\); check the address and the network"
    ) as caught:
        fetch(url)
    assert os.linesep not in str(caught.value)
