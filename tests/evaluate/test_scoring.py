"""Scores against pycocotools called by hand."""

import contextlib
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coco_datasets import PERSON, dataset, person, result, write
from posecli.coco import read_annotations
from posecli.errors import MissingDependencyError
from posecli.evaluate.scoring import STATS, Match, matches_of, score

pytest.importorskip("pycocotools")


def by_hand(path: Path, results: list[dict[str, Any]], image_ids: list[int] | None = None) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluation = COCOeval(truth, truth.loadRes(json.loads(json.dumps(results))), "keypoints")
        if image_ids is not None:
            evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.fixture
def people(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Two people on each of 12 images, with crowds, people without keypoints and parts unlabelled among them."""
    return [
        person(
            number,
            image_id=number // 2,
            left=60 * (number % 2),
            side=float(rng.integers(40, 130)),
            labelled=int(rng.integers(0, 18)),
            iscrowd=int(rng.random() < 0.1),
        )
        for number in range(1, 25)
    ]


@pytest.fixture
def guesses(people: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Poses of every quality, some people missed, some found twice, with scores that tie."""
    return [
        result(each, float(rng.integers(0, 8)) / 8, float(rng.normal(0, 4)))
        for each in people
        for _ in range(rng.integers(0, 3))
    ]


@pytest.mark.parametrize("image_ids", [None, [3, 5, 6, 11]])
def test_as_pycocotools_by_hand(
    tmp_path: Path, people: list[dict[str, Any]], guesses: list[dict[str, Any]], image_ids: list[int] | None
) -> None:
    path = write(tmp_path / "a.json", dataset(people, list(range(13))))
    expected = by_hand(path, guesses, image_ids)
    measured = score(read_annotations(path), range(13) if image_ids is None else image_ids, guesses)
    assert 0.05 < measured.stats["AP"] < 0.95
    assert list(measured.stats) == list(STATS)
    assert list(measured.stats.values()) == expected.stats.tolist()
    assert matches_of(expected.evalImgs[: len(measured.images)]).average_precision(
        np.ones(len(measured.images), np.intp)
    ) == pytest.approx(measured.stats["AP"], abs=1e-12)


def test_parts_add_up_to_pycocotools_oks(
    tmp_path: Path, people: list[dict[str, Any]], guesses: list[dict[str, Any]]
) -> None:
    """Over all matched people, the shares of the parts make the OKS that pycocotools has computed."""
    path = write(tmp_path / "a.json", dataset(people, list(range(13))))
    expected = by_hand(path, guesses)
    measured = score(read_annotations(path), range(13), guesses)
    for image_id, found in zip(expected.params.imgIds, expected.evalImgs, strict=False):
        if found is None:
            continue
        where = {gt["id"]: index for index, gt in enumerate(expected._gts[image_id, 1])}
        oks = [
            expected.ious[image_id, 1][found["dtIds"].index(pose), where[gt]]
            for gt, ignored, pose in zip(found["gtIds"], found["gtIgnore"], found["gtMatches"][0], strict=True)
            if not ignored and pose
        ]
        image = measured.images[image_id]
        assert (image.matched, image.annotated) == (len(oks), int(np.sum(found["gtIgnore"] == 0)))
        assert image.oks == (pytest.approx(sum(oks) / image.annotated) if image.annotated else None)


def test_a_perfect_prediction(tmp_path: Path) -> None:
    people = [person(1, 3, side=110), person(2, 3, left=70, labelled=9), person(3, 4, side=40)]
    path = write(tmp_path / "a.json", dataset(people, [3, 4, 5]))
    measured = score(read_annotations(path), [3, 4, 5], [result(each) for each in people])
    assert list(measured.stats.values()) == pytest.approx([1.0] * 10, abs=1e-12)
    assert measured.interval == pytest.approx((1.0, 1.0))
    assert measured.part_oks == pytest.approx(1.0)
    assert measured.part_counts.tolist() == [3] * 9 + [2] * 8
    assert (measured.annotated, measured.found, measured.matched) == (3, 3, 3)
    assert [image.oks for image in measured.images.values()] == [1.0, 1.0, None]


def test_a_part_that_is_off_costs_only_itself(tmp_path: Path) -> None:
    truth = person(1, 3)
    path = write(tmp_path / "a.json", dataset([truth], [3]))
    guess = result(truth)
    guess["keypoints"][0] += 4.0  # the nose, px
    measured = score(read_annotations(path), [3], [guess])
    assert measured.part_oks[0] == pytest.approx(math.exp(-(4.0**2) / (2 * truth["area"] * (2 * 0.026) ** 2)))
    assert measured.part_oks[1:] == pytest.approx(1.0)


def test_who_is_matched_with_what(tmp_path: Path) -> None:
    people = [person(11, 3), person(12, 3, left=70), person(13, 4)]
    path = write(tmp_path / "a.json", dataset(people, [3, 4]))
    guesses = [result(people[2], moved=1), result(person(9, 3, top=2000)), result(people[1])]
    measured = score(read_annotations(path), [3, 4], guesses)
    assert measured.images[3].matches == (Match(person=12, pose=2, oks=1.0),)
    (match,) = measured.images[4].matches
    assert (match.person, match.pose, match.oks) == (13, 0, measured.images[4].oks)
    assert 0.5 < match.oks < 1


def test_keys_of_other_kinds_of_results_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", dataset([person(1, 3)], [3]))
    more = {"bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3]], "caption": "x"}
    guess = result(person(1, 3), moved=3)
    annotations = read_annotations(path)
    assert score(annotations, [3], [{**guess, **more}]).stats == score(annotations, [3], [guess]).stats


def test_who_is_missed_counts_zero(tmp_path: Path) -> None:
    people = [person(1, 3), person(2, 3, left=70)]
    path = write(tmp_path / "a.json", dataset(people, [3]))
    measured = score(read_annotations(path), [3], [result(people[1])])
    assert measured.images[3].oks == 0.5
    assert measured.images[3].matched == 1


def test_nobody_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", dataset([person(1, 3)], [3]))
    measured = score(read_annotations(path), [3], [])
    assert measured.stats["AP"] == 0
    assert measured.interval == (0, 0)
    assert np.isnan(measured.part_oks).all()
    assert (measured.annotated, measured.found, measured.matched) == (1, 0, 0)


@pytest.mark.parametrize("found", [False, True])
def test_nobody_annotated(tmp_path: Path, found: bool) -> None:
    path = write(tmp_path / "a.json", dataset([], [3]))
    measured = score(read_annotations(path), [3], [result(person(1, 3))] * found)
    assert set(measured.stats.values()) == {-1}
    assert measured.interval is None
    assert (measured.annotated, measured.found) == (0, int(found))


def test_only_people_count(tmp_path: Path) -> None:
    """Other categories, listed or not, and their results change nothing, good or bad."""
    dog = {**person(5, 3), "category_id": 18}
    alien = {**person(6, 3), "category_id": 77}
    document = dataset([person(1, 3), dog, alien], [3], [PERSON, {"id": 18, "name": "dog"}])
    path = write(tmp_path / "a.json", document)
    measured = score(read_annotations(path), [3], [result(person(1, 3)), {**result(dog, moved=50), "category_id": 18}])
    assert measured.stats["AP"] == pytest.approx(1.0)
    assert (measured.annotated, measured.found) == (1, 1)


def test_scoring_leaves_the_results_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", dataset([person(1, 3)], [3]))
    results = [result(person(1, 3))]
    score(read_annotations(path), [3], results)
    assert results == [result(person(1, 3))]


def test_pycocotools_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.json", dataset([person(1, 3)], [3]))
    score(read_annotations(path), [3], [result(person(1, 3))])
    assert capsys.readouterr() == ("", "")


def test_without_pycocotools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.json", dataset([person(1, 3)], [3]))
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(MissingDependencyError, match=r'not installed; run: pip install "posecli\[eval\]"'):
        score(read_annotations(path), [3], [])
