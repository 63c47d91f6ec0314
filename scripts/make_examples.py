#!/usr/bin/env python3
"""Make the photos of examples/ and src/posecli/assets/example.jpg out of freely licensed pictures in PyPI packages.

Get the packages, unpack them all into one folder and name that folder:

    python -m pip download --no-deps --only-binary :all: scikit-image==0.22.0 matplotlib==3.9.2
    python -m pip download --no-deps --only-binary :all: --python-version 3.10 scipy==1.9.3
    for wheel in *.whl; do unzip -qo "$wheel" -d sources; done
    python scripts/make_examples.py sources

What is read (authors and licences stand in examples/README.md):

    skimage/data/astronaut.png                          Eileen Collins, NASA, public domain
    skimage/data/camera.png                             cameraman, Lav Varshney, CC0
    matplotlib/mpl-data/sample_data/grace_hopper.jpg    Grace Hopper, US Navy, public domain
    scipy/misc/ascent.dat                               people on stairs, public domain

What is made: astronaut.jpg, cameraman.png and stairs.jpg (greyscale), grace-hopper.jpg (portrait format, as it was),
two-pioneers.jpg and portrait-wall.jpg (several people, our own compositions), sideways.jpg (EXIF orientation 6).
Only numpy and OpenCV are needed.
"""

import argparse
import pickle
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ASTRONAUT = "skimage/data/astronaut.png"
CAMERAMAN = "skimage/data/camera.png"
HOPPER = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"
STAIRS = "scipy/misc/ascent.dat"


class PlainUnpickler(pickle.Unpickler):
    """Reads lists and numbers only."""

    def find_class(self, module: str, name: str) -> None:
        """Refuse a pickle that names any class or function."""
        raise pickle.UnpicklingError(f"unexpected {module}.{name}")


