"""The loop behind every command: source -> estimator -> sinks, in the source's order.

Stages overlap on threads, each frame going from one to the next:

    read, resize      `workers` threads, several frames at a time; but what is not `Readable` is read on one of its own
    network           two threads on a CPU, each with half of its threads within; else one
    decode            the `workers` again
    follow            one thread, in order; only where there is something to follow
    draw              the `workers` again, whatever of a sink's work needs no order
    write             the thread that calls `run`, in order; there too `on_item` is called, and Ctrl-C arrives

On a CPU, a network whose threads are as many as the cores does not go well with other work: they share each layer
evenly, and whenever one of them has lost its core to that work, all wait for it. Two images at a time, each by half of
the threads, leave no core idle.

A frame is taken from the source only while fewer than a fixed number, `Limits.in_flight`, are on their way: where a
stage lags, those before it wait, and memory does not grow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing

import torch

from posecli.estimate import Estimator, Times
from posecli.pipeline.batches import Limits
from posecli.pipeline.overlap import in_one_thread, overlapping
from posecli.pipeline.stages import Follow, Stages
from posecli.pipeline.writing import Report, Writer
from posecli.sinks.base import Sink
from posecli.sources import Failure, Frame

__all__ = ["MOST_AUTO_WORKERS", "Follow", "Limits", "Report", "auto_workers", "run"]

MOST_AUTO_WORKERS = 16
GPU_BATCH = 16
CPU_ENGINES = 2


def run(
    source: Iterable[Frame | Failure],
    estimator: Estimator,
    sinks: Sequence[Sink],
    report: Report,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    times: Times | None = None,
    follow: Follow | None = None,
    on_item: Callable[[Frame | Failure], None] = lambda _: None,
) -> None:
    """Find the poses in each frame of `source` and give them to every sink, in order; fill in `report`.

    A failed input is reported to the sinks and the run goes on; so it does when any stage has a PosecliError for one
    frame, or a sink cannot write that frame, and the sinks after it then hear of a failure in place of the frame. A
    sink whose reader has left (BrokenPipeError) is done; the run ends with that error once no sink remains. Any other
    error ends the run at that frame's turn. `on_item` is called once an item is done. Sinks are closed and threads
    ended whatever happens, an interruption included, so that what was finished stays.

    `batch_size` is how many frames go through the network together, where their inputs have equal sides. Given, batches
    are filled, and the same source makes the same ones in every run, down to the last digit of the poses. None is 1 on
    a CPU, where more gain nothing, and elsewhere up to 16 of those that are there: no frame waits for others to come.
    `workers` is the number of threads beside the network's; 0 does all in the calling thread, one stage after another,
    which makes honest `times`; None is one for each CPU. The poses are the same whatever it is. `times` grows by what
    each image took that `report.images` counts, in their order. `follow` is given each frame with its poses, in order,
    on one thread, and says which poses the sinks get: it tracks and smooths. An error of its own ends the run.
    """
    on_cpu = estimator.backend.device.lower().startswith("cpu")
    limits = Limits.of(
        auto_workers() if workers is None else workers,
        (1 if on_cpu else GPU_BATCH) if batch_size is None else batch_size,
        fill=batch_size is not None,
        engines=min(CPU_ENGINES, estimator.options.threads or torch.get_num_threads()) if on_cpu else 1,
    )
    with ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        if limits.workers:
            move, estimator = overlapping, estimator.shared_by(limits.engines)
        else:
            move = in_one_thread
        stages = Stages(estimator, sinks, follow)
        finished = stack.enter_context(closing(move(source, stages, limits)))
        writer = Writer(sinks, report, times, on_item)
        for item in finished:
            writer.write(item)


def auto_workers() -> int:
    """One for each CPU that this process may use."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cpus = os.cpu_count() or 1
    return min(cpus, MOST_AUTO_WORKERS)
