"""The command line. Each command parses and calls; nothing heavy is imported before it runs."""

from typing import Annotated

import typer

from posecli import __version__
from posecli.cli.commands import Commands, add_to
from posecli.cli.exits import EXIT_CODES

app = typer.Typer(
    name="posecli",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
add_to(app)


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
    """Find people's poses in photos, videos and live: Google's PoseNet in PyTorch, on any machine, offline."""
