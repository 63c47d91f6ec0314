"""Every backend finds the poses that PyTorch finds, and the original. What is converted is kept for all tests here."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend_agreement import REFERENCE, Kind, compare, find_poses, original_poses
from golden_report import Golden, bundled_goldens
from posecli.backends.opening import is_installed
from posecli.options import BackendName
from posecli.poses import Poses

MOST_PX = 0.05
MOST_SCORE = 1e-4
MIRRORED, MANY = "golden-flip-353", "golden-score-0.5-513"
GOLDENS = {golden.name: golden for golden in bundled_goldens() if golden.name in (MIRRORED, MANY)}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def one_cache(isolated: None, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_HOME", str(kept))


def poses_of(kind: Kind, golden: Golden) -> dict[Path, Poses]:
    if not is_installed(kind.backend):
        reason = f"needs posecli[{kind.backend}]"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return find_poses(golden, kind)


@pytest.mark.parametrize("backend", ["openvino", pytest.param("onnx", marks=pytest.mark.slow)])
def test_float32_finds_the_same_people_to_a_fraction_of_a_pixel(backend: BackendName) -> None:
    for golden in GOLDENS.values():  # in one test, so that the network is converted once
        found = poses_of(Kind(backend, "float32"), golden)
        for expected in (find_poses(golden, REFERENCE), original_poses(golden)):
            agreement = compare(found, expected)
            assert agreement.is_complete
            assert agreement.people >= 16
            assert agreement.xy.max() <= MOST_PX
            assert agreement.scores.max() <= MOST_SCORE


def test_int8_finds_nearly_the_same_people_nearly_there() -> None:
    golden = GOLDENS[MANY]
    agreement = compare(poses_of(Kind("openvino", "int8"), golden), original_poses(golden))
    assert agreement.matched >= 0.8 * agreement.people
    assert agreement.found <= 1.2 * agreement.people
    assert 0.1 < np.median(agreement.xy) < 4  # source px; float32 was not computed
    assert agreement.xy[agreement.is_sure].mean() < 6


def test_the_comparison_would_show_a_shift() -> None:
    golden = GOLDENS[MANY]
    one = replace(golden, poses=dict(list(golden.poses.items())[:1]))
    expected = original_poses(one)
    shifted = {photo: poses.with_xy(poses.xy + np.float32(0.1)) for photo, poses in expected.items()}
    assert compare(shifted, expected).xy.max() > MOST_PX
