"""scripts/make_readme_videos.py: the scene, on small frames, and the verdict on ids, on people made up here."""

import numpy as np
import pytest

from make_readme_videos import (
    BOTTOM,
    COLLINS,
    FILM,
    HOPPER,
    PEOPLE,
    TOP,
    Layer,
    People,
    Photo,
    Stage,
    draw_counter,
    ids_by_person,
    layer_of,
    places,
    report,
    without_fringe,
)
from posecli.opencv import cv2

HW = (90, 160)


def test_people_go_around_each_other() -> None:
    for turn in np.linspace(0, 1, 20):
        one, other = places(turn)
        assert one.aside * other.aside < 1e-6
        assert (one.size - 1) * (other.size - 1) < 1e-6
        assert places(turn + 1)[0] == pytest.approx(one)
    assert places(0)[0].aside < 0 < places(0.5)[0].aside
    assert places(0.25)[0].size > 1.05 > 0.95 > places(0.75)[0].size


def plain(*colour: int) -> Layer:
    """A person who is a box of one colour."""
    return Layer(np.full((60, 30, 3), colour, np.float32), np.ones((60, 30, 1), np.float32), 15.0, 20.0)


def test_the_scene_repeats_and_whoever_is_larger_is_in_front() -> None:
    nothing = np.zeros((*HW, 1), np.float32)
    wall = np.full((*HW, 3), 90, np.float32)
    scene = Stage(wall, wall, nothing, (plain(250, 0, 0), plain(0, 0, 250)), HW[0] / (BOTTOM - TOP))
    assert np.array_equal(scene.frame(0.1), scene.frame(1.1))
    middle = (HW[0] // 2, HW[1] // 2)
    assert scene.frame(0.25)[middle].tolist() == [250, 0, 0]
    assert scene.frame(0.75)[middle].tolist() == [0, 0, 250]
    assert (scene.frame(0.0)[middle] == 90).all()
    assert np.count_nonzero((scene.frame(0.05) != 90).any(axis=2)) < 1.2 * 2 * 60 * 30  # no shadow falls on the wall
    red, green, blue = np.moveaxis(scene.frame(0.2), 2, 0)
    assert np.count_nonzero((red < 2) & (green < 2) & (blue < 240)) > 50  # but on who is close behind


@pytest.mark.parametrize(
    ("photo", "inside", "outside"),
    [(COLLINS, (225, 120), (60, 200)), (HOPPER, (260, 200), (100, 300))],  # faces, flags
    ids=["collins", "hopper"],
)
def test_people_are_cut_out(photo: Photo, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    layer = layer_of(photo, 1 / photo.scale)
    assert layer.cover[inside[::-1]] == 1
    assert layer.cover[outside[::-1]] == 0
    assert 0.4 < layer.cover.mean() < 0.75
    assert (layer.cover[-8:, 60:500] > 0.99).all()  # no hole, nor a soft edge, at the photo's end


def test_the_counter_hides_what_is_below() -> None:
    counter, cover = draw_counter(HW, 60.0, 0.2)
    assert counter.shape == (*HW, 3)
    assert (cover[:59] == 0).all()
    assert (cover[61:] == 1).all()


def test_the_old_background_is_gone_from_the_edge() -> None:
    cover = np.zeros((40, 40), np.float32)
    cv2.circle(cover, (20, 20), 12, 1, cv2.FILLED)
    cover = cv2.GaussianBlur(cover, (0, 0), 1.5)[..., None]
    red, blue = np.array([200, 10, 10], np.float32), np.array([10, 10, 200], np.float32)
    clean = without_fringe(cover * red + (1 - cover) * blue, cover)
    assert np.abs(clean[cover[..., 0] > 0.01] - red).max() < 8


def tracked(*, switched_from: int = FILM.frames, given: tuple[int, int] = (4, 7)) -> list[People]:
    """Both in all frames, the ids the wrong way round from one of them on."""
    frames = []
    for number in range(FILM.frames):
        ids = given if number < switched_from else given[::-1]
        people = zip(ids, places(FILM.way(number / FILM.frames)), strict=True)
        frames.append([(identity, 240 + place.aside) for identity, place in people])
    return frames


def test_each_person_with_an_id_of_their_own_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    frames = tracked()
    frames[3] = frames[3][:1]  # hidden
    assert ids_by_person(FILM, frames) == [{4}, {7}]
    assert report(FILM, frames)
    assert f"2 people, 2 ids; found 89 of 90 times\n{PEOPLE[0].name}: id 4\n" in capsys.readouterr().out


def test_switched_ids_are_wrong() -> None:
    assert not report(FILM, tracked(switched_from=30))


def test_an_id_too_many_is_wrong() -> None:
    frames = tracked()
    frames[5] = [*frames[5], (9, 100.0)]
    assert not report(FILM, frames)


def test_nobody_found_is_wrong() -> None:
    assert not report(FILM, [[] for _ in range(FILM.frames)])
