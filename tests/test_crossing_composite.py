"""scripts/crossing_composite.py: cutting people out and putting them together, on pictures made here."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import crossing_composite
from crossing_composite import Composite, Walker, cut_out, main, make_composite
from posecli.opencv import cv2
from posecli.sources import Frame

HEIGHT, WIDTH = 90, 160
ROOM = np.random.default_rng(0).integers(100, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8)
WALKERS = (
    Walker("left", range(3), range(3, 8), mirrored=False),
    Walker("right", range(8, 11), range(11, 16), mirrored=True),
)


def room_with(x: int | None, colour: int = 250) -> NDArray[np.uint8]:
    """The room with a box of 20 x 40 px from column x on, and a speck that is nobody."""
    image = ROOM.copy()
    image[2:4, 2:4] = 0
    if x is not None:
        image[25:65, x : x + 20] = colour
    return image


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Frames 3 to 7 have somebody on the left, frames 11 to 15 somebody darker, a little further to the right."""
    places = {**{i: (30 + i, 250) for i in range(3, 8)}, **dict.fromkeys(range(11, 16), (40, 10))}
    frames = [room_with(*places.get(i, (None, 0))) for i in range(18)]
    monkeypatch.setattr(
        crossing_composite,
        "frames_of_video",
        lambda _: (Frame(image, i, i / 10, "v") for i, image in enumerate(frames)),
    )
    monkeypatch.setattr(crossing_composite, "WALKERS", WALKERS)
    return Path("video.mp4")


def made(video: Path) -> Composite:
    return make_composite(video, WALKERS)


@pytest.mark.parametrize("mirrored", [False, True])
def test_who_is_not_in_the_room_is_cut_out(mirrored: bool) -> None:
    person = cut_out(room_with(30), ROOM, mirrored=mirrored)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[25:65, 30:50] = True
    if mirrored:
        expected = expected[:, ::-1]
    assert (person.mask != expected).mean() < 0.01
    assert person.middle == pytest.approx(39.5 if not mirrored else WIDTH - 1 - 39.5, abs=1)
    inside = person.over(np.zeros((HEIGHT, WIDTH, 3), np.uint8))[35:55][:, np.flatnonzero(expected[40])[5:-5]]
    assert (inside == 250).all()
    assert not cut_out(ROOM, ROOM, mirrored=mirrored).mask.any()


@pytest.mark.parametrize("x", [0, 25, -25, 130, -60])
def test_a_cut_out_is_moved_and_what_leaves_the_picture_is_gone(x: int) -> None:
    person = cut_out(room_with(30), ROOM, mirrored=False)
    columns = np.flatnonzero(person.mask.any(axis=0)) + x
    columns = columns[(columns >= 0) & (columns < WIDTH)]
    np.testing.assert_array_equal(np.flatnonzero(person.moved(x).mask.any(axis=0)), columns)


def test_the_two_cross_and_the_truth_says_where_they_are(video: Path) -> None:
    composite = made(video)
    scenes = list(composite.scenes(200))
    assert [scene.time_s for scene in scenes] == [i / 10 for i in range(200)]
    sides, hidden = [], []
    for scene in scenes:
        first, second = (composite.people[k][shown.cut_out].moved(shown.moved) for k, shown in enumerate(scene.people))
        sides.append(np.sign(first.middle - second.middle))
        hidden.append([1 - shown.visible for shown in scene.people])
        assert (first.middle + second.middle) / 2 == pytest.approx((WIDTH - 1) / 2, abs=1.5)
        both = first.mask & second.mask
        assert min(hidden[-1]) == 0
        assert max(hidden[-1]) == pytest.approx(both.sum() / first.mask.sum(), abs=0.05)
        front = int(hidden[-1][1] == 0 and hidden[-1][0] > 0)
        middle = round((first, second)[front].middle)
        assert (np.abs(scene.image[35:55, middle - 4 : middle + 5].astype(int) - (250, 10)[front]) < 5).all()
    changes = np.flatnonzero(np.diff(sides))
    assert len(changes) >= 4
    assert max(max(pair) for pair in hidden) > 0.8
    front = np.array(hidden).argmin(axis=1)[np.array(hidden).max(axis=1) > 0.5]
    assert set(front.tolist()) == {0, 1}  # by turns


def test_one_without_the_other_is_where_they_were(video: Path) -> None:
    composite = made(video)
    alone = composite.alone(0, 2)
    assert (alone[45, 40:48] == 250).all()
    assert np.abs(alone.astype(int) - ROOM)[:, 90:].max() < 10


def test_a_video_that_is_too_short_is_not_the_right_one(video: Path) -> None:
    with pytest.raises(ValueError, match=r"video.mp4: ends before frame 29"):
        make_composite(video, (Walker("late", range(2), range(20, 30), mirrored=False),) * 2)


def test_the_program(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crossing_composite, "make_composite", lambda video: make_composite(video, WALKERS))
    assert main([str(video)]) == 0
    assert main([str(video), "-o", str(tmp_path / "out.mp4")]) == 0
    assert "408 frames" in capsys.readouterr().out
    reader = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert reader.isOpened()
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 408
    reader.release()
    with pytest.raises(OSError, match=r"absent.* cannot be written"):
        main([str(video), "-o", str(tmp_path / "absent" / "out.mp4")])
