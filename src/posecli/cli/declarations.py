"""How options and arguments are declared, and those that several commands have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

INPUT_PANEL = "Input"
MODEL_PANEL = "Model"
DECODE_PANEL = "Finding people"
OUTPUT_PANEL = "Output"
VIDEO_PANEL = "Videos"
RUN_PANEL = "Running"


def option(*names: str, help: str, panel: str, metavar: str | None = None, **settings: Any) -> Any:
    """A command-line option that takes a value, in one of the help's panels."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, **settings)


def flag(*names: str, help: str, panel: str) -> Any:
    """An option that is given or not; the help shows no type for it."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=" ")


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Photos, videos, folders, quoted globs, URLs of images and streams, or - for a list of paths on standard "
        "input.",
        show_default=False,
    ),
]
Recursive = Annotated[bool, flag("--recursive", "-r", help="Go into the folders' folders.", panel=INPUT_PANEL)]
Quiet = Annotated[bool, flag("--quiet", "-q", help="No progress, no summary; errors only.", panel=RUN_PANEL)]
Debug = Annotated[bool, flag("--debug", help="Show tracebacks.", panel=RUN_PANEL)]
Style = Annotated[
    str,
    option("--style", metavar="NAME", help="modern, or classic: the look of 2018, in one colour.", panel=OUTPUT_PANEL),
]
Boxes = Annotated[bool, flag("--boxes", help="Draw a box around each person.", panel=OUTPUT_PANEL)]
Labels = Annotated[
    bool, flag("--labels", help="Number the people; those who are tracked, by their ids.", panel=OUTPUT_PANEL)
]
Scores = Annotated[bool, flag("--scores", help="Write each person's score.", panel=OUTPUT_PANEL)]
