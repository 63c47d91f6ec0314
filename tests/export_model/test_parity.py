"""What is let through, and what is not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from posecli.backends.program import make_program
from posecli.export_model.parity import LIMITS, HeadError, Limits, Parity, PoseError, Run, compare
from posecli.export_model.views import Batch, batches
from posecli.networks.fields import Fields
from posecli.options import EstimatorOptions
from posecli.weights.checkpoint import load
from posecli.weights.store import bundled_path


@pytest.fixture(scope="module")
def views() -> tuple[Batch, ...]:
    return batches(16)


@pytest.fixture(scope="module")
def fields(views: tuple[Batch, ...]) -> dict[bytes, Fields]:
    """What the bundled model gives for each batch."""
    program = make_program(load(bundled_path()))
    with torch.inference_mode():
        return {batch.inputs.tobytes(): program(torch.from_numpy(batch.inputs)) for batch in views}


@pytest.fixture
def parity(views, fields) -> Callable[..., Parity]:
    """Compare the model with itself, its fields changed by a function."""

    def compared(change: Callable[[Fields], Fields], precision: str = "float32") -> Parity:
        def run(images: np.ndarray) -> Fields:
            return fields[images.tobytes()]

        changed: Run = lambda images: change(run(images))  # noqa: E731  # one line says it
        return compare(run, changed, views, EstimatorOptions(), precision)

    return compared


def test_the_same_has_no_error(parity) -> None:
    same = parity(lambda fields: fields)
    assert same.problems == ()
    assert set(same.heads.values()) == {HeadError(0.0, 0.0)}
    assert same.person_px == same.part_px == 0
    assert same.people == sum(each.found for each in same.pictures) >= 4
    assert len(same.pictures) == 4


def test_errors_are_those_that_were_made(parity) -> None:
    shifted = parity(lambda fields: fields._replace(offsets=fields.offsets + 1e-3))
    assert shifted.heads["offsets"].absolute == pytest.approx(1e-3, rel=0.01)
    assert shifted.heads["heatmaps"] == HeadError(0.0, 0.0)
    assert shifted.problems == ()


@pytest.mark.parametrize("head", Fields._fields)
def test_each_head_counts(parity, head: str) -> None:
    def change(fields: Fields) -> Fields:
        return fields._replace(**{head: getattr(fields, head) * 1.0005})

    assert any(problem.startswith(f"{head} differ by 5.0e-04") for problem in parity(change).problems)


def test_people_who_move(parity) -> None:
    moved = parity(lambda fields: fields._replace(offsets=fields.offsets + 1.0))
    assert 0.5 < moved.person_px <= moved.part_px
    assert any("px off at" in problem for problem in moved.problems)
    coarse = parity(lambda fields: fields._replace(offsets=fields.offsets + 1.0), "int8")
    assert not any("px off at" in problem for problem in coarse.problems)


def test_people_who_are_gone(parity) -> None:
    problems = parity(lambda fields: fields._replace(heatmaps=fields.heatmaps * 0)).problems
    assert sum("0 people are found at" in problem for problem in problems) == 4


def test_a_batch_whose_second_image_is_wrong(parity) -> None:
    def change(fields: Fields) -> Fields:
        return Fields(*(field[:1].expand_as(field) for field in fields))

    assert parity(change).problems


def test_nan_is_a_problem(parity) -> None:
    problems = parity(lambda fields: Fields(*(field * float("nan") for field in fields))).problems
    assert [problem.split()[0] for problem in problems[:4]] == list(Fields._fields)


def test_another_shape(parity) -> None:
    problems = parity(lambda fields: fields._replace(heatmaps=fields.heatmaps[..., 1:])).problems
    assert problems[0].startswith("heatmaps differ by nan")


def test_a_single_part_has_a_limit_of_its_own() -> None:
    picture = PoseError(33, 65, 1, 1, person_px=1.0, part_px=9.0)
    parity = Parity(Limits(1.0, 2.0, 8.0), {}, (picture,))
    assert parity.problems == ("a part is 9 px off at 65 x 33, at most 8 is fine",)
    assert Parity(Limits(1.0, 2.0, None), {}, (picture,)).problems == ()
    assert Parity(Limits(1.0, 0.5, None), {}, (picture,)).problems == (
        "a person is 1 px off at 65 x 33, at most 0.5 is fine",
    )


def test_a_part_that_nobody_believes_in_is_not_shown(parity) -> None:
    """Offsets of the knees point elsewhere: they count only where they score enough."""

    def change(fields: Fields) -> Fields:
        offsets = fields.offsets.clone()
        offsets[:, 13:15] += 40.0
        return fields._replace(offsets=offsets)

    moved = parity(change, "int8")
    assert moved.person_px < 2 < 20 < moved.part_px
    assert not any("px off" in problem for problem in moved.problems)


def test_float32_is_held_to_what_is_promised() -> None:
    assert LIMITS["float32"] == Limits(1e-4, 0.05, 0.05)
