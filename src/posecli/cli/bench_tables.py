"""What `bench` shows: the tables of one measurement, and of two compared. Light: comparing needs no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posecli.bench.compare import compare, read_bench

if TYPE_CHECKING:
    from posecli.bench.end_to_end import Overlapped
    from posecli.bench.report import Report

PIPED_WIDTH = 160  # columns where nobody looks
UNKNOWN = "-"
MOST_SIZES = 4  # of network inputs that are listed one by one
TARGET = 0.85  # of what the slowest stage alone allows, that file to file should reach


def show_report(report: Report, *, people: bool) -> None:
    """Print a benchmark to standard output; `people`, with its times by the number of people."""
    out = _console()
    how = [str(report.options[name]) for name in ("backend", "precision")]
    title = f"{report.model['name']} on {' '.join(how)}, {report.options['device']}"
    out.print(Text(title, "bold"), soft_wrap=True)
    out.print()
    out.print(_stages_table(report))
    out.print()
    if report.end_to_end is not None:
        out.print(_reached(report.end_to_end), soft_wrap=True)
        out.print()
    facts = _facts_table()
    for label, fact in _facts(report):
        facts.add_row(label, Text(fact))
    out.print(facts)
    if people:
        out.print()
        out.print(_people_table(report))
    _warn(out, report.warnings)


def show_comparison(first_path: Path, second_path: Path) -> None:
    """Print two benchmarks to standard output, the second relative to the first. Raises UsageError for other files."""
    comparison = compare(read_bench(first_path), read_bench(second_path))
    out = _console()
    out.print(Text(f"{second_path} relative to {first_path}", "bold"), soft_wrap=True)
    out.print()
    table = _table("", "", *("first", "second", "second / first"))
    for each in comparison.ratios:
        ratio = UNKNOWN if each.ratio is None else f"{each.ratio:.2f}"
        table.add_row(each.name, each.unit, f"{each.first:.1f}", f"{each.second:.1f}", ratio)
    out.print(table)
    out.print("Of ms and MB less is better, of images/s more.")
    if comparison.differences:
        out.print()
        differences = _table("what differs", "first", "second", right=0)
        for difference in comparison.differences:
            differences.add_row(*map(Text, (difference.name, difference.first, difference.second)))
        out.print(differences)
    _warn(out, comparison.warnings)


def _stages_table(report: Report) -> Table:
    alone = report.end_to_end.stage_images_per_s if report.end_to_end else None
    table = _table("ms per image", "p50", "p95", "p99", *(["alone, images/s"] if alone else []))
    for stage, summary in report.stages.items():
        times = [f"{ms:.1f}" for ms in (summary.p50_ms, summary.p95_ms, summary.p99_ms)]
        if alone:
            times.append(f"{alone[stage]:.1f}" if stage in alone else "")
        table.add_row(stage, *times, style="bold" if stage == "total" else None)
    return table


def _reached(result: Overlapped) -> str:
    return (
        f"From file to file [bold]{result.images_per_s:.1f}[/] images/s: {result.reached:.0%} of what the slowest "
        f"stage, {result.slowest_stage}, allows alone (target {TARGET:.0%}). Without overlap "
        f"{result.one_by_one_images_per_s:.1f} images/s."
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    run, inputs, machine = report.run, report.inputs, report.machine
    yield "Images", f"{run.images}, after {run.warm_up_images} to warm up ({run.warm_up_s:.1f} s)"
    if report.images_per_s is not None and report.end_to_end is None:
        yield "Throughput", f"{report.images_per_s:.1f} images/s"
    yield "Peak memory", _memory(report)
    yield "Network sizes", _sizes(report)
    batch = run.batch_size or "posecli's choice"
    yield (
        "Running",
        f"batch size {batch}, threads {run.threads or 'as the backend chooses'}, loaded in {run.load_s:.1f} s",
    )
    if inputs.packaged:
        yield "Pictures", f"{inputs.pictures} views of the packaged photo"
    else:
        failed = f", {len(inputs.failed)} failed" if inputs.failed else ""
        are = "frames from" if inputs.pictures > inputs.listed else "of"  # a video has many
        yield "Pictures", f"{inputs.pictures} {are} {inputs.listed} listed{failed}"
    collected = report.garbage_collection
    yield "Python", f"{collected.runs} garbage collections within, {collected.total_ms:.1f} ms in all"
    cpus = f"{machine.usable_cpus} of {machine.cpus} CPUs"
    load = UNKNOWN if machine.load_1min is None else f"{machine.load_1min:.2f}"
    yield "Machine", f"{machine.cpu}, {cpus}, load before {load}, {machine.os}"
    yield "Versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())


def _memory(report: Report) -> str:
    if report.peak_memory_bytes is None:
        return "unknown on this system"
    held = f", of which {report.inputs.held_bytes / 1e6:.0f} MB the pictures" if report.inputs.held_bytes else ""
    return f"{report.peak_memory_bytes / 1e6:.0f} MB resident{held}"


def _sizes(report: Report) -> str:
    """The most frequent sizes, width first, with how many images had them."""
    sizes = report.inputs.network_sizes
    shown = ", ".join(f"{size.width}x{size.height} ({size.images})" for size in sizes[:MOST_SIZES])
    return shown if len(sizes) <= MOST_SIZES else f"{shown} and {len(sizes) - MOST_SIZES} more"


def _people_table(report: Report) -> Table:
    table = _table("people", "images", "decode p50, ms", "total p50, ms")
    for row in report.people:
        table.add_row(str(row.people), str(row.images), f"{row.decode_p50_ms:.1f}", f"{row.total_p50_ms:.1f}")
    return table


def _warn(out: Console, warnings: tuple[str, ...]) -> None:
    if warnings:
        out.print()
    for warning in warnings:
        out.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)


def _table(first: str, *titles: str, right: int = 1) -> Table:
    """A table like those of `evaluate`; from the second column on, numbers, unless `right` is 0."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=bool(right))
    for title in titles:
        table.add_column(title, justify="right" if right else "left", no_wrap=bool(right))
    return table


def _facts_table() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    return table


def _console() -> Console:
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=PIPED_WIDTH)
    return out
