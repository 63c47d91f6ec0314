from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from pipeline_parts import failure, frame
from posecli.pipeline.batches import Gathering, Limits, Place
from posecli.pipeline.stages import Loaded

SHAPES = st.lists(st.sampled_from([None, 1, 2, 3]), max_size=40)  # None: a failure


def gathered(shapes: list[int | None], batch_size: int, window: int) -> list[tuple[int, list[int]]]:
    """Each batch: how many items had come when it ran, and which items it has."""
    gathering = Gathering(batch_size, window)
    places = [Place() for _ in shapes]
    batches = []
    for count, (place, shape) in enumerate(zip(places, shapes, strict=True), 1):
        loaded = (
            failure("z") if shape is None else Loaded(frame("a"), SimpleNamespace(shape=((shape, shape),)), 0.0)  # type: ignore[arg-type]
        )
        batches += [(count, [places.index(each) for each, _ in batch]) for batch in gathering.add(place, loaded)]
    batches += [(len(shapes), [places.index(each) for each, _ in batch]) for batch in gathering.rest()]
    assert list(gathering.rest()) == []
    return batches


@given(SHAPES, st.integers(1, 4), st.integers(1, 12))
def test_batches_are_of_one_shape_full_or_due(shapes: list[int | None], batch_size: int, window: int) -> None:
    batches = gathered(shapes, batch_size, window)
    assert sorted(i for _, batch in batches for i in batch) == [
        i for i, shape in enumerate(shapes) if shape is not None
    ]
    for count, batch in batches:
        assert batch == sorted(batch)
        assert len({shapes[i] for i in batch}) == 1
        assert len(batch) <= batch_size
        assert count - batch[0] <= window  # items that came since, itself among them
        assert len(batch) == batch_size or count - batch[0] == window or count == len(shapes)


def test_one_by_one_nothing_waits() -> None:
    assert gathered([1, None, 2, 1], 1, 1) == [(1, [0]), (3, [2]), (4, [3])]


def test_equal_shapes_find_each_other_over_others() -> None:
    assert gathered([1, 2, 1, 2], 2, 8) == [(3, [0, 2]), (4, [1, 3])]


@given(st.integers(0, 64), st.integers(1, 64), st.integers(1, 2))
def test_a_frame_can_come_while_others_wait(workers: int, batch_size: int, engines: int) -> None:
    """Else a batch would wait for a frame that waits for the batch to be written."""
    limits = Limits.of(workers, batch_size, fill=True, engines=engines)
    assert batch_size <= limits.window < limits.in_flight
