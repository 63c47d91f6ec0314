"""`posecli cameras`: the cameras of this computer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from posecli.cli.console import console, error_boundary
from posecli.cli.declarations import OUTPUT_PANEL, Debug, flag

if TYPE_CHECKING:
    from posecli.sources.cameras import Camera


def cameras(
    as_json: Annotated[bool, flag("--json", help="Write the list as JSON to standard output.", panel=OUTPUT_PANEL)] = (
        False
    ),
    debug: Debug = False,
) -> None:
    """List the cameras of this computer, for posecli webcam --camera N.

    That there is none is no error.
    """
    with error_boundary(debug):
        from posecli.sources.cameras import list_cameras

        found = list_cameras()
        if as_json:
            typer.echo(json.dumps([asdict(camera) for camera in found], indent=2))
        elif found:
            _show(found)
        else:
            console().print("no camera found; connect one, or play a video: posecli webcam --source FILE")


def _show(found: tuple[Camera, ...]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("camera", "name", "to use it", box=None, pad_edge=False, header_style="dim")
    for camera in found:
        remedy = f"posecli webcam --camera {camera.index}"
        if not camera.accessible:
            remedy = "[yellow]not allowed for this user: sudo usermod -aG video $USER, then log in again[/]"
        table.add_row(f"[bold cyan]{camera.index}[/]", escape(camera.name or "-"), remedy)
    Console(highlight=False).print(table)
