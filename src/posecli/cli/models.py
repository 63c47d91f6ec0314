"""`posecli models`: what there is, what is installed, where it lies, and how to be rid of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from posecli.cli.console import console, error_boundary
from posecli.cli.declarations import OUTPUT_PANEL, Debug, option
from posecli.cli.exits import EXIT_CODES
from posecli.errors import UsageError, WeightsError
from posecli.files import write_whole
from posecli.options import DEFAULT_MODEL, did_you_mean, split_model

PIPED_WIDTH = 160  # columns where nobody looks: each model on one line, for grep
ANY_WIDTH = 1000  # columns, more than a table takes
UNKNOWN = "-"
COLUMNS = ("Model", "Installed", "Download", "Params", "Strides", "GFLOP", "AP", "Note")
NARROW_COLUMNS = ("Model", "Installed", "Download", "AP")
STATE_STYLES = {"bundled": "green", "yes": "green", "damaged": "red", "no": "dim"}

models_app = typer.Typer(
    name="models",
    help="Show all models with their size, cost and accuracy, and which are installed.",
    epilog=EXIT_CODES,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name.", show_default=False)]
Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Installed models.", show_default=False)]


@models_app.callback()
def models(
    context: typer.Context,
    json_file: Annotated[
        str | None,
        option("--json", metavar="FILE", help="Write the table as JSON instead; - is stdout.", panel=OUTPUT_PANEL),
    ] = None,
    debug: Debug = False,
) -> None:
    """Show all models with their size, cost and accuracy, and which are installed.

    For example: posecli models path mobilenet-075
    """
    with error_boundary(debug):
        if context.invoked_subcommand is not None:
            if json_file is not None:
                raise UsageError(f"--json goes with posecli models alone, not with {context.invoked_subcommand}")
            return
        rows = [*official_rows(), *own_rows()]
        if json_file is None:
            print_table(models_table(rows))
        else:
            write_json(json_file, rows)


@models_app.command("path", epilog=EXIT_CODES, no_args_is_help=True)
def path_command(name: Name, debug: Debug = False) -> None:
    """Print where a model's file lies."""
    with error_boundary(debug):
        typer.echo(str(model_path(name)))