def read(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise SystemExit(f"cannot read {path}: see the top of this script for the packages to unpack")
    return image


def read_stairs(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        image = np.array(PlainUnpickler(file).load(), dtype=np.uint8)
    smooth = cv2.medianBlur(image, 3)  # a few pixels wrapped around (black in white or the reverse): mend them
    return np.where(cv2.absdiff(image, smooth) > 120, smooth, image)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def with_orientation(data: bytes, orientation: int) -> bytes:
    """Put an APP1 segment with the EXIF orientation tag (274, one SHORT) right behind the JPEG's start marker."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def cut_out(image: np.ndarray, person: list[tuple[int, int]], core: list[tuple[int, int]]) -> np.ndarray:
    """Soft mask (0 to 1) of a person: GrabCut between an outer polygon, and an inner one that surely is the person."""
    mask = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillPoly(mask, [np.array(person, np.int32)], cv2.GC_PR_FGD)
    cv2.fillPoly(mask, [np.array(core, np.int32)], cv2.GC_FGD)
    cv2.setRNGSeed(1)
    cv2.grabCut(image, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    inside = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.3)


def two_pioneers(astronaut: np.ndarray, hopper: np.ndarray, width: int = 760) -> np.ndarray:
    """Grace Hopper, cut out, beside Eileen Collins; the light studio backdrop goes on to the right."""
    height, old = astronaut.shape[:2]
    edge = cv2.resize(astronaut[:240, 474:484].mean(axis=1, keepdims=True).astype(np.float32), (1, height))
    backdrop = np.repeat(cv2.GaussianBlur(edge, (1, 0), 0, sigmaY=12), width, axis=1)
    start = np.where(np.arange(height) < 272, 476, old - 8)[:, None]  # above the model's dark table, and beside it
    ramp = np.clip((np.arange(width)[None] - start) / (old - 1 - start), 0, 1)[..., None].astype(np.float32)
    scene = cv2.copyMakeBorder(astronaut, 0, 0, 0, width - old, cv2.BORDER_REPLICATE) * (1 - ramp) + backdrop * ramp
    grain = np.random.default_rng(1).normal(0, 3, (height, width, 1)).astype(np.float32)
    scene += cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None] * ramp

    person = [(145, 150), (160, 70), (200, 15), (300, 15), (375, 80), (380, 140), (384, 200), (365, 290), (335, 325)]
    person += [(400, 345), (490, 380), (511, 430), (511, 599), (0, 599), (30, 420), (50, 368), (150, 335)]
    person += [(201, 318), (199, 296), (172, 284), (148, 200)]
    core = [(190, 60), (300, 50), (340, 120), (350, 250), (320, 330), (440, 390), (490, 590), (40, 590), (60, 400)]
    core += [(190, 365), (206, 325), (206, 295), (182, 260), (180, 130)]
    mask = cut_out(hopper, person, core)
    scale = 0.66
    size = (round(hopper.shape[1] * scale), round(hopper.shape[0] * scale))
    person_pixels = resize(hopper, *size).astype(np.float32)
    alpha = resize(mask, *size)[..., None]
    top, left = height - size[1], width - size[0] + 8
    right = min(width, left + size[0])
    alpha, person_pixels = alpha[:, : right - left], person_pixels[:, : right - left]
    area = scene[top:, left:right]
    scene[top:, left:right] = area * (1 - alpha) + person_pixels * alpha
    return np.clip(scene, 0, 255).astype(np.uint8)


def hang(wall: np.ndarray, picture: np.ndarray, centre: tuple[int, int], mat: int = 16, frame: int = 9) -> None:
    """Hang a picture on the wall: white mat, dark wooden frame, soft shadow."""
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    white, wood = (236, 240, 242), (38, 48, 62)
    picture = cv2.copyMakeBorder(picture, mat, mat, mat, mat, cv2.BORDER_CONSTANT, value=white)
    picture = cv2.copyMakeBorder(picture, frame, frame, frame, frame, cv2.BORDER_CONSTANT, value=wood)
    height, width = picture.shape[:2]
    top, left = centre[1] - height // 2, centre[0] - width // 2
    shadow = np.zeros(wall.shape[:2], np.float32)
    shadow[top + 10 : top + height + 10, left + 5 : left + width + 5] = 0.4
    wall[:] = (wall * (1 - cv2.GaussianBlur(shadow, (0, 0), 9)[..., None])).astype(np.uint8)
    wall[top : top + height, left : left + width] = picture


def gallery(height: int, width: int, *hung: tuple[np.ndarray, tuple[int, int]]) -> np.ndarray:
    """Photos in frames on one wall, lit from above, each with the place (x, y) of its middle."""
    light = np.linspace(1.02, 0.86, height)[:, None] * (1 - 0.1 * np.abs(np.linspace(-1, 1, width))[None, :] ** 2)
    grain = np.random.default_rng(2).normal(0, 1.5, (height, width, 1))
    wall = np.clip(light[..., None] * np.array([186, 196, 200]) + grain, 0, 255).astype(np.uint8)
    for picture, centre in hung:
        hang(wall, picture, centre)
    return wall


def main() -> None:
    parser = argparse.ArgumentParser(description="Make examples/ out of pictures in unpacked PyPI packages.")
    parser.add_argument("sources", type=Path, help="folder with the unpacked wheels")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to write into (default: this one)")
    args = parser.parse_args()
    sources: Path = args.sources
    astronaut, hopper = read(sources / ASTRONAUT), read(sources / HOPPER)
    cameraman, stairs = read(sources / CAMERAMAN, cv2.IMREAD_GRAYSCALE), read_stairs(sources / STAIRS)

    examples: Path = args.root / "examples"
    assets: Path = args.root / "src" / "posecli" / "assets"
    examples.mkdir(parents=True, exist_ok=True)
    assets.mkdir(parents=True, exist_ok=True)
    pioneers = jpeg(two_pioneers(astronaut, hopper))
    wall = gallery(
        *(560, 1200),
        (resize(hopper, 250, 293), (207, 280)),
        (resize(astronaut, 340, 340), (590, 270)),
        (resize(cameraman, 280, 280), (983, 285)),
    )
    upright = gallery(*(960, 600), (resize(astronaut, 380, 380), (300, 260)), (resize(cameraman, 330, 330), (300, 700)))
    made = {
        examples / "astronaut.jpg": jpeg(astronaut),
        examples / "stairs.jpg": jpeg(stairs),
        examples / "two-pioneers.jpg": pioneers,
        examples / "portrait-wall.jpg": jpeg(wall),
        examples / "sideways.jpg": with_orientation(jpeg(np.rot90(upright)), 6),
        assets / "example.jpg": pioneers,
    }
    copied = {examples / "cameraman.png": sources / CAMERAMAN, examples / "grace-hopper.jpg": sources / HOPPER}
    for path, source in copied.items():
        shutil.copyfile(source, path)
    for path, data in made.items():
        path.write_bytes(data)
    for path in sorted([*copied, *made]):
        print(f"{path.stat().st_size:8d}  {path.relative_to(args.root)}")


if __name__ == "__main__":
    main()
