import numpy as np
import pytest

from posecli.poses import Poses


def some(n: int = 3, ids: bool = False) -> Poses:
    rng = np.random.default_rng(n)
    return Poses(
        rng.uniform(0, 100, (n, 17, 2)).astype(np.float32),
        rng.uniform(0, 1, (n, 17)).astype(np.float32),
        np.linspace(1, 0.5, n, dtype=np.float32),
        np.arange(n) * 10 if ids else None,
    )


def test_nobody_is_ordinary() -> None:
    nobody = Poses.empty()
    assert len(nobody) == 0
    assert nobody.xy.shape == (0, 17, 2)
    assert list(nobody) == []
    assert nobody.boxes(10, 10).shape == (0, 4)
    assert len(nobody.mirrored(5)) == 0


@pytest.mark.parametrize("name", ["xy", "part_scores", "ids"])
def test_wrong_shapes_are_named_with_expected_and_actual(name: str) -> None:
    poses = some(2, ids=True)
    arrays = {n: getattr(poses, n) for n in ("xy", "part_scores", "scores", "ids")}
    arrays[name] = arrays[name][:1]
    with pytest.raises(ValueError, match=rf"{name}: expected \(2,.*got \(1,"):
        Poses(**arrays)


def test_selection_keeps_everything_together() -> None:
    poses = some(3, ids=True)
    picked = poses[poses.scores > 0.6]
    assert len(picked) == 2
    np.testing.assert_array_equal(picked.ids, [0, 10])
    np.testing.assert_array_equal(picked.xy, poses.xy[:2])
    assert [len(person) for person in poses] == [1, 1, 1]


def test_mirroring_twice_changes_nothing_and_keeps_the_names() -> None:
    poses = some()
    mirrored = poses.mirrored(200)
    np.testing.assert_allclose(mirrored.xy[..., 0], 199 - poses.xy[..., 0], rtol=1e-6)
    np.testing.assert_array_equal(mirrored.xy[..., 1], poses.xy[..., 1])
    np.testing.assert_array_equal(mirrored.part_scores, poses.part_scores)
    np.testing.assert_allclose(mirrored.mirrored(200).xy, poses.xy, atol=1e-4)


def test_boxes_are_around_the_confident_parts_and_clipped() -> None:
    xy = np.zeros((2, 17, 2), np.float32)
    xy[0, :4] = [(10, 20), (30, 25), (-500, 7), (900, 900)]
    xy[1] = (5, 6)
    xy[1, 0] = (200, -40)
    part_scores = np.zeros((2, 17), np.float32)
    part_scores[0, :2] = 0.2
    poses = Poses(xy, part_scores, np.ones(2, np.float32))
    first, second = poses.boxes(100, 50, min_part_score=0.2)
    np.testing.assert_array_equal(first, (10, 20, 20, 5))  # two parts reach 0.2
    np.testing.assert_array_equal(second, (5, 0, 94, 6))  # none does: around all of them, clipped to 100 x 50
