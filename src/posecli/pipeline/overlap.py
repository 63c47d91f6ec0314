"""Frames through the stages, in order: overlapping on threads, or one after another in the calling thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Lock, Semaphore

import torch

from posecli.opencv import cv2
from posecli.pipeline.batches import Gathering, Limits, Place
from posecli.pipeline.crew import Crew, settle
from posecli.pipeline.stages import Finished, Loaded, Seen, Stages
from posecli.sources import Failure, Frame, Readable, Reader

Source = Iterable[Frame | Failure]
Batch = Sequence[tuple[Place, Loaded]]
Finish = Callable[[Place, Seen | Failure], None]


def in_one_thread(source: Source, stages: Stages, limits: Limits) -> Generator[Finished | Failure, None, None]:
    """Take each frame through every stage before the next is read, or each batch where there are batches."""
    gathering = Gathering(limits.batch_size, limits.window)
    order: deque[Place] = deque()

    def finish(place: Place, seen: Seen | Failure) -> None:
        settle(place.decoded, partial(stages.decode, seen), Exception)

    def done() -> Iterator[Finished | Failure]:
        while order and order[0].decoded.done():
            yield stages.render(stages.follow(order.popleft().decoded.result()))

    for read in _readers(source):
        order.append(place := Place())
        settle(place.loaded, partial(stages.load, read), Exception)
        for batch in _arrive(place, gathering):
            _infer(batch, stages, finish, Exception)
        yield from done()
    for batch in gathering.rest():
        _infer(batch, stages, finish, Exception)
    yield from done()


def overlapping(source: Source, stages: Stages, limits: Limits) -> Generator[Finished | Failure, None, None]:
    """Let the stages of several frames overlap. Closing the iterator ends the threads."""
    vacancies = Semaphore(limits.in_flight)
    to_network: SimpleQueue[Place | None] = SimpleQueue()  # None: that was all
    to_follow: SimpleQueue[Place | None] = SimpleQueue()
    to_writing: SimpleQueue[Place | None] = SimpleQueue()
    stations = (to_network, *[to_follow] * stages.in_order, to_writing)
    batches, gathering = _batches(to_network, limits), Lock()
    crew = Crew()

    def feed() -> None:
        readers = _readers(source)
        try:
            while vacancies.acquire() and not crew.is_dismissed and (read := next(readers, None)) is not None:
                place = Place()
                crew.settle(place.loaded, partial(stages.load, read))
                for station in stations:
                    station.put(place)
                del place, read  # or they would outlive the frame until the next comes
        except BaseException as error:  # the source's own: it ends the run when the frames before it are done
            place = Place()
            place.break_off(error)
            to_writing.put(place)
        finally:
            for station in stations:
                station.put(None)

    def infer() -> None:
        torch.set_num_threads(threads)  # for this thread, and those that come later

        def finish(place: Place, seen: Seen | Failure) -> None:
            if stages.in_order:
                crew.settle(place.decoded, partial(stages.decode, seen))
            else:
                crew.settle(place.finished, lambda: stages.render(stages.decode(seen)))

        while not crew.is_dismissed:
            with gathering:  # whoever is free gathers what it will run
                batch = next(batches, None)
            if batch is None or crew.is_dismissed:
                return
            _infer(batch, stages, finish, BaseException)
            del batch

    def follow() -> None:
        while (place := to_follow.get()) is not None and not crew.is_dismissed:
            try:
                followed = stages.follow(crew.wait_for(place.decoded))
            except CancelledError:
                return
            except BaseException as error:
                if not place.finished.done():
                    place.finished.set_exception(error)
            else:
                if not place.finished.done():
                    crew.settle(place.finished, partial(stages.render, followed))
                del followed  # or it would outlive the frame until the next comes
            del place

    with _single_threaded_opencv(), _shared_torch(limits.engines) as threads:
        try:
            crew.start(feed)
            if stages.in_order:
                crew.start(follow)
            for _ in range(limits.engines):
                crew.start(infer, is_engine=True)
            crew.hire(limits.workers)
            while (place := crew.take(to_writing)) is not None:
                yield crew.wait_for(place.finished)
                del place
                vacancies.release()
        finally:
            vacancies.release()  # whoever waits for one sees that the crew is dismissed
            to_network.put(None)
            to_follow.put(None)
            crew.dismiss()


def _readers(source: Source) -> Iterator[Reader]:
    """What reads each frame; a source that cannot be read on any thread is read where this is iterated."""
    if isinstance(source, Readable):
        return source.readers()
    return (partial(_itself, item) for item in source)


def _itself(item: Frame | Failure) -> Frame | Failure:
    return item


def _batches(arriving: SimpleQueue[Place | None], limits: Limits) -> Iterator[Batch]:
    """What is to run next, for as long as frames arrive; unless batches are to be filled, whatever is there."""
    gathering = Gathering(limits.batch_size, limits.window)
    ahead: deque[Place | None] = deque()  # what is known to come
    while True:
        while not arriving.empty():
            ahead.append(arriving.get())
        if not limits.fill and not (ahead and _is_there(ahead[0])):
            yield from gathering.rest()
        place = ahead.popleft() if ahead else arriving.get()
        if place is None:
            break
        yield from _arrive(place, gathering)
        del place  # or it would outlive the frame until the next comes
    yield from gathering.rest()


def _is_there(place: Place | None) -> bool:
    return place is None or place.loaded.done()


def _arrive(place: Place, gathering: Gathering) -> Iterable[Batch]:
    """Wait until a frame is loaded; the batches that are to run then."""
    try:
        loaded = place.loaded.result()
    except CancelledError:
        raise
    except BaseException as error:
        place.break_off(error)
        return gathering.rest()  # the run is over at that frame's turn: nothing is to wait for those behind it
    if isinstance(loaded, Failure):
        place.fail(loaded)
    return gathering.add(place, loaded)


def _infer(batch: Batch, stages: Stages, finish: Finish, errors: type[BaseException]) -> None:
    """Run the network on a batch, and have each frame finished; one of `errors` becomes that of its frames."""
    try:
        seen = stages.see([loaded for _, loaded in batch])
    except errors as error:
        for place, _ in batch:
            place.break_off(error)
    else:
        for (place, _), each in zip(batch, seen, strict=True):
            finish(place, each)


@contextmanager
def _shared_torch(engines: int) -> Iterator[int]:
    """How many threads each engine may start; what PyTorch gives to threads that come later is restored at the end."""
    before = torch.get_num_threads()
    try:
        yield max(before // engines, 1)
    finally:
        torch.set_num_threads(before)


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """Keep each OpenCV call on the thread that makes it: there are threads enough."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
