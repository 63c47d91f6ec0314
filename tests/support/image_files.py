"""Image files that OpenCV cannot write: with EXIF, with TIFF tags, in CMYK. Made byte by byte, as the formats say."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# Which side of the scene the stored image's first row and first column show, by EXIF orientation (TIFF 6.0, tag 274).
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def gradient(height: int, width: int) -> NDArray[np.uint8]:
    """An image (height, width, 3) whose four corners and three channels all differ, and that every codec keeps well."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    return np.stack([red, green, (red + green) / 4], axis=-1).astype(np.uint8)


def stored(scene: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """How a camera stores a scene with an orientation: by the definition, pixel for pixel."""
    first_row, first_column = SIDES[orientation]
    swapped = first_row in ("left", "right")
    height, width = scene.shape[:2]
    image = np.zeros((width, height, 3) if swapped else (height, width, 3), np.uint8)
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            x, y = (r, c) if swapped else (c, r)
            right = "right" in (first_row, first_column)
            bottom = "bottom" in (first_row, first_column)
            image[r, c] = scene[height - 1 - y if bottom else y, width - 1 - x if right else x]
    return image


def directory(tags: dict[int, tuple[int, int, bytes]], order: str = "<") -> bytes:
    """A TIFF header with one directory: tag -> (type, count, four bytes)."""
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, count) + value for tag, (kind, count, value) in tags.items()
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(tags)) + entries + b"\0" * 4


def short(value: int, order: str = "<") -> tuple[int, int, bytes]:
    return 3, 1, struct.pack(order + "HH", value, 0)


def long(value: int) -> tuple[int, int, bytes]:
    return 4, 1, struct.pack("<I", value)


def exif_block(orientation: int, order: str = "<") -> bytes:
    return directory({0x0100: short(1, order), 0x0112: short(orientation, order)}, order)


def jpeg_with_exif(jpeg: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    body = b"Exif\0\0" + exif_block(orientation) + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with_exif(png: bytes, orientation: int) -> bytes:
    header_end = 8 + 12 + 13
    return png[:header_end] + chunk(b"eXIf", exif_block(orientation)) + png[header_end:]


def webp_with_exif(webp: bytes, orientation: int, shape: tuple[int, int]) -> bytes:
    """The extended form of a plain WebP file; OpenCV's newest versions write it themselves."""
    picture = webp[12:]
    if picture.startswith(b"VP8X"):
        picture = picture[18:]
    height, width = shape
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    exif = exif_block(orientation)
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + canvas + picture
    body = b"WEBP" + extended + b"EXIF" + struct.pack("<I", len(exif)) + exif
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(name: bytes, *bodies: bytes) -> bytes:
    """A box of an ISO media file."""
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + name + body


def tiff(image: NDArray[np.uint8] | NDArray[np.uint16], orientation: int) -> bytes:
    """An uncompressed TIFF of (H, W) grey or (H, W, 3) RGB."""
    height, width = image.shape[:2]
    channels, bits = image.size // (height * width), image.itemsize * 8
    photometric = 2 if channels == 3 else 1  # RGB, or black is 0
    tags = {
        0x0100: short(width), 0x0101: short(height), 0x0102: (3, 3, b"BITS") if channels == 3 else short(bits),
        0x0103: short(1), 0x0106: short(photometric), 0x0111: (4, 1, b"DATA"), 0x0112: short(orientation),
        0x0115: short(channels), 0x0116: short(height), 0x0117: long(image.nbytes),
    }  # fmt: skip
    head = directory(tags)
    bits_at = len(head)
    head = head.replace(b"BITS", struct.pack("<I", bits_at)).replace(b"DATA", struct.pack("<I", bits_at + 6))
    return head + struct.pack("<HHH", bits, bits, bits) + image.astype(image.dtype.newbyteorder("<")).tobytes()


def cmyk_jpeg(cmyk: tuple[int, int, int, int]) -> bytes:
    """A baseline JPEG of 8 x 8 px in one colour, four channels as Adobe stores them (inverted: 255 is no ink)."""

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")  # transform 0: CMYK
    quantisation = segment(0xDB, b"\0" + b"\1" * 64)
    frame = segment(0xC0, b"\x08\0\x08\0\x08\4" + b"".join(bytes([i, 0x11, 0]) for i in range(1, 5)))
    dc = segment(0xC4, b"\0" + bytes([0, 0, 0, 12, *[0] * 12]) + bytes(range(12)))  # category k: four bits, k
    ac = segment(0xC4, b"\x10" + bytes([1, *[0] * 15]) + b"\0")  # end of block: one bit, 0
    scan = segment(0xDA, b"\4" + b"".join(bytes([i, 0]) for i in range(1, 5)) + b"\0\x3f\0")
    bits = ""
    for value in cmyk:
        dc_value = (value - 128) * 8
        size = abs(dc_value).bit_length()
        code = dc_value if dc_value >= 0 else dc_value + (1 << size) - 1
        bits += f"{size:04b}" + (f"{code:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + adobe + quantisation + frame + dc + ac + scan + data + b"\xff\xd9"
