import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_files import box, exif_block, gradient, jpeg_with_exif, png_with_exif, webp_with_exif
from posecli.opencv import cv2
from posecli.sources.containers import (
    exif_orientation,
    has_whole_box,
    inspect,
    is_cut_video,
    looks_like_video,
    media_brands,
)
from posecli.sources.reading import _upright

UPRIGHT = gradient(24, 40)


def encoded(suffix: str, *settings: int) -> bytes:
    return cv2.imencode(suffix, UPRIGHT, settings)[1].tobytes()


JPEG = jpeg_with_exif(encoded(".jpg"), 6, thumbnail=encoded(".jpg"))
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
PNG = png_with_exif(encoded(".png"), 6)
WEBP = webp_with_exif(encoded(".webp"), 6, (24, 40))


@pytest.mark.parametrize(
    ("data", "name", "orientation"),
    [(JPEG, "JPEG", 6), (PROGRESSIVE, "JPEG", 1), (RESTARTS, "JPEG", 1), (PNG, "PNG", 6), (WEBP, "WebP", 6)],
)
def test_a_whole_file_is_whole(data: bytes, name: str, orientation: int) -> None:
    for extra in (b"", b"\0" * 100, b"\xff\xd8\xff\xe0 another picture"):
        container = inspect(data + extra)
        assert container is not None
        assert (container.format, container.whole, container.orientation) == (name, True, orientation)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS, PNG, WEBP], ids=["jpeg", "prog", "rst", "png", "webp"])
@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_any_cut_is_seen(data: bytes, share: float) -> None:
    container = inspect(data[: int(share * len(data))])
    assert container is None or not container.whole


def test_a_jpeg_may_have_bytes_between_its_segments() -> None:
    container = inspect(PROGRESSIVE.replace(b"\xff\xdb", b"\0\0\0\xff\xdb", 1))
    assert container is not None
    assert container.whole


def test_a_long_run_of_fill_bytes_is_walked_once() -> None:
    container = inspect(b"\xff\xd8\xff\xda\0\2" + b"\xff" * 1_000_000)
    assert container is not None
    assert not container.whole


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(order: str, orientation: int) -> None:
    assert exif_orientation(exif_block(orientation, order)) == orientation


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_is_none(value: int) -> None:
    assert exif_orientation(exif_block(value)) == 1


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_broken_exif_is_upright_or_valid(rubbish: bytes) -> None:
    assert 1 <= exif_orientation(b"II*\0" + rubbish) <= 8
    assert exif_orientation(rubbish[:3]) == 1


def test_exif_without_orientation() -> None:
    assert exif_orientation(exif_block(6).replace(struct.pack("<H", 0x0112), struct.pack("<H", 0x0110), 1)) == 1


def avif(*properties: bytes) -> bytes:
    ipco = box(b"ipco", *properties)
    meta = box(b"meta", b"\0\0\0\0", box(b"hdlr", b"x"), box(b"iprp", ipco))
    return box(b"ftyp", b"avif\0\0\0\0mif1miaf") + meta + box(b"mdat", b"pixels")


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_avif_turns_then_mirrors(turns: int, axis: int | None) -> None:
    properties = [box(b"ispe", b"\0" * 12), box(b"irot", bytes([turns]))]
    if axis is not None:
        properties.append(box(b"imir", bytes([axis])))
    container = inspect(avif(*properties))
    assert container is not None
    stored = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    expected = np.rot90(stored, turns)
    expected = expected if axis is None else np.flip(expected, axis)
    np.testing.assert_array_equal(_upright(stored, container.orientation), expected)


def test_a_box_without_a_length_ends_the_walk() -> None:
    container = inspect(avif(struct.pack(">I", 0) + b"free", box(b"irot", b"\1")))
    assert container is not None
    assert container.orientation == 1


@pytest.mark.parametrize("name", [b"meta", b"iprp", b"ipco"])
def test_boxes_in_boxes_are_no_trap(name: bytes) -> None:
    """A box that is nested 40,000 times, each with the rest of the file in it."""
    depth, head = 40_000, 12 if name == b"meta" else 8
    nested = b"".join(struct.pack(">I4s", head * (depth - i), name) + b"\0" * (head - 8) for i in range(depth))
    inner = {b"meta": nested, b"iprp": box(b"meta", b"\0" * 4, nested), b"ipco": avif(nested)}[name]
    container = inspect(box(b"ftyp", b"avif\0\0\0\0mif1") + inner)
    assert container is not None
    assert container.orientation == 1


def test_properties_count_in_their_place_only() -> None:
    turned = box(b"irot", b"\1")
    meta = box(b"meta", b"\0" * 4, turned, box(b"iprp", turned, box(b"xxxx", box(b"ipco", turned))))
    container = inspect(box(b"ftyp", b"avif\0\0\0\0mif1") + turned + meta + box(b"ipco", turned))
    assert container is not None
    assert container.orientation == 1


