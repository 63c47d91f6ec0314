"""What commands say on standard error, and the boundary that turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console

from posecli.cli.exits import INTERRUPTED, TERMINATED, Terminated
from posecli.errors import PosecliError
from posecli.files import cannot_write

if TYPE_CHECKING:
    from tqdm import tqdm

FULL = (errno.ENOSPC, errno.EIO)


def console() -> Console:
    """Where talk goes: standard error. Standard output is for data."""
    return Console(stderr=True, highlight=False)


def say_error(message: str) -> None:
    """One line on standard error, whatever the message holds: names in it may carry line ends and escape codes."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    typer.secho("error: ", fg="red", nl=False, err=True)
    typer.echo(" ".join(printable.split()), err=True)


@contextmanager
def above(bar: tqdm[NoReturn]) -> Iterator[None]:
    """Leave the terminal to what is printed meanwhile, if the bar is on it; one that waits for its delay stays away."""
    shown = not bar.disable and bar.last_print_t >= bar.start_t + (bar.delay or 0)
    if shown:
        bar.clear()
    try:
        yield
    finally:
        if shown:
            bar.refresh()


@contextmanager
def error_boundary(debug: bool = False) -> Iterator[None]:
    """Turn what goes wrong inside into one line on standard error and the documented exit code.

    `debug` shows the traceback too. A reader that closes standard output (`| head`) has what it wanted: that ends the
    run quietly.
    """
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt as interruption:
        say_error("interrupted; what was finished is kept")
        raise typer.Exit(TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes stdout as it ends
        raise typer.Exit(0) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, PosecliError):
            say_error(str(error))
            raise typer.Exit(error.exit_code) from None
        if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
            say_error(str(cannot_write("-", error)))  # our own files are named; this is what was printed
            raise typer.Exit(1) from None
        hint = "report it" if debug else "run again with --debug and report it"
        say_error(f"unexpected {type(error).__name__}: {error}; {hint}")
        raise typer.Exit(1) from None
