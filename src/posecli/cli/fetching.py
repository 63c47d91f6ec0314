"""What `fetch-weights` and `--fetch` do: choose the models, fetch one after the other under one bar, sum up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer
from rich.markup import escape
from tqdm import tqdm

from posecli.cli.console import above, console, say_error
from posecli.cli.models import megabytes, models_table, official_rows, print_table
from posecli.download import check_bases, shown_address
from posecli.errors import PosecliError, UsageError
from posecli.options import DEFAULT_JOBS, split_model
from posecli.weights import store
from posecli.weights.catalog import BASE_URL, MODELS, RECOMMENDED, OfficialModel, official

URL_VARIABLE = "POSECLI_WEIGHTS_URL"
MOST_JOBS = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to fetch, with the output stride whose graph is to be converted."""

    model: OfficialModel
    stride: int = 16


def run(
    names: Sequence[str],
    *,
    everything: bool,
    base_urls: Sequence[str],
    show: bool,
    verify: bool,
    dry_run: bool,
    force: bool,
    jobs: int,
    quiet: bool,
) -> None:
    """Do what `posecli fetch-weights` was asked for; raise typer.Exit where a model failed."""
    if not 1 <= jobs <= MOST_JOBS:
        raise UsageError(f"--jobs must lie between 1 and {MOST_JOBS}, got {jobs}")
    if everything and names:
        raise UsageError("--all means every model; give names or --all, not both")
    if show + verify + dry_run > 1:
        raise UsageError("--list, --verify and --dry-run exclude each other; give one")
    if show and (names or everything):
        raise UsageError("--list shows all models; give it no names, and not --all")
    if show:
        print_table(models_table(official_rows()))
        return
    if verify:
        verify_installed(names, quiet=quiet)
        return
    wanted = [Wanted(model) for model in MODELS.values()] if everything else choose(names)
    if not names and not everything and not quiet:
        console().print(f"fetching [bold]{RECOMMENDED}[/], the recommended model (all: posecli models)", soft_wrap=True)
    if dry_run:
        explain(wanted, base_urls, force=force)
        return
    fetch_all(wanted, base_urls, force=force, jobs=jobs, quiet=quiet)


def choose(names: Sequence[str]) -> list[Wanted]:
    """The official models of these names, each once, NAME@STRIDE included; the recommended one where there is none."""
    chosen: dict[str, Wanted] = {}
    for name in names or [RECOMMENDED]:
        base, stride = split_model(name)
        model = official(base)
        if stride is not None:
            model.spec.check_stride(stride, model.name)
        chosen.setdefault(model.name, Wanted(model, stride or 16))
    return list(chosen.values())


def ensure(name: str, stride: int, *, quiet: bool) -> None:
    """Fetch the model that `--model` names if it is an official one that is not there, or damaged."""
    if name in MODELS and not is_whole(name) and store.model_file(name) != store.bundled_path(name):
        MODELS[name].spec.check_stride(stride, name)
        fetch_all([Wanted(MODELS[name])], [], force=False, jobs=DEFAULT_JOBS, quiet=quiet, how_to_use=False)


def fetch_all(
    wanted: Sequence[Wanted],
    base_urls: Sequence[str],
    *,
    force: bool,
    jobs: int,
    quiet: bool,
    how_to_use: bool = True,
) -> None:
    """Fetch models one after the other, name each that fails, and raise typer.Exit if any did."""
    there = {each.model.name for each in wanted if not force and is_whole(each.model.name)}
    missing = [each for each in wanted if each.model.name not in there]
    bases = check_bases(addresses(base_urls)) if missing else ()
    total = sum(each.model.download_bytes for each in missing)
    failed: list[str] = []
    exit_code = 0
    with tqdm(total=total, unit="B", unit_scale=True, disable=True if quiet else None, delay=0.5, leave=False) as bar:
        talk = Talk(bar, quiet)
        for each in wanted:
            if each.model.name in there:
                talk.say(f"[bold]{each.model.name}[/] is there already: {escape(str(store.find(each.model.name)))}")
                continue
            try:
                fetch_one(each, bases, talk, force=force, jobs=jobs)
            except PosecliError as error:
                talk.fail(f"{each.model.name}: {error}")
                exit_code = max(exit_code, error.exit_code)
                failed.append(each.model.name)
    if failed:
        if len(wanted) > 1:
            talk.say(f"{len(wanted) - len(failed)} of {len(wanted)} models are there; not had: {', '.join(failed)}")
        raise typer.Exit(exit_code)
    if how_to_use:
        talk.say(f"use it with: posecli annotate DIR --model {wanted[-1].model.name}")