@models_app.command("rm", epilog=EXIT_CODES, no_args_is_help=True)
def rm_command(names: Names, debug: Debug = False) -> None:
    """Remove installed models."""
    with error_boundary(debug):
        from posecli.weights import store

        for name in dict.fromkeys(split_model(name)[0] for name in names):
            freed = store.remove(name, lambda: console().print("waiting for another posecli that works on it"))
            console().print(f"removed {name}: {megabytes(freed)} freed", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What the table says of a model. None and () stand for what is not known."""

    name: str
    installed: Literal["bundled", "yes", "damaged", "no"]  # damaged at a glance; --verify looks closer
    path: str | None  # of the file that `--model` would use
    download_bytes: int | None  # None for the user's own
    parameters: int | None
    strides: tuple[int, ...]
    gflops: float | None  # at 513 x 513, stride 16
    ap: float | None  # in percent
    note: str
    default: bool = False
    recommended: bool = False

    @property
    def remarks(self) -> str:
        """The note, with what posecli makes of the model."""
        marks = [word for word in ("default", "recommended") if getattr(self, word)]
        return "; ".join([*marks, *([self.note] if self.note else [])])


def official_rows() -> list[ModelRow]:
    """Google's models, in the order of the catalogue."""
    from posecli.weights import catalog, store

    here = store.installed()
    bundled = {name: store.bundled_path(name) for name in store.BUNDLED}
    return [
        ModelRow(
            name=model.name,
            installed=_state(here[model.name]) if model.name in here else "bundled" if model.name in bundled else "no",
            path=str(path) if (path := here.get(model.name, bundled.get(model.name))) else None,
            download_bytes=model.download_bytes,
            parameters=model.parameters,
            strides=model.strides,
            gflops=model.gflops,
            ap=model.ap,
            note=model.note,
            default=model.name == DEFAULT_MODEL,
            recommended=model.name == catalog.RECOMMENDED,
        )
        for model in catalog.MODELS.values()
    ]


def _state(path: Path) -> Literal["yes", "damaged"]:
    from posecli.weights import store

    return "yes" if store.seems_whole(path) else "damaged"


def own_rows() -> list[ModelRow]:
    """Models that the user has put in beside Google's, in order of their names."""
    from posecli.weights import catalog, store

    return [_own_row(name, path) for name, path in sorted(store.installed().items()) if name not in catalog.MODELS]


def _own_row(name: str, path: Path) -> ModelRow:
    from posecli.networks.spec import spec_of
    from posecli.weights import catalog, store

    try:
        metadata: Mapping[str, str] = store.read_metadata(path)
        stored = metadata.get("quantization", "")
        note = f"your own, {stored}" if stored in get_args(catalog.Quantization) else "your own"
    except WeightsError:
        metadata, note = {}, "your own; cannot be read"
    spec = spec_of(metadata)
    return ModelRow(
        name=name,
        installed=_state(path),
        path=str(path),
        download_bytes=None,
        parameters=catalog.COSTS[spec.name].parameters if spec else None,
        strides=spec.strides if spec else (),
        gflops=catalog.COSTS[spec.name].gflops if spec else None,
        ap=None,
        note=note,
        default=name == DEFAULT_MODEL,
    )


def model_path(name: str) -> Path:
    """The file of an installed or bundled model, given as NAME or NAME@STRIDE.

    Raises WeightsError, with the command that fetches it, where it is not installed, and UsageError where there is no
    such model or the model has no such stride.
    """
    from posecli.weights import catalog, store

    name, stride = split_model(name)
    if stride is not None and name in catalog.MODELS:
        catalog.MODELS[name].spec.check_stride(stride)
    if (path := store.model_file(name)) is not None:
        return path
    if name in catalog.MODELS:
        raise store.not_installed(name)
    raise UsageError(f"no model {name!r}{did_you_mean(name, store.known_names())}; list them with: posecli models")


def write_json(file: str, rows: Sequence[ModelRow]) -> None:
    """Write the rows as a JSON document to a file, or to standard output (`-`)."""
    from posecli.weights.catalog import MEASURED_ON

    document = {"ap_measured_on": MEASURED_ON, "models": [asdict(row) for row in rows]}
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    if file == "-":
        typer.echo(text, nl=False)
    else:
        write_whole(Path(file), text.encode())


def models_table(rows: Sequence[ModelRow]) -> ModelsTable:
    """The rows for people, as wide as there is room; print it with `print_table`."""
    return ModelsTable(tuple(rows))


@dataclass(frozen=True, slots=True)
class ModelsTable:
    """A table that rich can print: with as many columns as fit, and the remarks below where they do not."""

    rows: tuple[ModelRow, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls."""
        for headings in (COLUMNS, COLUMNS[:-1], NARROW_COLUMNS):
            table = _table(self.rows, headings)
            if Measurement.get(console, options.update_width(ANY_WIDTH), table).maximum <= options.max_width:
                break
        yield table
        if "Note" not in headings:
            yield ""
            for row in self.rows:
                if row.remarks:
                    yield Text.assemble((row.name, _style(row)), f": {row.remarks}")
        yield ""
        yield from _legend()


def print_table(table: ModelsTable) -> None:
    """Print to standard output."""
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(highlight=False, width=PIPED_WIDTH)
    out.print(table)


def _table(rows: Sequence[ModelRow], headings: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in headings:
        is_text = heading in ("Model", "Installed", "Note")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    for row in rows:
        cells: dict[str, str | Text] = {
            "Model": Text(row.name, _style(row)),
            "Installed": Text(row.installed, STATE_STYLES[row.installed]),
            "Download": UNKNOWN if row.download_bytes is None else megabytes(row.download_bytes),
            "Params": UNKNOWN if row.parameters is None else f"{row.parameters / 1e6:.1f} M",
            "Strides": ", ".join(map(str, row.strides)) or UNKNOWN,
            "GFLOP": UNKNOWN if row.gflops is None else f"{row.gflops:.1f}",
            "AP": UNKNOWN if row.ap is None else f"{row.ap:.1f}",
            "Note": Text(row.remarks),
        }
        table.add_row(*(cells[heading] for heading in headings))
    return table


def _style(row: ModelRow) -> str:
    return "bold" if row.default or row.recommended else ""


def _legend() -> Iterator[Text]:
    from posecli.weights.catalog import MEASURED_ON

    yield Text("GFLOP: 10^9 operations for an image of 513 x 513 at stride 16.", "dim")
    yield Text(f"AP: {MEASURED_ON}; a dash where not measured.", "dim")


def megabytes(size: int) -> str:
    """A size in MB, of 1,000,000 bytes as disks and networks count."""
    return f"{size / 1e6:.1f} MB"
