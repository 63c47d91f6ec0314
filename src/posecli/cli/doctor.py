"""`posecli doctor`: a page about the installation, to paste into a bug report."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posecli.cli.console import console, error_boundary
from posecli.cli.declarations import OUTPUT_PANEL, Debug, option
from posecli.files import write_whole

if TYPE_CHECKING:
    from posecli.doctor import Report


def doctor(
    json_file: Annotated[
        str | None,
        option(
            "--json",
            metavar="FILE",
            help="Write the report there as JSON, and show no page; - is stdout.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Examine this installation: a page to paste into a bug report.

    The self-test must find on a packaged photo what Google's own code finds there, with the bundled model.

    Your home folder is shown as ~, and credentials in addresses are masked.

    Here, exit code 0 means that all that is installed can be imported and the self-test agrees; else it is 1.
    """
    with error_boundary(debug):
        from posecli.doctor import examine

        report = examine()
        if json_file is None:
            _show(report)
        elif json_file == "-":
            typer.echo(_as_json(report))
        else:
            write_whole(Path(json_file), f"{_as_json(report)}\n".encode())
            console().print(f"wrote {json_file}", markup=False, soft_wrap=True)
        if not report.ok:
            raise typer.Exit(1)


def _as_json(report: Report) -> str:
    return json.dumps({"ok": report.ok, **asdict(report)}, indent=2)


def _show(report: Report) -> None:
    """Print the page; problems are red on a terminal. Lines are not wrapped, so that a path is copied whole."""
    from posecli.doctor.page import page

    encoding = sys.stdout.encoding or "utf-8"
    for row in page(report):
        text = row.text.encode(encoding, "replace").decode(encoding)  # not every console can show every name
        typer.secho(text, fg="red" if row.is_problem else None)
