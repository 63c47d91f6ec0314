"""The page of `posecli --help`, as Typer draws it.

Typer's own drawing imports Markdown, syntax highlighting and tracebacks first, which takes as long as all the rest of
the command together. The pages of the commands are drawn by Typer. Here everything is `Text`: rich looks for markup in
plain strings, and reads its list of emoji for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

PANEL_SIDES = 4  # columns: a panel's two borders, and a space inside each
LEAST_HELP = 10  # columns that a help text gets, however narrow the terminal is


def print_page(
    usage: str,
    help: str,
    options: Sequence[tuple[Sequence[str], str]],  # ways to write it, and its help
    commands: Sequence[tuple[str, str]],  # name and help
    epilog: str,
) -> None:
    """Print to standard output, as wide as the terminal is and in colour where it has any."""
    console = Console(highlight=False)
    console.print(Padding(Text.assemble(("Usage: ", "yellow"), usage, style="bold"), 1))
    console.print(Padding(Text(help), (0, 1, 1, 1)))
    long_width = max(len(_long(names)) for names, _ in options)
    heads = [
        Text.assemble((_long(names).ljust(long_width), "cyan"), "  ", (_short(names), "green"), style="bold")
        for names, _ in options
    ]
    _print_panel(console, "Options", [(head, text) for head, (_, text) in zip(heads, options, strict=True)])
    _print_panel(console, "Commands", [(Text(name, "bold cyan"), text) for name, text in commands])
    console.print(Padding(Text(epilog), 1))


def _long(names: Sequence[str]) -> str:
    return ",".join(name for name in names if name.startswith("--"))


def _short(names: Sequence[str]) -> str:
    return ",".join(name for name in names if not name.startswith("--"))


def _print_panel(console: Console, title: str, rows: Sequence[tuple[Text, str]]) -> None:
    """Two columns in a frame. Not rich's table, whose import alone would take a tenth of the command's time."""
    indent = max(len(head) for head, _ in rows) + 2
    width = max(console.width - PANEL_SIDES - indent, LEAST_HELP)
    body = Text()
    for head, text in rows:
        lines = Text(text).wrap(console, width)
        body.append_text(head).append(" " * (indent - len(head)))
        body.append_text(Text("\n" + " " * indent).join(lines)).append("\n")
    body.rstrip()
    console.print(Panel(body, title=Text(title), title_align="left", border_style="dim"))