def fetch_one(wanted: Wanted, bases: Sequence[str], talk: Talk, *, force: bool, jobs: int) -> None:
    """Fetch one model, and say what came of it."""
    from posecli.weights.fetch import fetch

    name = wanted.model.name
    talk.bar.set_description(name)
    fetched = fetch(
        wanted.model,
        bases,
        stride=wanted.stride,
        force=force,
        jobs=jobs,
        on_bytes=talk.bar.update,
        on_retry=lambda why: talk.say(f"[yellow]{escape(why)}[/]"),
        on_wait=lambda: talk.say(f"waiting for another posecli that works on {name}"),
    )
    if fetched.conversion is None:
        talk.say(f"[bold]{name}[/] is there already: {escape(str(fetched.path))}")
    else:
        talk.say(
            f"[bold]{name}[/]: {megabytes(wanted.model.download_bytes)} fetched and verified; converted, checked to "
            f"agree within {fetched.conversion.check_error:.0e} → {escape(str(fetched.path))}"
        )


@dataclass(frozen=True)
class Talk:
    """Lines on standard error, above the bar."""

    bar: tqdm[NoReturn]
    quiet: bool

    def say(self, line: str) -> None:
        """A line in rich markup, unless all should be quiet."""
        if not self.quiet:
            with above(self.bar):
                console().print(line, soft_wrap=True)

    def fail(self, message: str) -> None:
        """An error, in any case."""
        with above(self.bar):
            say_error(message)


def explain(wanted: Sequence[Wanted], base_urls: Sequence[str], *, force: bool) -> None:
    """Print what a fetch would download, from where and to where."""
    bases = check_bases(addresses(base_urls))
    total = 0
    for each in wanted:
        if not force and is_whole(each.model.name):
            typer.echo(f"{each.model.name}: installed already, nothing to download")
            continue
        typer.echo(f"{each.model.name}: {megabytes(each.model.download_bytes)}")
        for file in each.model.files(each.stride):
            typer.echo(f"  {shown_address(bases[0], file)}  {file.size:,} bytes")
        total += each.model.download_bytes
    typer.echo(f"{megabytes(total)} in all, to {store.models_folder()}")
    for base in bases[1:]:
        example = wanted[0].model.files()[0]
        typer.echo(f"where a file is not there, from the next, such as {shown_address(base, example)}")


def is_whole(name: str) -> bool:
    """Whether a model is installed and undamaged; nothing heavy is loaded where it is not installed."""
    if name not in store.installed():
        return False
    from posecli.weights.fetch import whole

    return whole(name) is not None


def verify_installed(names: Sequence[str], *, quiet: bool) -> None:
    """Hash installed models again, all or those named; raise typer.Exit where one is damaged."""
    from posecli.weights.checkpoint import load

    asked = [split_model(name)[0] for name in names] or list(store.installed())
    exit_code = 0
    for name in asked:
        try:
            path = store.model_file(name)
            if path is None:
                raise store.not_installed(official(name).name)
            load(path)
        except PosecliError as error:
            say_error(str(error))
            exit_code = max(exit_code, error.exit_code)
            continue
        if not quiet:
            typer.echo(f"{name}: whole")
    if not asked and not quiet:
        console().print(f"no models in {escape(str(store.models_folder()))}", soft_wrap=True)
    if exit_code:
        raise typer.Exit(exit_code)


def addresses(base_urls: Sequence[str]) -> list[str]:
    """Where to fetch from: what was given, or else what the environment says, or else Google's server."""
    named = os.environ.get(URL_VARIABLE, "")
    return list(base_urls) or ([named] if named and Path(named).is_dir() else named.split()) or [BASE_URL]
