from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from posecli.coco import CocoImage
from posecli.errors import InputError
from posecli.estimate import Estimator, load_estimator
from posecli.evaluate.running import Found, find_people
from posecli.sinks.coco import coco_results
from posecli.sources import read_image

Run = Callable[..., Found]


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return load_estimator(size=97, threads=1, score_threshold=0.0, min_pose_score=0.0, max_poses=2)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for number, sides in {1: (40, 50), 2: (60, 40), 4: (50, 50)}.items():
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (*sides, 3), dtype=np.uint8))
    (tmp_path / "5.png").write_bytes(b"no image")
    return tmp_path


def images(*numbers: int) -> list[CocoImage]:
    return [CocoImage(number, f"{number}.png") for number in numbers]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_each_image_has_its_results_and_times(
    estimator: Estimator, folder: Path, batch_size: int | None, workers: int
) -> None:
    """Failures among them, of images that are missing and that are broken, change nothing for the others."""
    seen: list[str] = []
    found = find_people(
        estimator,
        images(1, 2, 3, 4, 5),
        folder,
        batch_size=batch_size,
        workers=workers,
        on_item=lambda item: seen.append(item.name),
    )
    assert found.image_ids == (1, 2, 4)
    assert [failure.name for failure in found.failures] == ["3.png", "5.png"]
    assert sorted(seen) == ["1.png", "2.png", "3.png", "4.png", "5.png"]
    assert [len(poses) for poses in found.poses] == [2, 2, 2]
    for image_id, poses in zip(found.image_ids, found.poses, strict=True):
        alone = estimator(read_image(folder / f"{image_id}.png", ""))
        np.testing.assert_allclose(poses.xy, alone.xy, atol=0.01)
        assert [each for each in found.results if each["image_id"] == image_id] == coco_results(image_id, poses)
    assert len(found.times) == 3
    assert all(stage > 0 for times in found.times for stage in times)


def test_medians_are_over_the_images(estimator: Estimator, folder: Path) -> None:
    found = find_people(estimator, images(1, 2, 4), folder)
    assert found.median_ms.network == sorted(times.network for times in found.times)[1]
    totals = [times.resize + times.network + times.decode for times in found.times]
    assert found.median_estimate_ms == pytest.approx(sorted(totals)[1])


def test_no_image_at_all(estimator: Estimator, folder: Path) -> None:
    with pytest.raises(InputError, match="none of the 2 images could be used; check --images"):
        find_people(estimator, images(3, 5), folder)
