"""What `evaluate` has measured, for people (tables) and for programs (JSON, CSV)."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posecli import __version__
from posecli.coco import Annotations, Entry
from posecli.evaluate.bootstrap import LEVEL, ROUNDS, SEED
from posecli.evaluate.running import Found, StageTimes
from posecli.evaluate.scoring import Score
from posecli.evaluate.sweep import Axis
from posecli.opencv import cv2
from posecli.sinks import Header
from posecli.skeleton import PARTS

PIPED_WIDTH = 160  # columns where nobody looks: each run of a sweep on one line
LEAST_WIDTH = 40  # columns; on anything narrower, lines are broken by the terminal rather than figures by us
UNKNOWN = "-"
SHOWN = {"AP": "AP", "AP50": "AP50", "AP75": "AP75", "AP_medium": "AP medium", "AP_large": "AP large", "AR": "AR"}
INTERVAL = f"{LEVEL:.0%} interval"
# Columns of a sweep that go, one group after another, where there is no room for all.
LEAST_FIRST = (("AP50",), ("AR",), ("medium", "large"), (INTERVAL,))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run, or one file of results, scored."""

    labels: tuple[str, ...]  # the values that the sweep gave to its options
    header: Header | None  # the model and its options; None where results came from a file
    score: Score
    found: Found | None  # None where results came from a file
    results: Sequence[Entry]  # what was scored
    predictions: Path | None


def table_text(measurement: Measurement, annotations: Annotations) -> str:
    """One run as standard output shows it."""
    scored, found = measurement.score, measurement.found
    model = measurement.header.model["name"] if measurement.header else measurement.predictions
    out = Console(highlight=False)
    with out.capture() as capture:
        out.print(Text(f"{model} on {annotations.path.name}", "bold"), soft_wrap=True)
        out.print()
        out.print(_stats_table(scored))
        if scored.interval is not None:
            low, high = (f"{100 * bound:.1f}" for bound in scored.interval)
            out.print(f"AP lies between {low} and {high} in {LEVEL:.0%} of {ROUNDS} bootstrap draws of images.")
        out.print()
        out.print(_facts_table(scored, found))
        out.print()
        out.print(_parts_table(scored))
    return capture.get()


def sweep_text(annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]) -> str:
    """The runs of a sweep as standard output shows them, one a line; AP's interval is the bootstrap's, over images."""
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(highlight=False, width=PIPED_WIDTH)
    out.width = max(out.width, LEAST_WIDTH)
    first = measurements[0]
    same = [f"{axis.title} {axis.labels[0]}" for axis in axes if not axis.varies and axis.name != "model"]
    if first.header is not None and not any(axis.name == "model" and axis.varies for axis in axes):
        same.insert(0, str(first.header.model["name"]))
    heading = f"{', '.join(same)} on {annotations.path.name}" if same else annotations.path.name
    with out.capture() as capture:
        out.print(Text(heading, "bold"), soft_wrap=True)
        out.print()
        out.print(_fitting_table(axes, measurements, out.width))
        out.print()
        images = f"{len(first.score.images)} images{_failed(first.found)}"
        out.print(f"{images}. ms: median of resize, network and decode.", soft_wrap=True)
    return capture.get()


def _fitting_table(axes: Sequence[Axis], measurements: Sequence[Measurement], width: int) -> Table:
    """The table of a sweep with as many columns as fit; no figure is ever cut off, labels are broken if need be."""
    endless = Console(width=10_000)
    left_out = (sum(LEAST_FIRST[:count], ()) for count in range(len(LEAST_FIRST) + 1))
    tables = (_sweep_table(axes, measurements, titles) for titles in left_out)
    for table in tables:
        if endless.measure(table).maximum <= width:
            break
    return table


def _sweep_table(axes: Sequence[Axis], measurements: Sequence[Measurement], left_out: Sequence[str]) -> Table:
    table = _table()
    varying = [index for index, axis in enumerate(axes) if axis.varies]
    for index in varying:
        table.add_column(axes[index].title, overflow="fold")
    rows = [_sweep_figures(each) for each in measurements]
    titles = [title for title in rows[0] if title not in left_out]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for each, figures in zip(measurements, rows, strict=True):
        table.add_row(*(Text(each.labels[index]) for index in varying), *(figures[title] for title in titles))
    return table


def _sweep_figures(measurement: Measurement) -> dict[str, str]:
    """The cells of a run, by the title of their column."""
    interval, found = measurement.score.interval, measurement.found
    percent = {name: _percent(share) for name, share in measurement.score.stats.items()}
    return {
        "AP": percent["AP"],
        INTERVAL: f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}" if interval else UNKNOWN,
        "AP50": percent["AP50"],
        "medium": percent["AP_medium"],
        "large": percent["AP_large"],
        "AR": percent["AR"],
        "ms": f"{found.median_estimate_ms:.1f}" if found else UNKNOWN,
    }


