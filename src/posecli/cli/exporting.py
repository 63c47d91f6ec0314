"""What `export-model` does once it is parsed: load the model, export it, and report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from posecli.cli.console import console
from posecli.export_model import ModelExport, export_model
from posecli.export_model.formats import check_precision, default_name, format_of
from posecli.export_model.parity import Parity
from posecli.files import write_whole
from posecli.options import resolve_options
from posecli.weights import store
from posecli.weights.checkpoint import caution, load, model_name


def run(
    output: Path | None,
    format: str | None,
    preset: str | None,
    asked: Mapping[str, Any],
    *,
    json_file: str | None,
    fetch: bool,
    quiet: bool,
) -> None:
    """Export the model that was asked for to `output`, or to a file named after it, here; show or write the report."""
    kind = format_of(output, format)
    options = resolve_options(preset, **asked)
    check_precision(kind, options.precision)
    if fetch:
        from posecli.cli.fetching import ensure  # here, as it is rarely asked for

        ensure(options.model, options.stride, quiet=quiet)
    checkpoint = load(store.find(options.model))
    name = model_name(checkpoint.spec, checkpoint.metadata)
    if not quiet and (warning := caution(checkpoint.spec, checkpoint.metadata)):
        console().print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    target = output or Path(default_name(name, options.stride, kind, options.precision))
    written = export_model(checkpoint, options, target, kind)
    if json_file == "-":
        typer.echo(document(written), nl=False)
    elif json_file is not None:
        write_whole(Path(json_file), document(written).encode())
        if not quiet:
            console().print(f"wrote {json_file}", markup=False, soft_wrap=True)
    if not quiet:
        _say(written, shows_report=json_file is None)


def document(written: ModelExport) -> str:
    """The report as JSON: what was written, and how far it is from torch float32."""
    parity = written.parity
    whole = {
        "format": written.format,
        "files": [{"path": str(path), "bytes": size} for path, size in written.files.items()],
        "metadata": dict(written.metadata),
        "limits": asdict(parity.limits),
        "heads": {name: asdict(error) for name, error in parity.heads.items()},
        "pictures": [asdict(each) for each in parity.pictures],
    }
    return json.dumps(whole, indent=2) + "\n"


def _say(written: ModelExport, *, shows_report: bool) -> None:
    out = console()
    if shows_report:
        out.print(_heads_table(written.parity))
        out.print()
        out.print(_poses_line(written.parity), soft_wrap=True)
    for path, size in written.files.items():
        out.print(f"wrote {path} ({size / 1e6:.1f} MB)", markup=False, soft_wrap=True)


def _heads_table(parity: Parity) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("Against torch float32", no_wrap=True)
    for title in ("largest error", "of the largest value", "limit"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, error in parity.heads.items():
        unit = "" if name == "heatmaps" else " px"
        table.add_row(Text(name), f"{error.absolute:.1e}{unit}", f"{error.relative:.1e}", f"{parity.limits.head:.0e}")
    return table


def _poses_line(parity: Parity) -> str:
    limits = parity.limits
    hidden = "" if limits.part_px is None else f" (limit {limits.part_px:g})"
    return (
        f"All {parity.people} people in {len(parity.pictures)} pictures of the packaged photo are found again, each "
        f"within {parity.person_px:.2g} px in the mean of the parts that are shown (limit {limits.person_px:g}); "
        f"any part, shown or not, within {parity.part_px:.2g} px{hidden}."
    )
