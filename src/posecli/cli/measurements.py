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
from posecli.coco import Annotations
from posecli.evaluate.bootstrap import LEVEL, ROUNDS, SEED
from posecli.evaluate.running import Found, StageTimes
from posecli.evaluate.scoring import Score
from posecli.opencv import cv2
from posecli.sinks import Header
from posecli.skeleton import PARTS

PIPED_WIDTH = 160  # columns where nobody looks: each run of a sweep on one line
UNKNOWN = "-"
SHOWN = {"AP": "AP", "AP50": "AP50", "AP75": "AP75", "AP_medium": "AP medium", "AP_large": "AP large", "AR": "AR"}
SHOWN_OF_SWEEP = {"AP": "AP", "AP50": "AP50", "AP_medium": "medium", "AP_large": "large", "AR": "AR"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run, or one file of results, scored."""

    labels: tuple[str, ...]  # the values that the sweep gave to its options
    header: Header | None  # the model and its options; None where results came from a file
    score: Score
    found: Found | None  # None where results came from a file
    predictions: Path | None


def show(measurement: Measurement, annotations: Annotations) -> None:
    """Print one run to standard output."""
    scored, found = measurement.score, measurement.found
    model = measurement.header.model["name"] if measurement.header else measurement.predictions
    out = Console(highlight=False)
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


def show_sweep(titles: Sequence[str], measurements: Sequence[Measurement]) -> None:
    """Print the runs of a sweep to standard output, one a line; AP's interval is the bootstrap's, over images."""
    table = _table()
    for title in titles:
        table.add_column(title, no_wrap=True)
    for title in ("AP", f"{LEVEL:.0%} interval", *list(SHOWN_OF_SWEEP.values())[1:], "ms"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in measurements:
        interval = each.score.interval
        ap, *others = (_percent(each.score.stats[name]) for name in SHOWN_OF_SWEEP)
        between = f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}" if interval else UNKNOWN
        ms = f"{each.found.median_estimate_ms:.1f}" if each.found else UNKNOWN
        table.add_row(*map(Text, each.labels), ap, between, *others, ms)
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(highlight=False, width=PIPED_WIDTH)
    out.print(table)
    out.print()
    images = len(measurements[0].score.images)
    out.print(f"{images} images{_left_out(measurements[0].found)}. ms: median of resize, network and decode.")


def document(path: Path, annotations: Annotations, titles: Sequence[str], measurements: Sequence[Measurement]) -> str:
    """Everything measured, with what it takes to measure it again, as JSON. Shares lie in [0, 1], -1 is nobody."""
    whole = {
        "posecli": __version__,
        "argv": ["posecli", *sys.argv[1:]],
        "versions": dict(_versions()),
        "annotations": str(path),
        "runs": [_run(annotations, titles, each) for each in measurements],
    }
    return json.dumps(whole, indent=2) + "\n"


def csv_text(titles: Sequence[str], measurements: Sequence[Measurement]) -> str:
    """A sweep as CSV: the options, the figures in [0, 1] (-1 is nobody), medians in ms. Empty is not measured."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    stats = list(measurements[0].score.stats)
    stages = [f"{stage}_ms" for stage in (*StageTimes._fields, "estimate")]
    writer.writerow([*titles, *stats, "AP_low", "AP_high", "images", "annotated", "found", "matched", *stages])
    for each in measurements:
        scored = each.score
        people = (len(scored.images), scored.annotated, scored.found, scored.matched)
        times = [f"{value:.3f}" for value in _times(each.found).values()]
        writer.writerow([*each.labels, *scored.stats.values(), *(scored.interval or ("", "")), *people, *times])
    return stream.getvalue()


def _run(annotations: Annotations, titles: Sequence[str], each: Measurement) -> dict[str, Any]:
    scored, found = each.score, each.found
    low, high = scored.interval or (None, None)
    names = {image.id: image.file_name for image in annotations.images}
    times = dict(zip(found.image_ids, found.times, strict=True)) if found else {}
    return {
        "setting": dict(zip(titles, each.labels, strict=True)),
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
    table.add_row("Images", f"{len(scored.images)}{_left_out(found)}")
    people = f"{scored.annotated} annotated, {scored.found} poses found, {scored.matched} matched at OKS 0.5"
    table.add_row("People", people)
    if found is not None:
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in found.median_ms._asdict().items())
        table.add_row("ms per image", f"{stages} (medians)")
    return table


def _left_out(found: Found | None) -> str:
    failed = len(found.failures) if found else 0
    return f" ({failed} more failed, and are left out)" if failed else ""


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