def document(path: Path, annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]) -> str:
    """Everything measured, with what it takes to measure it again, as JSON. Shares lie in [0, 1], -1 is nobody."""
    whole = {
        "posecli": __version__,
        "argv": ["posecli", *sys.argv[1:]],
        "versions": dict(_versions()),
        "annotations": str(path),
        "runs": [_run(annotations, axes, each) for each in measurements],
    }
    return json.dumps(whole, indent=2) + "\n"


def csv_text(axes: Sequence[Axis], measurements: Sequence[Measurement]) -> str:
    """A sweep as CSV: the options, the figures in [0, 1] (-1 is nobody), medians in ms. Empty is not measured."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    stats = list(measurements[0].score.stats)
    stages = [f"{stage}_ms" for stage in (*StageTimes._fields, "estimate")]
    writer.writerow(
        [
            *(axis.title for axis in axes),
            *stats,
            "AP_low",
            "AP_high",
            "images",
            "annotated",
            "found",
            "matched",
            *stages,
        ]
    )
    for each in measurements:
        scored = each.score
        people = (len(scored.images), scored.annotated, scored.found, scored.matched)
        times = [f"{value:.3f}" for value in _times(each.found).values()]
        writer.writerow([*each.labels, *scored.stats.values(), *(scored.interval or ("", "")), *people, *times])
    return stream.getvalue()


def _run(annotations: Annotations, axes: Sequence[Axis], each: Measurement) -> dict[str, Any]:
    scored, found = each.score, each.found
    low, high = scored.interval or (None, None)
    names = {image.id: image.file_name for image in annotations.images}
    times = dict(zip(found.image_ids, found.times, strict=True)) if found else {}
    return {
        "setting": {axis.title: label for axis, label in zip(axes, each.labels, strict=True)},
        "model": dict(each.header.model) if each.header else None,
        "options": dict(each.header.options) if each.header else None,
        "predictions": str(each.predictions) if each.predictions else None,
        "images": len(scored.images),
        "failed": [{"name": one.name, "error": str(one.error)} for one in found.failures] if found else [],
        "people": {"annotated": scored.annotated, "found": scored.found, "matched": scored.matched},
        "stats": dict(scored.stats),
        "ap_interval": {"low": low, "high": high, "level": LEVEL, "rounds": ROUNDS, "seed": SEED},
        "median_ms": _times(found),
        "oks_by_part": {
            part: {"oks": None if math.isnan(oks) else oks, "people": count}
            for part, oks, count in zip(PARTS, scored.part_oks.tolist(), scored.part_counts.tolist(), strict=True)
        },
        "per_image": [
            {
                "image_id": image_id,
                "file_name": names[image_id],
                "annotated": image.annotated,
                "found": image.found,
                "matched": image.matched,
                "oks": image.oks,
                "ms": times[image_id]._asdict() if image_id in times else None,
            }
            for image_id, image in scored.images.items()
        ],
    }


def _times(found: Found | None) -> dict[str, float]:
    """Median ms of each stage, and of all but reading together; empty where nothing was run."""
    return {**found.median_ms._asdict(), "estimate": found.median_estimate_ms} if found else {}


def _versions() -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    for package in ("torch", "numpy", "pycocotools"):
        yield package, metadata.version(package)
    yield "opencv", cv2.__version__


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")


def _stats_table(scored: Score) -> Table:
    table = _table()
    for title in SHOWN.values():
        table.add_column(title, justify="right", no_wrap=True)
    table.add_row(*(_percent(scored.stats[name]) for name in SHOWN))
    return table


def _facts_table(scored: Score, found: Found | None) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("Images", f"{len(scored.images)}{_failed(found)}")
    people = f"{scored.annotated} annotated, {scored.found} poses found, {scored.matched} matched at OKS 0.5"
    table.add_row("People", people)
    if found is not None:
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in found.median_ms._asdict().items())
        table.add_row("ms per image", f"{stages} (medians)")
    return table


def _failed(found: Found | None) -> str:
    failed = len(found.failures) if found else 0
    return f" ({failed} failed, counted as nobody found)" if failed else ""


def _parts_table(scored: Score) -> Table:
    """Left and right beside each other; in brackets, on how many people a part counts."""
    cells = {
        part: UNKNOWN if math.isnan(oks) else f"{oks:.2f} ({count})"
        for part, oks, count in zip(PARTS, scored.part_oks.tolist(), scored.part_counts.tolist(), strict=True)
    }
    table = _table()
    table.add_column("OKS by part, of the matched", no_wrap=True)
    table.add_column("left", justify="right", no_wrap=True)
    table.add_column("right", justify="right", no_wrap=True)
    for part in PARTS:
        if not part.startswith(("left_", "right_")):
            table.add_row(part, cells[part], "")
        elif part.startswith("left_"):
            name = part.removeprefix("left_")
            table.add_row(name, cells[part], cells[f"right_{name}"])
    return table


def _percent(share: float) -> str:
    return UNKNOWN if share < 0 else f"{100 * share:.1f}"
