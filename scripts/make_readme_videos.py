#!/usr/bin/env python3
"""Make the moving picture and the webcam's picture in the README: docs/tracking.gif and docs/webcam.jpg.

    python scripts/make_readme_videos.py

Two people are cut out of example photos (public domain, see examples/README.md) and put before a drawn wall, where
they walk around each other, so that each hides the other by turns. The GIF is what `posecli annotate` makes of that
clip; the picture is a screenshot of `posecli webcam` while it plays the clip in place of a camera, on an X server
without a screen. It shows the rate of the machine, which had best be idle. Needs Linux with Xvfb, xdotool and import
(Debian: xvfb, xdotool, imagemagick). Prints the ids that posecli gave; exit code 1 where they are not one a person.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from make_examples import cut_out
from posecli.draw import PALETTE
from posecli.opencv import cv2
from posecli.sinks.encoding import VideoWriter
from posecli.sources import read_image

ROOT = Path(__file__).resolve().parents[1]

SETTLED_S = 5.0  # until rates are known and notices gone
WATCHED_S = 4.0
WAIT_S, STEP_S = 60.0, 0.1
JPEG_QUALITY = 92

# The scene, in pixels of the astronaut's photo, y down from the photo's top.
TOP, BOTTOM = -55, 500  # of the frame
EYE_LEVEL = 140.0  # what stays at its height, near or far
COUNTER, COUNTER_DEPTH = 448, 16  # upper edge of what they walk behind, and how far its top is seen
REACH = 200.0  # to either side of the middle
BEGIN = 0.65  # of a turn: where both are well seen
SWAY = 0.03  # of a turn
BOB, STEPS = 3.0, 8  # up and down as they walk, each turn
NEAR = 0.1  # how much larger people are in front, and smaller at the back
SHADE = 0.35  # of a shadow
WALL_DARK, WALL_LIGHT = (58, 74, 88), (170, 196, 210)  # RGB
COUNTER_TOP, COUNTER_FRONT = (196, 178, 150), (124, 95, 68)  # RGB

UNSURE = 4  # px: how far off an outline may be

Outline = tuple[tuple[int, int], ...]  # (x, y) of its corners
Image = NDArray[np.uint8]  # (H, W, 3) RGB
Picture = NDArray[np.float32]  # (H, W, 3) RGB in [0, 255]
Cover = NDArray[np.float32]  # (H, W, 1) in [0, 1]
People = list[tuple[int, float]]  # of a frame: everybody's id, and how far to the right the nose is


@dataclass(frozen=True, slots=True)
class Photo:
    """A portrait, where the person is in it, and how it comes into the scene."""

    name: str
    outline: Outline  # by eye, to UNSURE px
    middle: float  # px from the left
    scale: float
    top: float  # of the photo, in the scene
    beyond: int  # px to add on the right, where the photo cuts a sleeve


COLLINS = Photo(
    "astronaut.jpg",
    (
        *((230, 15), (258, 21), (286, 45), (300, 84), (293, 112), (277, 134), (265, 155), (255, 173), (281, 195)),
        *((300, 220), (305, 234), (328, 253), (347, 281), (355, 300), (362, 328), (363, 349), (375, 346), (398, 344)),
        *((427, 349), (450, 363), (469, 384), (485, 412), (495, 445), (504, 457), (509, 512), (35, 512), (26, 483)),
        *((21, 450), (28, 422), (21, 412), (23, 375), (35, 323), (42, 290), (61, 258), (84, 230), (112, 209)),
        *((114, 187), (124, 173), (145, 157), (164, 150), (183, 149), (180, 133), (162, 112), (155, 84), (185, 37)),
        (201, 21),
    ),
    middle=235,
    scale=1.0,
    top=0.0,
    beyond=0,
)
HOPPER = Photo(
    "grace-hopper.jpg",
    (
        *((256, 23), (284, 28), (301, 43), (325, 51), (345, 66), (352, 86), (367, 91), (371, 117), (372, 147)),
        *((370, 178), (376, 193), (373, 218), (363, 249), (358, 284), (345, 305), (333, 307), (335, 319), (356, 338)),
        *((386, 353), (421, 368), (467, 378), (495, 394), (510, 442), (530, 600), (13, 600), (23, 488), (28, 432)),
        *((46, 391), (66, 376), (112, 361), (157, 345), (196, 325), (203, 312), (201, 299), (178, 287), (162, 269)),
        *((158, 239), (154, 203), (152, 193), (153, 175), (152, 152), (154, 107), (157, 91), (173, 84), (175, 76)),
        *((188, 56), (218, 41), (223, 30), (239, 24)),
    ),
    middle=262,
    scale=0.66,
    top=92.0,
    beyond=32,
)
PEOPLE = (COLLINS, HOPPER)


@dataclass(frozen=True, slots=True)
class Layer:
    """A person, in pixels of the frame."""

    colour: Picture
    cover: Cover
    middle_x: float  # in the layer
    eye_y: float  # in the layer


def layer_of(photo: Photo, scale: float) -> Layer:
    """Cut a person out; `scale` is frame pixels to one of the scene."""
    image = read_image(ROOT / "examples" / photo.name, photo.name)
    image = np.asarray(cv2.copyMakeBorder(image, 0, 0, 0, photo.beyond, cv2.BORDER_REPLICATE), np.uint8)
    cover = cut_out(image, *_on_both_sides(photo.outline, image.shape[:2]))[..., None]
    colour = without_fringe(image.astype(np.float32), cover)
    total = scale * photo.scale
    size = (round(image.shape[1] * total), round(image.shape[0] * total))
    how = cv2.INTER_AREA if total < 1 else cv2.INTER_CUBIC
    colour = cv2.resize(colour, size, interpolation=how).clip(0, 255)
    cover = cv2.resize(cover, size, interpolation=how).clip(0, 1)[..., None]
    return Layer(colour, cover, photo.middle * total, (EYE_LEVEL - photo.top) * scale)


def _on_both_sides(outline: Outline, hw: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """The outline made larger, and smaller: between them it is for GrabCut to find the person's edge."""
    mask = np.zeros(hw, np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * UNSURE + 1, 2 * UNSURE + 1))
    polygons = []
    for changed in (cv2.dilate(mask, disc), cv2.erode(mask, disc)):
        contours, _ = cv2.findContours(changed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points = max(contours, key=len)[:, 0]
        polygons.append([(int(x), int(y)) for x, y in points])
    return polygons


def without_fringe(image: Picture, cover: Cover) -> Picture:
    """The image with the old background gone from the person's edge: colours grow outwards from inside."""
    inside = cv2.erode((cover[..., 0] > 0.98).astype(np.float32), np.ones((3, 3), np.uint8))
    grown, known = image * inside[..., None], inside
    for sigma in (1.0, 2.0, 4.0, 8.0):
        weight = cv2.GaussianBlur(known, (0, 0), sigma)
        spread = cv2.GaussianBlur(grown, (0, 0), sigma) / np.maximum(weight, 1e-6)[..., None]
        new = ((known == 0) & (weight > 1e-3))[..., None]
        grown = np.where(new, spread, grown)
        known = np.where(new[..., 0], 1, known).astype(np.float32)
    return np.where(inside[..., None] > 0, image, grown).astype(np.float32)


class Place(NamedTuple):
    """Where somebody is."""

    aside: float  # px of the scene to the right of its middle
    lower: float  # px of the scene below the usual height
    size: float  # larger in front


def places(turn: float) -> list[Place]:
    """Where all are after `turn` turns, on a circle seen from the side."""
    found = []
    for i in range(len(PEOPLE)):
        angle = 2 * math.pi * (turn + i / len(PEOPLE))
        size = 1 / (1 - NEAR * math.sin(angle))
        found.append(Place(-REACH * size * math.cos(angle), BOB * math.cos(STEPS * angle), size))
    return found


@dataclass(frozen=True, slots=True)
class Stage:
    """The wall, the counter, and the people between them."""

    wall: Picture
    counter: Picture
    counter_cover: Cover
    layers: tuple[Layer, ...]
    scale: float  # frame pixels to one of the scene

    def frame(self, turn: float) -> Image:
        """The scene after `turn` turns, the same after each whole one."""
        picture = self.wall
        people = np.zeros((*picture.shape[:2], 1), np.float32)  # cover of all who are there already
        for place, layer in sorted(zip(places(turn), self.layers, strict=True), key=lambda each: each[0].size):
            colour, cover = self._placed(layer, place)
            picture = picture * (1 - self._shadow(cover) * people) * (1 - cover) + colour
            people = people + cover - people * cover
        picture = picture * (1 - self.counter_cover) + self.counter * self.counter_cover
        return np.rint(picture.clip(0, 255)).astype(np.uint8)

    def _placed(self, layer: Layer, place: Place) -> tuple[Picture, Cover]:
        """A person in the frame: colours times cover, and cover."""
        height, width = self.wall.shape[:2]
        x = width / 2 + place.aside * self.scale
        y = (EYE_LEVEL - TOP + place.lower) * self.scale
        size = place.size
        moves = np.array([[size, 0, x - size * layer.middle_x], [0, size, y - size * layer.eye_y]])
        both = np.concatenate([layer.colour * layer.cover, layer.cover], axis=2)
        placed = cv2.warpAffine(both, moves, (width, height), flags=cv2.INTER_LINEAR)
        return placed[..., :3], placed[..., 3:]

    def _shadow(self, cover: Cover) -> Cover:
        """How much darker somebody makes those behind: softly, a little to the right and below."""
        moves = np.array([[1, 0, 6 * self.scale], [0, 1, 10 * self.scale]])
        moved = cv2.warpAffine(cover, moves, cover.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        return SHADE * cv2.GaussianBlur(moved, (0, 0), 14 * self.scale)[..., None]


def stage(hw: tuple[int, int]) -> Stage:
    """Everything at the size of the frame."""
    scale = hw[0] / (BOTTOM - TOP)
    edge = (COUNTER - TOP) * scale
    counter, cover = draw_counter(hw, edge, scale)
    return Stage(draw_wall(hw), counter, cover, tuple(layer_of(photo, scale) for photo in PEOPLE), scale)


def draw_wall(hw: tuple[int, int]) -> Picture:
    """A plain wall, lit from above the middle."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in hw)
    light = np.exp(-(x[None] ** 2 * 0.9 + (y[:, None] + 0.25) ** 2 * 0.7))[..., None]
    return (np.array(WALL_DARK) * (1 - light) + np.array(WALL_LIGHT) * light).astype(np.float32)


def draw_counter(hw: tuple[int, int], edge: float, scale: float) -> tuple[Picture, Cover]:
    """What people stand behind: a top, seen from a little above, and a front."""
    y, x = np.arange(hw[0], dtype=np.float32)[:, None, None], np.linspace(-1, 1, hw[1], dtype=np.float32)[:, None]
    front_edge = edge + COUNTER_DEPTH * scale
    light = 1 - 0.25 * x**2
    down = ((y - front_edge) / (hw[0] - front_edge)).clip(0, 1)  # 0 to 1 over its front
    is_front = (y - front_edge + 0.5).clip(0, 1)
    picture = light * (np.array(COUNTER_TOP) * (1 - is_front) + np.array(COUNTER_FRONT) * (1 - 0.3 * down) * is_front)
    cover = np.broadcast_to((y - edge + 0.5).clip(0, 1), (*hw, 1))
    return picture.astype(np.float32), cover.astype(np.float32)


def around(phase: float) -> float:
    """One turn, from where both are well seen."""
    return BEGIN + phase


def to_and_fro(phase: float) -> float:
    """Side by side, a little forward and back, as people before a webcam."""
    return SWAY * (1 + math.sin(2 * math.pi * phase))


@dataclass(frozen=True, slots=True)
class Take:
    """A clip of the scene, which repeats."""

    way: Callable[[float], float]  # turns made, by the phase in [0, 1)
    hw: tuple[int, int]
    fps: Fraction
    frames: int  # until it repeats
    times: int
    crf: int  # the clip is to be no worse than what is made of it


FILM = Take(around, (270, 480), Fraction(10), 45, times=1, crf=6)
CAMERA = Take(to_and_fro, (540, 960), Fraction(25), 75, times=20, crf=12)


def write_clip(path: Path, take: Take) -> None:
    """The scene as a video."""
    scene = stage(take.hw)
    frames = [scene.frame(take.way(number / take.frames)) for number in range(take.frames)]
    with VideoWriter(path, take.hw, time_base=1 / take.fps, crf=take.crf, fps=float(take.fps)) as writer:
        for number in range(take.times * take.frames):
            writer.write(writer.prepare(frames[number % take.frames]), float(number / take.fps))


def annotated(clip: Path, folder: Path) -> tuple[Path, list[People]]:
    """What `posecli annotate` makes of a clip: a GIF; and who is in each frame."""
    poses = folder / "poses.jsonl"
    options = ("--labels", "--smooth", "--codec", "gif", "--output", str(folder), "--poses", str(poses))
    subprocess.run([sys.executable, "-m", "posecli", "annotate", str(clip), *options], check=True)
    lines = [json.loads(line)["poses"] for line in poses.read_text().splitlines()]
    return folder / f"{clip.stem}.gif", [[(p["id"], p["keypoints"][0]["x"]) for p in line] for line in lines]


def ids_by_person(take: Take, frames: Sequence[People]) -> list[set[int]]:
    """The ids of each person, by who is further to the left wherever they are well apart."""
    ids: list[set[int]] = [set() for _ in PEOPLE]
    for number, people in enumerate(frames):
        aside = [place.aside for place in places(take.way(number / take.frames))]
        if len(people) == len(PEOPLE) and np.ptp(aside) > REACH:
            found = [identity for identity, _ in sorted(people, key=lambda person: person[1])]
            for person, identity in zip(np.argsort(aside), found, strict=True):
                ids[person].add(identity)
    return ids


def report(take: Take, frames: Sequence[People]) -> bool:
    """Print how the people fared, and return whether each has one id, and there is no other."""
    given = {identity for people in frames for identity, _ in people}
    by_person = ids_by_person(take, frames)
    found = sum(len(people) for people in frames)
    print(f"{len(PEOPLE)} people, {len(given)} ids; found {found} of {len(PEOPLE) * len(frames)} times")
    for photo, ids in zip(PEOPLE, by_person, strict=True):
        print(f"{photo.name}: id {', '.join(map(str, sorted(ids)))}")
    return all(len(ids) == 1 for ids in by_person) and len(given) == len(set().union(*by_person)) == len(PEOPLE)


@contextmanager
def screen(hw: tuple[int, int]) -> Iterator[dict[str, str]]:
    """An X server without a screen, as an environment for programs."""
    reading, writing = os.pipe()
    size = f"{hw[1]}x{hw[0]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            yield {**os.environ, "DISPLAY": f":{numbers.readline().strip()}"}
    finally:
        server.terminate()
        server.wait(WAIT_S)


def watched(clip: Path, folder: Path) -> Image:
    """The window of `posecli webcam` as it plays and records the clip, when people are seen best."""
    with screen(CAMERA.hw) as environment:
        command = [sys.executable, "-m", "posecli", "webcam", "--source", str(clip), "--labels"]
        process = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            end = time.monotonic() + WAIT_S
            while seen(look(environment)) == 0:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("posecli webcam shows nobody")
                time.sleep(STEP_S)
            press("r", environment)
            time.sleep(SETTLED_S)
            best = best_look(environment, time.monotonic() + WATCHED_S)
            press("q", environment)
            process.wait(WAIT_S)
        finally:
            process.kill()
            process.wait()
    return best


def best_look(environment: dict[str, str], until_s: float) -> Image:
    """Of the pictures until then, the one with the most of whoever is seen least."""
    best = look(environment)
    while time.monotonic() < until_s:
        time.sleep(STEP_S)
        best = max(best, look(environment), key=seen)
    return best


def press(key: str, environment: dict[str, str]) -> None:
    subprocess.run(["xdotool", "key", key], env=environment, check=True)


def look(environment: dict[str, str]) -> Image:
    """The whole screen."""
    command = ["import", "-silent", "-window", "root", "png:-"]
    data = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    return np.ascontiguousarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


def seen(image: Image) -> int:
    """Pixels in the colour of the person who has the fewest of theirs."""
    colours = [PALETTE[identity][:3] for identity in range(1, len(PEOPLE) + 1)]
    return min(int((np.abs(image.astype(int) - colour).max(axis=2) <= 6).sum()) for colour in colours)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs", metavar="DIR", help="default: docs")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clip(folder / "clip.mp4", FILM)
        gif, frames = annotated(folder / "clip.mp4", folder / "annotated")
        is_right = report(FILM, frames)
        write_clip(folder / "camera.mp4", CAMERA)
        picture = watched(folder / "camera.mp4", folder)
        made = {asked.output / "tracking.gif": gif.read_bytes(), asked.output / "webcam.jpg": jpeg(picture)}
    for path, data in made.items():
        path.write_bytes(data)
        print(f"{len(data):8d}  {path}")
    return 0 if is_right else 1


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


if __name__ == "__main__":
    raise SystemExit(main())
