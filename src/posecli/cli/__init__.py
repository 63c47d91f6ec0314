"""The command line. Each command parses and calls; nothing heavy is imported before it runs."""

from typing import Annotated

import typer

from posecli import __version__
from posecli.cli.annotate import annotate
from posecli.cli.bench import bench
from posecli.cli.common import EXIT_CODES, paragraphs
from posecli.cli.convert_weights import convert_weights
from posecli.cli.doctor import doctor
from posecli.cli.evaluate import evaluate
from posecli.cli.export import export
from posecli.cli.export_model import export_model
from posecli.cli.fetch_weights import fetch_weights
from posecli.cli.models import models_app

app = typer.Typer(
    name="posecli",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
app.command(epilog=EXIT_CODES, no_args_is_help=True)(annotate)
app.command(epilog=EXIT_CODES, no_args_is_help=True)(export)
app.command(help=paragraphs(evaluate.__doc__), epilog=EXIT_CODES, no_args_is_help=True)(evaluate)
app.command(help=paragraphs(bench.__doc__), epilog=EXIT_CODES)(bench)
app.command("fetch-weights", help=paragraphs(fetch_weights.__doc__), epilog=EXIT_CODES)(fetch_weights)
app.add_typer(models_app, name="models")
app.command("convert-weights", help=paragraphs(convert_weights.__doc__), epilog=EXIT_CODES, no_args_is_help=True)(
    convert_weights
)
app.command("export-model", help=paragraphs(export_model.__doc__), epilog=EXIT_CODES)(export_model)
app.command(epilog=EXIT_CODES)(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"posecli {__version__}")
        raise typer.Exit


@app.callback()
def posecli(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", metavar=" ", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Find people's poses in photos: Google's PoseNet in PyTorch, on any machine, offline."""
