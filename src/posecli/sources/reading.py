"""Read one image, from a path, bytes or an address, as upright 8-bit RGB; say clearly why where that fails."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from posecli.download.bases import OFFLINE_VARIABLE, is_offline
from posecli.download.opening import open_address, open_session
from posecli.download.wording import answer, reason
from posecli.errors import InputError
from posecli.opencv import MAX_PIXELS_VARIABLE, cv2
from posecli.sources.containers import Container, inspect, looks_like_video

MAX_FILE_BYTES = 1_000_000_000
TIMEOUT_S = 30.0  # without a sign of life
DEADLINE_S = 60.0  # for a whole download
MAX_DOWNLOAD_BYTES = 100_000_000
_DOWNLOAD_STEP_BYTES = 1 << 16
# What a server says of a video, or of a camera that sends one picture after another.
_VIDEO_KINDS = ("video/", "multipart/x-mixed-replace", "application/vnd.apple.mpegurl", "application/dash+xml")
_BLANK = b"\xef\xbb\xbf \t\r\n"  # what may come before the first tag of a page: a byte order mark, white space


def read_image(source: Path | bytes, name: str) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) RGB: upright as its EXIF says, 16-bit scaled to 8, alpha dropped.

    `name` is what error messages call it. Raises InputError where it cannot be read whole.
    """
    data = _read_bytes(source, name) if isinstance(source, Path) else source
    if not data:
        raise InputError(f"{name}: the file is empty (0 bytes); get a fresh copy of it")
    container = inspect(data)
    if container is None and looks_like_video(data):
        raise InputError(f"{name}: a video whose name does not say so; give it one that does, such as one in .mp4")
    if container is None:
        raise InputError(f"{name}: not an image that OpenCV can read; give a JPEG or PNG file, or convert it to one")
    if container.format == "HEIC":
        raise InputError(f"{name}: HEIC is not supported; convert it to JPEG, for example with: heif-convert")
    if not container.whole:
        raise InputError(f"{name}: the {container.format} file is cut off or damaged; get a fresh copy of it")
    image = _decode(data, container, name)
    return np.ascontiguousarray(_upright(image, container.orientation)[..., ::-1])


def fetch(url: str) -> bytes:
    """Download an image. Raises InputError where the address gives none, or where the user forbids the network."""
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    if is_offline():
        raise InputError(f"{url}: {OFFLINE_VARIABLE} forbids the network; unset it, or give the image as a file")
    start = monotonic()
    try:
        with open_session() as session, open_address(session, url, (TIMEOUT_S, TIMEOUT_S)) as response:
            if not response.ok:
                raise InputError(f"{url}: {answer(response.status_code)}; {_remedy(response.status_code)}")
            kind = response.headers.get("Content-Type", "").lower()
            if kind.startswith(_VIDEO_KINDS):
                raise InputError(f"{url}: a video, not an image; to have it read as one, give {url}#.mp4")
            is_text = kind.startswith("text/")
            data = bytearray()
            # Unlike iter_content, read1 returns with what there is, so that a trickle cannot outlast the deadline.
            while part := response.raw.read1(_DOWNLOAD_STEP_BYTES, decode_content=True):
                data += part
                if monotonic() - start > DEADLINE_S:
                    raise InputError(f"{url}: not here after {DEADLINE_S:.0f} s; download it and give the file")
                if len(data) > MAX_DOWNLOAD_BYTES:
                    limit_mb = MAX_DOWNLOAD_BYTES // 1_000_000
                    raise InputError(f"{url}: larger than {limit_mb} MB; download it and give the file")
    except (RequestException, HTTPError, OSError, ValueError) as error:
        why = reason(error, TIMEOUT_S)
        raise InputError(f"{url}: cannot be fetched ({why}); check the address and the network") from error
    image = bytes(data)
    # Many servers call an image text, or nothing at all: its own bytes decide.
    if inspect(image) is None and (is_text or image.lstrip(_BLANK).startswith(b"<")):
        raise InputError(f"{url}: a web page or text, not an image; give the address of the image itself")
    return image


def _remedy(status: int) -> str:
    """What to do about an HTTP status that is no success."""
    if status in (401, 403):
        return "the server wants a login, or no programs: download it with a browser and give the file"
    if status == 429 or status >= 500:
        return "the server has trouble or too much to do: try again later"
    return "check the address"


def check_file(path: Path, name: str) -> int:
    """The size in bytes of a file that can be read and is not empty; raises InputError for anything else."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise InputError(f"{name}: not a file, but a folder, a pipe or a device; save it as a file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise _unreadable(path, name, error) from error
    if not status.st_size:
        raise InputError(f"{name}: the file is empty (0 bytes); get a fresh copy of it")
    return status.st_size


def _read_bytes(path: Path, name: str) -> bytes:
    if check_file(path, name) > MAX_FILE_BYTES:
        raise InputError(f"{name}: larger than {MAX_FILE_BYTES // 1_000_000} MB; make the picture smaller")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, name, error) from error


def _unreadable(path: Path, name: str, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return InputError(f"{name}: a link to a file that is missing; mend or remove the link")
    return InputError(f"{name}: cannot be read ({error.strerror or error}); check its permissions")


def _decode(data: bytes, container: Container, name: str) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) BGR as stored, not yet turned."""
    try:
        # The orientation is ours to apply: OpenCV's versions differ in which formats they turn.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if "MAX_IMAGE_PIXELS" in str(error):
            limit = os.environ[MAX_PIXELS_VARIABLE]
            raise InputError(
                f"{name}: more than {limit} pixels; make the picture smaller (or raise {MAX_PIXELS_VARIABLE})"
            ) from error
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{name}: OpenCV cannot decode it ({reason}); convert it to a smaller JPEG or PNG") from error
    if image is None:
        raise InputError(
            f"{name}: OpenCV {cv2.__version__} cannot decode this {container.format} file; it is damaged or of a kind "
            "that is not supported: convert it to JPEG or PNG"
        )
    return np.asarray(image, np.uint8)


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation, 1 to 8, of an image (H, W, 3)."""
    if orientation >= 5:  # rows and columns have changed places
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image