def test_media_brands() -> None:
    assert media_brands(box(b"ftyp", b"heic\0\0\0\0mif1heic")) == {b"heic", b"mif1"}
    assert media_brands(b"no media") == frozenset()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a", "GIF"),
        (b"BM\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"P6\n1 1\n255\nabc", "PNM"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a", "JPEG XL"),
        (box(b"ftyp", b"heix\0\0\0\0mif1"), "HEIC"),
        (box(b"ftyp", b"mif1\0\0\0\0avif"), "AVIF"),
    ],
)
def test_formats_by_their_first_bytes(data: bytes, name: str) -> None:
    container = inspect(data)
    assert container is not None
    assert container.format == name


@pytest.mark.parametrize(
    "data", [b"hello, world", b"Please\n", b"<html>", b"%PDF-1.7", box(b"ftyp", b"isom\0\0\0\0mp41")]
)
def test_what_is_no_image(data: bytes) -> None:
    assert inspect(data) is None


FTYP, MOOV = box(b"ftyp", b"isom\0\0\0\0mp41"), box(b"moov", b"index" * 9)
LARGE = struct.pack(">I4sQ", 1, b"mdat", 16 + 4) + b"data"  # a length of 64 bits
TO_THE_END = struct.pack(">I4s", 0, b"mdat")


@pytest.mark.parametrize(
    ("data", "is_whole"),
    [
        (FTYP + MOOV, True),
        (FTYP + LARGE + MOOV, True),
        (FTYP + MOOV + TO_THE_END, True),
        (FTYP + struct.pack(">I4s", 0, b"moov") + b"index", True),
        (FTYP + TO_THE_END + MOOV, False),
        (FTYP + box(b"mdat", MOOV), False),
        (FTYP + box(b"\0\0\0\0") * 3, False),
        (struct.pack(">I4s", 3, b"free") + FTYP, False),
        (FTYP, False),
        (b"", False),
    ],
)
def test_a_box_that_is_there(data: bytes, is_whole: bool) -> None:
    assert has_whole_box(io.BytesIO(data), b"moov") == is_whole


@given(cut=st.integers(0, len(FTYP + LARGE + MOOV) - 1))
def test_a_box_that_was_cut(cut: int) -> None:
    assert not has_whole_box(io.BytesIO((FTYP + LARGE + MOOV)[:cut]), b"moov")


@pytest.mark.parametrize(
    "data",
    [
        *(FTYP, b"\x1aE\xdf\xa3matroska", b"RIFF\1\1\1\1AVI LIST", b"FLV\1", b"OggS", b"\0\0\1\xba", b"YUV4MPEG2 W1"),
        b"G" + b"\n" * 187 + b"G",
    ],
)
def test_videos_by_their_first_bytes(data: bytes) -> None:
    assert looks_like_video(data)
    assert inspect(data) is None


def test_what_is_no_video_by_its_first_bytes() -> None:
    assert not any(looks_like_video(data) for data in (b"", b"hello", b"RIFF\1\1\1\1WEBP", b"G" * 100, JPEG, PNG))


EBML = b"\x1aE\xdf\xa3\x84webm"
SEGMENT = b"\x18S\x80g"


@pytest.mark.parametrize(
    ("data", "needs"),
    [
        (b"RIFF" + struct.pack("<I", 20) + b"AVI " + bytes(16), 20),
        (EBML + SEGMENT + b"\x01\0\0\0\0\0\0\x20" + bytes(32), 9 + 12 + 32),
        (EBML + SEGMENT + b"\xa0" + bytes(32), 9 + 5 + 32),
        (FTYP + box(b"moov") + box(b"moof") + box(b"mdat", bytes(9)), len(FTYP) + 8 + 8 + 17),
    ],
)
def test_videos_that_tell_their_length(data: bytes, needs: int) -> None:
    assert not is_cut_video(io.BytesIO(data))
    assert not is_cut_video(io.BytesIO(data[:needs]))
    assert not is_cut_video(io.BytesIO(data + b"what tools append is no box"))
    assert is_cut_video(io.BytesIO(data[: needs - 1]))


def test_a_video_that_is_cut_between_a_fragment_s_head_and_its_frames() -> None:
    fragment = box(b"moof") + box(b"mdat", bytes(9))
    assert is_cut_video(io.BytesIO(FTYP + box(b"moov") + 2 * fragment + box(b"moof")))
    assert not is_cut_video(io.BytesIO(FTYP + box(b"moov") + 2 * fragment + box(b"free")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"AVI ",  # written where nobody could go back to say
        b"RIFF" + struct.pack("<I", 0) + b"AVI ",  # under way
        b"RIFF" + struct.pack("<I", 999) + b"WEBP",
        EBML + SEGMENT + b"\x01" + b"\xff" * 7,
        EBML + SEGMENT + b"\xff",
        EBML + SEGMENT,
        EBML + SEGMENT + b"\0",
        EBML,
        EBML[:4],
        EBML + b"\xec\x80" + SEGMENT,
        FTYP + box(b"moov") + box(b"mdat", bytes(9))[:-1],  # its index says which frames there are
        FTYP,
    ],
)
def test_videos_of_which_the_length_is_not_known(data: bytes) -> None:
    assert not is_cut_video(io.BytesIO(data))
