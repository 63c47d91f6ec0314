"""`posecli fetch-weights`: Google's checkpoints, downloaded once, verified, converted, ready for `--model`."""

from __future__ import annotations

from typing import Annotated

import typer

from posecli.cli.console import error_boundary
from posecli.cli.declarations import INPUT_PANEL, OUTPUT_PANEL, RUN_PANEL, Debug, Quiet, flag, option
from posecli.options import DEFAULT_JOBS

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help="Names such as mobilenet-100 or resnet50; all are in: posecli fetch-weights --list. By default, the "
        "recommended model.",
        show_default=False,
    ),
]


def fetch_weights(
    models: Models = None,
    everything: Annotated[bool, flag("--all", help="Fetch every model.", panel=INPUT_PANEL)] = False,
    base_url: Annotated[
        list[str] | None,
        option(
            "--base-url",
            metavar="URL",
            help="A mirror: http(s)://, file:// or a folder, laid out as Google's server. Repeat it for several, tried "
            "in order; Google's own server is then not asked. Without it, POSECLI_WEIGHTS_URL (separated by spaces).",
            panel=INPUT_PANEL,
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool, flag("--list", help="List what can be fetched, and fetch nothing.", panel=OUTPUT_PANEL)
    ] = False,
    verify: Annotated[
        bool,
        flag("--verify", help="Hash the installed models (or those named) again, fetch nothing.", panel=OUTPUT_PANEL),
    ] = False,
    dry_run: Annotated[
        bool, flag("--dry-run", help="Say what would be downloaded, and download nothing.", panel=OUTPUT_PANEL)
    ] = False,
    force: Annotated[bool, flag("--force", help="Fetch what is installed already, too.", panel=RUN_PANEL)] = False,
    jobs: Annotated[
        int, option("--jobs", metavar="N", help="Files downloaded at once.", panel=RUN_PANEL)
    ] = DEFAULT_JOBS,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Download Google's PoseNet weights, once: verified, converted, checked.

    What is interrupted goes on where it stopped. Every file is held against the size and the hash of Google's own; the
    converted network is run against the original graph. Only a whole, checked model is ever installed.

    [bold]Where:[/] in your data folder (~/.local/share/posecli on Linux; posecli doctor names it); POSECLI_HOME gives
    another.

    [bold]Mirrors:[/] any web server or folder with Google's layout (savedmodel/posenet/..., weights/posenet/...). The
    hashes are checked all the same.

    [bold]Offline machines:[/] fetch here, then copy the folder models from your data folder into that of the other
    machine, or point POSECLI_HOME there. With POSECLI_OFFLINE=1 posecli never touches the network.
    """
    with error_boundary(debug):
        from posecli.cli import fetching

        fetching.run(
            models or [],
            everything=everything,
            base_urls=base_url or [],
            show=show,
            verify=verify,
            dry_run=dry_run,
            force=force,
            jobs=jobs,
            quiet=quiet,
        )
