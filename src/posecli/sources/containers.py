"""What an image file says about itself before it is decoded: whether it is whole, and which way up it is.

OpenCV does neither reliably. It fills the lost part of a cut JPEG with grey and only warns; it honours the EXIF
orientation of WebP in new versions only, and the rotation of AVIF in none.

Walked, so that a cut or damaged file is known before it is decoded: JPEG (its markers), PNG (its chunks, and checksums
of those that matter) and WebP (its length). AVIF is walked for its orientation only. OpenCV is relied on to refuse cut
files of AVIF, GIF, BMP, TIFF, PNM, JPEG 2000 and JPEG XL, and to turn TIFF.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END
from typing import BinaryIO

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})

# The next real marker: 0xFF00 is a stuffed byte of entropy-coded data, 0xFFD0 to 0xFFD7 are restarts within it.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_JPEG_SOI, _JPEG_EOI, _JPEG_TEM, _JPEG_APP1 = 0xD8, 0xD9, 0x01, 0xE1
_EXIF_HEADER = b"Exif\0\0"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ORIENTATION_TAG = 0x0112
# Known by their first bytes only.
_LEFT_TO_THE_DECODER = {
    "GIF": re.compile(rb"GIF8"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "PNM": re.compile(rb"P[1-7]\s"),
    "JPEG 2000": re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
}
# Videos, for a hint: ISO media such as MP4 (after the images among them), Matroska and WebM, AVI, FLV, Ogg, MPEG, Y4M.
_VIDEOS = re.compile(
    rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |FLV\x01|OggS|\0\0\x01[\xb3\xba]|YUV4MPEG2 |G.{187}G", re.DOTALL
)
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"  # Matroska's header, and what holds all the rest
_LONGEST_HEAD = 256  # bytes; Matroska's header has about 40
_UNKNOWN_RIFF_SIZE = 0xFFFFFFFF
# AVIF turns first (0 to 3 quarters anticlockwise), then mirrors (None, 0: top and bottom, 1: left and right change
# places). Each such pair is one of EXIF's eight orientations.
_AVIF_ORIENTATIONS = {
    (0, None): 1, (3, None): 6, (2, None): 3, (1, None): 8,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Container:
    """A recognised image file."""

    format: str  # for messages: JPEG, PNG, ...
    whole: bool = True  # False: cut off or damaged; True where only the decoder can tell, and does
    orientation: int = 1  # EXIF's, 1 to 8, where the decoder leaves it to us; 1 is upright


def inspect(data: bytes) -> Container | None:
    """Recognise an image file by its first bytes; None where it is nothing that OpenCV might read, or HEIC."""
    if data.startswith(b"\xff\xd8\xff"):
        return _inspect_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _inspect_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _inspect_webp(data)
    brands = media_brands(data)
    if brands & AVIF_BRANDS:
        return Container("AVIF", orientation=_avif_orientation(data))
    if brands & HEIC_BRANDS:
        return Container("HEIC")
    return next((Container(name) for name, magic in _LEFT_TO_THE_DECODER.items() if magic.match(data)), None)


def media_brands(data: bytes) -> frozenset[bytes]:
    """The brands in the ftyp box of an ISO media file (HEIC, AVIF, MP4); none for any other file."""
    if data[4:8] != b"ftyp":
        return frozenset()
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return frozenset(box[i : i + 4] for i in range(0, len(box), 4) if i != 4)  # 4: the version, not a brand


def looks_like_video(data: bytes) -> bool:
    """Whether what is no image begins as a video does."""
    return _VIDEOS.match(data) is not None


def has_whole_box(file: BinaryIO, wanted: bytes) -> bool:
    """Whether an ISO media file has a box of this name at its top, with all of its bytes; only heads are read."""
    length = file.seek(0, SEEK_END)
    return any(name == wanted and end <= length for name, end in _top_boxes(file, length))


def is_cut_video(file: BinaryIO) -> bool:
    """Whether a video ends before the length that it begins with, or in the middle of a fragment.

    Matroska, WebM, AVI and fragmented MP4 tell; that of others is not known. Only heads are read.
    """
    head, length = file.read(_LONGEST_HEAD), file.seek(0, SEEK_END)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        size = int.from_bytes(head[4:8], "little")
        return size != _UNKNOWN_RIFF_SIZE and size > length  # some count these 8 bytes, too
    if head.startswith(_EBML):
        return _matroska_end(head) > length
    if not media_brands(head):
        return False
    ends = dict(_top_boxes(file, length))  # of the last of each name; what tools append need not be boxes
    moof, mdat = ends.get(b"moof", 0), ends.get(b"mdat", 0)
    return moof > 0 and (max(moof, mdat) > length or mdat < moof)


def _matroska_end(head: bytes) -> int:
    """Where a Matroska file says that it ends; 0 where it does not."""
    size, at = _matroska_number(head, len(_EBML))
    at += size
    if head[at : at + 4] != _SEGMENT:
        return 0
    size, at = _matroska_number(head, at + 4)
    return at + size if size else 0


def _matroska_number(data: bytes, at: int) -> tuple[int, int]:
    """A number, whose first bits say how many bytes it has, and where it ends; 0 for one that stands for unknown."""
    length = 9 - data[at].bit_length() if at < len(data) else 1
    mask = (1 << 7 * length) - 1
    value = int.from_bytes(data[at : at + length], "big") & mask
    return 0 if value == mask else value, at + length


def _top_boxes(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int]]:
    """The name and the end of each box at the top of an ISO media file; the last may end beyond the file."""
    at = 0
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:  # longer than 4 GiB
            size = int.from_bytes(head[8:], "big")
        if size == 0:
            size = length - at
        at += max(size, 8)
        yield name, at


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block (a TIFF directory) asks for; 1 where it has none or is broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for at in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, _type, _count, value = struct.unpack_from(order + "HHIH", exif, at)
            if tag == _ORIENTATION_TAG:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # it points beyond its end
        return 1
    return 1


def _inspect_jpeg(data: bytes) -> Container:
    """Walk the markers up to the end of the image; segments are skipped by their length, thumbnails with them."""
    orientation, at = 1, 0
    while found := _JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == _JPEG_EOI:
            return Container("JPEG", True, orientation)
        if marker in (_JPEG_SOI, _JPEG_TEM):  # these have no length
            continue
        segment = data[at + 2 : at + int.from_bytes(data[at : at + 2], "big")]
        if marker == _JPEG_APP1 and segment.startswith(_EXIF_HEADER):
            orientation = exif_orientation(segment[len(_EXIF_HEADER) :])
        at += 2 + len(segment)
    return Container("JPEG", False, orientation)


def _inspect_png(data: bytes) -> Container:
    orientation = 1
    view = memoryview(data)
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):  # length, type and checksum of a chunk are 12 bytes
        length, kind = struct.unpack_from(">I4s", data, at)
        body, at = view[at + 4 : at + 8 + length], at + 12 + length
        if at > len(data):
            break
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(body) != int.from_bytes(view[at - 4 : at], "big"):
            break
        if kind == b"eXIf":
            orientation = exif_orientation(bytes(body[4:]))
        if kind == b"IEND":
            return Container("PNG", True, orientation)
    return Container("PNG", False, orientation)


def _inspect_webp(data: bytes) -> Container:
    end = 8 + int.from_bytes(data[4:8], "little")
    orientation, at = 1, 12
    while at + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            orientation = exif_orientation(data[at + 8 : at + 8 + length].removeprefix(_EXIF_HEADER))
        at += 8 + length + length % 2
    return Container("WebP", len(data) >= end, orientation)


def _avif_orientation(data: bytes) -> int:
    meta = _box(memoryview(data), b"meta")
    properties = _box(_box(meta[4:], b"iprp"), b"ipco")  # meta starts with version and flags
    turns, mirror = 0, None
    for name, body in _boxes(properties):
        if name == b"irot" and body:
            turns = body[0] & 3
        elif name == b"imir" and body:
            mirror = body[0] & 1
    return _AVIF_ORIENTATIONS[turns, mirror]


def _box(data: memoryview, wanted: bytes) -> memoryview:
    """What the first box of this name holds; nothing where there is none."""
    return next((body for name, body in _boxes(data) if name == wanted), memoryview(b""))


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes of an ISO media file, or those directly in another box."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8:  # to the end of the file, or longer than 4 GiB: pixels, which come last
            return
        yield name, data[at + 8 : at + size]
        at += size
