"""The commands by name. Each is imported when it is chosen: `posecli --help` knows them by this table alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import HAS_RICH, TyperGroup

from posecli.cli.exits import EXIT_CODES


class Entry(NamedTuple):
    """A command as the first page shows it."""

    name: str
    help: str  # the first paragraph of its own help, which a test compares
    target: str  # module of posecli.cli, and the function or the Typer app in it
    no_args_is_help: bool = False


ENTRIES = (
    Entry(
        "annotate", "Draw a skeleton on every person in photos and videos.", "annotate:annotate", no_args_is_help=True
    ),
    Entry(
        "export",
        "Write the poses in photos and videos as JSON, CSV, COCO results and more.",
        "export:export",
        no_args_is_help=True,
    ),
    Entry("webcam", "Draw a skeleton on everyone in front of the camera, live in a window.", "webcam:webcam"),
    Entry("cameras", "List the cameras of this computer, for posecli webcam --camera N.", "cameras:cameras"),
    Entry(
        "evaluate",
        "Measure accuracy on COCO keypoint annotations, with pycocotools, and time per image.",
        "evaluate:evaluate",
        no_args_is_help=True,
    ),
    Entry(
        "bench",
        "Measure how fast posecli is here: per stage the percentiles over the images, throughput and memory.",
        "bench:bench",
    ),
    Entry(
        "fetch-weights",
        "Download Google's PoseNet weights, once: verified, converted, checked.",
        "fetch_weights:fetch_weights",
    ),
    Entry(
        "convert-weights",
        "Convert a TF.js PoseNet, on MobileNet or ResNet50, official, fine-tuned or re-exported.",
        "convert_weights:convert_weights",
        no_args_is_help=True,
    ),
    Entry(
        "export-model",
        "Write the network as a file for ONNX Runtime, OpenVINO or TorchScript.",
        "export_model:export_model",
    ),
    Entry("doctor", "Examine this installation: a page to paste into a bug report.", "doctor:doctor"),
    Entry(
        "models",
        "Show all models with their size, cost and accuracy, and which are installed.",
        "models:models_app",
    ),
)
BY_NAME = {entry.name: entry for entry in ENTRIES}


class Commands(TyperGroup):
    """A group whose commands are names and short helps until one of them is chosen.

    Typer's own `Context` has a public name in some versions only, so it is `Any` here.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the words begin with, for running it or for completing its options."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(BY_NAME[name]) if name in BY_NAME else command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the first page."""
        if not HAS_RICH:  # the user set TYPER_USE_RICH=0
            super().format_help(ctx, formatter)
            return
        from posecli.cli.first_page import print_page

        options = [(parameter.opts, getattr(parameter, "help", None) or "") for parameter in self.get_params(ctx)]
        commands = [(name, self.commands[name].help or "") for name in self.list_commands(ctx)]
        usage = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
        print_page(usage, self.help or "", options, commands, self.epilog or "")


def add_to(app: typer.Typer) -> None:
    """Give the app, whose class is `Commands`, the names and the short helps."""
    for entry in ENTRIES:
        app.command(entry.name, help=entry.help)(_not_chosen)


def _not_chosen() -> None:
    """Stands for a command's function until `Commands.resolve_command` puts the command in its place."""


def load(entry: Entry) -> Any:
    """Import a command and build what Typer runs."""
    module, attribute = entry.target.split(":")
    target = getattr(import_module(f"posecli.cli.{module}"), attribute)
    app = target
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        settings: dict[str, Any] = {"epilog": EXIT_CODES, "no_args_is_help": entry.no_args_is_help}
        app.command(entry.name, help=paragraphs(target.__doc__), **settings)(target)
    return typer.main.get_command(app)


def paragraphs(text: str | None) -> str:
    """A docstring of several paragraphs for Typer, which keeps the line ends of all but the first as they are."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))
