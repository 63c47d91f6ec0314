"""What `evaluate` does once its options are known: run or read, score, show, and write what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import typer
from rich.markup import escape
from tqdm import tqdm

from posecli.cli.console import above, console, say_error
from posecli.cli.evaluation_outputs import check_outputs, deliver
from posecli.cli.evaluation_request import Request, Run, check, check_models, runs_of
from posecli.cli.measurements import Measurement
from posecli.cli.runs import header, ready_estimator
from posecli.coco import Annotations, CocoImage, counts, read_annotations, read_results, stills
from posecli.errors import UsageError
from posecli.evaluate.plot import check_plotting
from posecli.evaluate.running import find_people
from posecli.evaluate.scoring import check_scoring, score
from posecli.sinks.coco import CocoSink
from posecli.sources import Failure, Frame


def evaluate(request: Request) -> None:
    """Measure, write the files, print the table to standard output; raise typer.Exit where images or files failed.

    Whatever ends a sweep early, the settings that were finished are written and printed.
    """
    check(request)
    axes, runs = runs_of(request)
    check_scoring()
    if request.plot_file is not None:
        check_plotting()
    annotations = read_annotations(request.annotations)
    chosen = annotations.select(request.image_ids, request.limit)
    if not any(map(counts, annotations.people({image.id for image in chosen}))):
        raise UsageError(
            f"{request.annotations}: nobody is annotated with keypoints in the {len(chosen)} images chosen"
        )
    check_outputs(request, chosen)
    measurements: list[Measurement] = []
    exit_code = 0
    try:
        if request.predictions is not None:
            measurements.append(_score_file(request, annotations, chosen))
        else:
            # One by one: what is finished stays where something ends the work.
            measurements.extend(_run_all(request, runs, annotations, chosen))
    finally:
        if measurements:
            if len(measurements) < len(runs) and not request.quiet:
                console().print(f"{len(measurements)} of {len(runs)} settings were finished; here they are")
            exit_code = deliver(request, annotations, axes, measurements)
    failures = [failure for each in measurements if each.found for failure in each.found.failures]
    exit_code = max([exit_code, *(failure.error.exit_code for failure in failures)])
    if exit_code:
        raise typer.Exit(exit_code)


def _score_file(request: Request, annotations: Annotations, chosen: Sequence[CocoImage]) -> Measurement:
    assert request.predictions is not None  # the caller's
    results = read_results(request.predictions, annotations)
    scored = score(annotations, [image.id for image in chosen], results)
    return Measurement((), None, scored, None, results, request.predictions)


@dataclass
class _Progress:
    """One bar over all settings, which names each failed image once."""

    bar: tqdm[NoReturn]
    done: int = 0
    named: set[str] = field(default_factory=set)

    def on_item(self, item: Frame | Failure) -> None:
        if isinstance(item, Failure) and (message := str(item.error)) not in self.named:
            self.named.add(message)
            with above(self.bar):
                say_error(message)
        self.done += 1
        self.bar.update()


def _run_all(
    request: Request, runs: Sequence[Run], annotations: Annotations, chosen: Sequence[CocoImage]
) -> Iterator[Measurement]:
    """Run and score one setting after another. An image that cannot be read counts: nobody is found there."""
    assert request.images is not None  # check
    if len(runs) > 1:
        _check_models(request, runs)
    sinks = []
    if request.results is not None:
        sinks.append(CocoSink(str(request.results), {image.file_name: image.id for image in chosen}))
        sinks[0].plan(stills(chosen, request.images).entries)
    total = len(runs) * len(chosen)
    progress = _Progress(tqdm(total=total, unit="image", disable=True if request.quiet else None, delay=1, leave=False))
    try:
        with progress.bar as bar:
            for run in runs:
                bar.set_description(" ".join(run.setting.labels), refresh=False)
                with above(bar):
                    estimator = ready_estimator(run.options, fetch=request.fetch, quiet=request.quiet)
                found = find_people(
                    estimator,
                    chosen,
                    request.images,
                    sinks,
                    batch_size=request.batch_size,
                    workers=request.workers or 0,
                    on_item=progress.on_item,
                )
                scored = score(annotations, [image.id for image in chosen], found.results)
                yield Measurement(run.setting.labels, header(estimator), scored, found, found.results, None)
    except KeyboardInterrupt:
        if len(runs) == 1:
            _say_what_is_kept(request, progress.done)
        raise


def _check_models(request: Request, runs: Sequence[Run]) -> None:
    if request.fetch:
        from posecli.cli.fetching import ensure  # here, as it is rarely asked for

        for model, stride in dict.fromkeys((run.options.model, run.options.stride) for run in runs):
            ensure(model, stride, quiet=request.quiet)
    check_models(run.options for run in runs)


def _say_what_is_kept(request: Request, done: int) -> None:
    kept = "nothing was scored"
    if request.results is not None and done:
        kept += (
            f"; [bold]{escape(str(request.results))}[/] has the results of {done} {'image' if done == 1 else 'images'}"
        )
    console().print(kept, soft_wrap=True)
