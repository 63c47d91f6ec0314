#!/usr/bin/env python3
"""Make a video of two people who cross again and again, one behind the other, and whose truth is known.

    python scripts/crossing_composite.py ../shared/videos/one-by-one-person-detection.mp4 -o crossing.mp4

Two walkers are cut out of a video in which people come one by one, by what differs from the empty room. One is
mirrored. Both are put into the empty room and go from side to side, one to the left while the other goes to the right,
at first slowly, at last as fast as people walk. They are in front by turns. Prints how often who is hidden how much;
with -o the pictures become a video, to be looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecli.opencv import cv2
from video_poses import frames_of_video

FRAMES, FPS = 408, 10.0
LAPS_PER_S = (1 / 12, 1 / 6)  # at first and at last
REACH = 0.26  # of the picture's width, to either side of its middle
DIFFERENT = 36  # of 255, in any channel: a person, not noise
SPECK, HOLE = 5, 17  # px: what is smaller is neither person nor gap
FEATHER = 1.5  # px

Image = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True, slots=True)
class Walker:
    """Where in the source video somebody walks up to the table."""

    name: str
    empty: range  # frames shortly before, of the empty room
    walk: range
    mirrored: bool


# Of one-by-one-person-detection.mp4, by eye.
WALKERS = (
    Walker("woman in grey", range(40, 56), range(78, 112), mirrored=False),
    Walker("man in black, mirrored", range(206, 222), range(240, 274), mirrored=True),
)


@dataclass(frozen=True, slots=True)
class CutOut:
    """One person out of one frame."""

    image: Image
    cover: NDArray[np.float32]  # (H, W, 1) in [0, 1]: how much of each pixel is the person

    def over(self, picture: Image) -> Image:
        """The person in another picture of the same size."""
        return np.rint(self.cover * self.image + (1 - self.cover) * picture).astype(np.uint8)

    def moved(self, x: int) -> CutOut:
        """The person further to the right, by px."""
        image, cover = np.zeros_like(self.image), np.zeros_like(self.cover)
        width = image.shape[1]
        here, there = slice(max(-x, 0), width - max(x, 0)), slice(max(x, 0), width - max(-x, 0))
        image[:, there], cover[:, there] = self.image[:, here], self.cover[:, here]
        return CutOut(image, cover)

    @property
    def middle(self) -> float:
        """Where it is, px from the left."""
        return float(np.median(np.nonzero(self.mask)[1]))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W): where the person is."""
        return self.cover[..., 0] >= 0.5


@dataclass(frozen=True, slots=True)
class Shown:
    """How one of the two is in a frame."""

    cut_out: int  # which
    moved: int  # px to the right of where it was in the source video
    visible: float  # share that the other does not hide


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame of the composite, with its truth."""

    time_s: float
    image: Image
    people: tuple[Shown, Shown]


@dataclass(frozen=True, slots=True)
class Composite:
    """An empty room and two people to put into it."""

    room: Image
    people: tuple[Sequence[CutOut], Sequence[CutOut]]

    def scenes(self, count: int = FRAMES) -> Iterator[Scene]:
        """The frames, in order."""
        for i in range(count):
            time_s = i / FPS
            seconds = count / FPS
            first, last = LAPS_PER_S
            laps = first * time_s + (last - first) * time_s**2 / (2 * seconds)
            width = self.room.shape[1]
            aside = REACH * width * np.cos(2 * np.pi * laps)
            shown = [_there_and_back(i, len(each)) for each in self.people]
            cut_outs = [each[k] for each, k in zip(self.people, shown, strict=True)]
            moved = [
                round((width - 1) / 2 + side * aside - each.middle)
                for side, each in zip((1, -1), cut_outs, strict=True)
            ]
            placed = [each.moved(x) for each, x in zip(cut_outs, moved, strict=True)]
            front = int(2 * laps) % 2  # changes where they are furthest apart
            image = placed[front].over(placed[1 - front].over(self.room))
            visible = [1.0, 1.0]
            hidden = placed[0].mask & placed[1].mask
            visible[1 - front] -= float(hidden.sum() / max(placed[1 - front].mask.sum(), 1))
            first_shown, second_shown = (Shown(shown[k], moved[k], visible[k]) for k in (0, 1))
            yield Scene(time_s, image, (first_shown, second_shown))

    def alone(self, person: int, cut_out: int) -> Image:
        """One of the two without the other, where that was in the source video."""
        return self.people[person][cut_out].over(self.room)


def _there_and_back(i: int, count: int) -> int:
    """0, 1 ... count - 1 and back to 1, again and again."""
    return count - 1 - abs(i % (2 * count - 2) - (count - 1))


def make_composite(video: Path, walkers: Sequence[Walker] = WALKERS) -> Composite:
    """Cut the walkers out of the video. Raises ValueError where it is too short."""
    frames = _read(video, sorted({i for walker in walkers for i in (*walker.empty, *walker.walk)}))
    rooms = [np.median([frames[i] for i in walker.empty], axis=0).astype(np.uint8) for walker in walkers]
    first, second = (
        [cut_out(frames[i], room, mirrored=walker.mirrored) for i in walker.walk]
        for walker, room in zip(walkers, rooms, strict=True)
    )
    return Composite(rooms[0], (first, second))


def _read(video: Path, wanted: Sequence[int]) -> Mapping[int, Image]:
    """Frames of a video, by number."""
    frames: dict[int, Image] = {}
    for frame in frames_of_video(video):
        if frame.index in wanted:
            frames[frame.index] = frame.image
        if frame.index >= wanted[-1]:
            return frames
    raise ValueError(f"{video}: ends before frame {wanted[-1]}, which is wanted; is it another video?")


def cut_out(image: Image, room: Image, *, mirrored: bool) -> CutOut:
    """The largest thing in the picture that is not in the room."""
    differs = (cv2.absdiff(image, room).max(axis=2) >= DIFFERENT).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((SPECK, SPECK), np.uint8))
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((HOLE, HOLE), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(differs)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else -1
    cover = cv2.GaussianBlur((labels == largest).astype(np.float32), (0, 0), FEATHER)[..., None]
    if mirrored:
        image, cover = image[:, ::-1], cover[:, ::-1]
    return CutOut(np.ascontiguousarray(image), np.ascontiguousarray(cover))


def write_video(path: Path, scenes: Iterator[Scene]) -> None:
    """Write the pictures with OpenCV's own encoder."""
    writer = None
    for scene in scenes:
        height, width = scene.image.shape[:2]
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
        writer.write(scene.image[..., ::-1])
    if writer is None or not path.exists():
        raise OSError(f"{path}: cannot be written; is its folder there?")
    writer.release()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="one-by-one-person-detection.mp4")
    parser.add_argument("-o", "--output", type=Path, help="a video to write, such as crossing.mp4")
    asked = parser.parse_args(arguments)
    composite = make_composite(asked.video)
    hidden = np.array([1 - min(person.visible for person in scene.people) for scene in composite.scenes()])
    crossings = int((np.diff((hidden >= 0.5).astype(int), prepend=0) == 1).sum())
    print(f"{len(hidden)} frames, {crossings} crossings that hide half of someone or more, at most {hidden.max():.0%}")
    print(f"someone is hidden by half or more in {(hidden >= 0.5).sum()} frames, at all in {(hidden > 0).sum()}")
    if asked.output:
        write_video(asked.output, composite.scenes())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
