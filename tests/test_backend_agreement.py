"""scripts/backend_agreement.py: poses held against poses, and bfloat16 emulated."""

from pathlib import Path

import numpy as np
import pytest
import torch

import backend_agreement
from backend_agreement import KINDS, REFERENCE, Agreement, EmulatedBfloat16, Kind, compare, load_kind, rounded, why_not
from posecli.backends import fused, opening
from posecli.backends.program import make_program
from posecli.backends.torch import TorchBackend
from posecli.poses import Poses
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import bundled_path
from random_fields import people_apart

PHOTO = Path("photo.jpg")


@pytest.fixture
def people(rng: np.random.Generator) -> Poses:
    """Three people far from each other; every other part is sure."""
    xy = people_apart(rng, 3).astype(np.float32)
    part_scores = np.where(np.arange(17) % 2 == 0, 0.75, 0.25).astype(np.float32) * np.ones((3, 1), np.float32)
    return Poses(xy, part_scores, np.array([0.9, 0.8, 0.7], np.float32))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(bundled_path())


def held(found: Poses, expected: Poses) -> Agreement:
    return compare({PHOTO: found}, {PHOTO: expected})


def test_the_same_poses_agree_in_any_order(people: Poses) -> None:
    for order in ([0, 1, 2], [2, 0, 1]):
        agreement = held(people[np.array(order)], people)
        assert agreement.is_complete
        assert agreement.xy.shape == (3, 17)
        assert agreement.scores.shape == (3, 18)
        assert agreement.xy.max() == agreement.scores.max() == 0


def test_distances_are_in_pixels_and_scores_count_the_pose(people: Poses) -> None:
    xy, scores = people.xy.copy(), people.scores.copy()
    xy[1, 4] += (3, 4)
    scores[2] -= 0.125
    agreement = held(Poses(xy, people.part_scores, scores), people)
    assert agreement.is_complete
    assert agreement.xy[1, 4] == pytest.approx(5, abs=1e-4)
    assert np.count_nonzero(agreement.xy) == np.count_nonzero(agreement.scores) == 1
    assert agreement.scores[2, 17] == pytest.approx(0.125)
    assert agreement.is_sure[1].tolist() == [part % 2 == 0 for part in range(17)]


def test_people_who_are_lost_and_poses_of_nobody(people: Poses) -> None:
    lost = held(people[:2], people)
    assert (lost.people, lost.found, lost.matched, lost.is_complete) == (3, 2, 2, False)
    assert lost.is_matched.tolist() == [True, True, False]
    unsure = Poses(people.xy, people.part_scores, np.array([0.9, 0.4, 0.7], np.float32))
    sure = held(people[:2], unsure)
    assert (sure.sure_people, sure.sure_matched) == (2, 1)
    extra = held(people, people[:2])
    assert (extra.people, extra.found, extra.matched, extra.is_complete) == (2, 3, 2, False)
    elsewhere = held(people.with_xy(people.xy + np.float32(1000)), people)
    assert (elsewhere.people, elsewhere.found, elsewhere.matched) == (3, 3, 0)
    nobody = held(Poses.empty(), Poses.empty())
    assert nobody.is_complete
    assert nobody.xy.shape == (0, 17)


def test_one_pose_is_not_two_people(people: Poses) -> None:
    twins = people[np.array([0, 0])]
    assert held(people[:1], twins).matched == 1


def test_photos_add_up(people: Poses) -> None:
    second = Path("second.jpg")
    both = compare({PHOTO: people, second: people[:1]}, {PHOTO: people, second: people})
    assert (both.people, both.found, both.matched) == (6, 4, 4)
    assert both.is_sure.shape == both.xy.shape == (4, 17)


def test_why_a_kind_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not(REFERENCE) is None
    monkeypatch.setattr("posecli.backends.torch.has_bfloat16", lambda: False)
    assert "this CPU does not compute in it" in str(why_not(Kind("torch", "bfloat16")))
    monkeypatch.setattr(opening, "is_installed", lambda name: name == "torch")
    assert 'pip install "posecli[onnx]"' in str(why_not(Kind("onnx", "float32")))


def test_a_kind_that_computes_something_else_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = load_kind(REFERENCE)
    monkeypatch.setattr(backend_agreement, "load_kind", lambda kind: estimator)
    message = "this CPU has no bfloat16: float32 is computed instead"
    assert why_not(Kind("openvino", "bfloat16")) == message


def test_emulated_bfloat16_needs_no_such_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "has_bfloat16", lambda: False)
    (kind,) = (kind for kind in KINDS if kind.is_emulated)
    assert why_not(kind) is None
    estimator = load_kind(kind, size=97)
    assert isinstance(estimator.backend, EmulatedBfloat16)
    assert kind.name == "bfloat16, emulated"


def test_rounding_keeps_eight_bits() -> None:
    values = torch.tensor([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -257.0])
    assert rounded(values).tolist() == [1.0, 1.0, 1 + 2**-6, -256.0]  # to the nearest; ties to the even


def test_emulated_bfloat16_is_what_torch_computes_in_it(checkpoint: Checkpoint, rng: np.random.Generator) -> None:
    """Held against torch's own bfloat16, which any CPU has, slowly."""
    images = rng.integers(0, 256, (1, 65, 49, 3), dtype=np.uint8)
    program = make_program(checkpoint)
    program.compute_in(torch.bfloat16)
    with torch.inference_mode():
        expected = program(torch.from_numpy(images))
    found, exact = EmulatedBfloat16(checkpoint, 16, "both")(images), TorchBackend(checkpoint)(images)
    for ours, theirs, float32 in zip(found, expected, exact, strict=True):
        own = (ours - float32).abs().mean()  # what bfloat16 changes
        assert (ours - theirs).abs().mean() < 0.5 * own
        assert own > 0
        assert torch.equal(ours, rounded(ours)) or ours is found.heatmaps  # after the sigmoid, which is float32
