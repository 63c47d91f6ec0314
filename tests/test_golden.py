"""posecli finds the poses that Google's own code finds, through the public API."""

from pathlib import Path

import pytest

import golden_report

BUNDLED = golden_report.bundled_goldens()


def check(golden: golden_report.Golden) -> None:
    found = golden_report.compare(golden)
    assert found.other_counts == []
    assert found.keypoints > 100
    assert found.xy <= golden.xy_limit
    assert found.score <= golden_report.SCORE_LIMIT


def test_there_are_goldens_for_every_example(examples: Path) -> None:
    photos = {path for path in examples.iterdir() if path.suffix in {".jpg", ".png"}}
    assert len(BUNDLED) == 6
    assert all(golden.poses.keys() == photos for golden in BUNDLED)


@pytest.mark.parametrize("golden", BUNDLED, ids=lambda golden: golden.name)
def test_examples(golden: golden_report.Golden) -> None:
    check(golden)


@pytest.mark.shared
@pytest.mark.slow
def test_the_originals_demo_photos(shared: Path, tmp_path: Path) -> None:
    names = []
    for golden in golden_report.shared_goldens(shared, tmp_path):
        check(golden)
        assert len(golden.poses) == 25
        names.append(golden.name)
    assert len(names) == 8
