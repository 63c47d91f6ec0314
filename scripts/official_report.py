#!/usr/bin/env python3
"""Fetch every official model from a folder and print what comes of it, a row for each model and stride.

    python scripts/official_report.py MIRROR [--photo FILE] [--markdown]

MIRROR is a folder laid out as Google's server (savedmodel/posenet/..., weights/posenet/...). Each row is one fetch, as
`posecli fetch-weights` does it, into a folder that is thrown away: all files held against the catalogue's sizes and
hashes, converted, checked by running both networks, installed, and then used on a photo. A model that MIRROR has not
all files of gets a row that says so. Left out are the strides whose JSON has no known hash.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import posecli
from posecli.cli.console import say_error
from posecli.download import RemoteFile
from posecli.errors import DownloadError, PosecliError, UsageError
from posecli.sources import read_image
from posecli.weights import store
from posecli.weights.catalog import MODELS, OfficialModel
from posecli.weights.fetch import fetch

COLUMNS = {  # title -> width, to the left where negative
    "model": -20,
    "stride": 6,
    "files": 8,
    "MB": 6,
    "parameters": 10,
    "stored as": 9,
    "check error": 11,
    "people": 6,
    "seconds": 7,
    "not fetched": -11,
}


@dataclass(frozen=True)
class Use:
    """What a fetched model is."""

    parameters: int
    check_error: float  # of the executed check: largest error of a head over its largest magnitude
    people: int  # found on the photo
    seconds: float  # for the fetch: copying, hashes, conversion, check, installation


@dataclass(frozen=True)
class Row:
    """One fetch of a model, with the graph of one stride."""

    model: OfficialModel
    stride: int
    verified: Sequence[RemoteFile]  # that came with the right size and hash, up to the first that did not
    result: Use | str  # or what was missing

    @property
    def cells(self) -> tuple[str, ...]:
        """The text of each column."""
        count = f"{len(self.verified)} of {len(self.model.files(self.stride))}"
        verified_mb = f"{sum(file.size or 0 for file in self.verified) / 1e6:.2f}"
        known = (self.model.name, str(self.stride), count, verified_mb)
        if isinstance(self.result, str):
            return (*known, "", self.model.quantization, "", "", "", self.result)
        use = self.result
        figures = (f"{use.check_error:.1e}", str(use.people), f"{use.seconds:.2f}")
        return (*known, f"{use.parameters:,}", self.model.quantization, *figures, "")


def strides(model: OfficialModel) -> list[int]:
    """Those whose JSON can be verified."""
    return [stride for stride, graph in model.graphs.items() if graph.blob_sha1]


def report(mirror: Path, photo: NDArray[np.uint8]) -> Iterator[Row]:
    """Fetch every model at every stride, and find the people on the photo, (H, W, 3) RGB."""
    for model in MODELS.values():
        for stride in strides(model):
            with home_of_its_own():
                row = try_out(model, stride, mirror, photo)
            yield row


def try_out(model: OfficialModel, stride: int, mirror: Path, photo: NDArray[np.uint8]) -> Row:
    """Fetch one model into a home folder that has none."""
    needed = model.files(stride)
    start = perf_counter()
    try:
        fetched = fetch(model, [str(mirror)], stride=stride, jobs=1)  # one after the other: the first that is missing
    except DownloadError as error:
        here = store.downloads_folder(model.name)
        return Row(model, stride, [file for file in needed if (here / file.name).is_file()], short(error))
    seconds = perf_counter() - start
    conversion = fetched.conversion
    assert conversion is not None, "the home folder was not empty"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of models that find hardly anybody: the table shows it
        people = len(posecli.load_estimator(fetched.path, stride=stride)(photo))
    parameters = sum(tensor.numel() for tensor in conversion.state_dict.values())
    return Row(model, stride, needed, Use(parameters, conversion.check_error, people, seconds))


def short(error: DownloadError) -> str:
    """Which file cannot be had and why, without folders."""
    said = re.match(r"(?:.*/)?([^/]+): not to be had from .*\((.*)\); ", str(error))
    return f"{said[1]}: {said[2]}" if said else str(error)


@contextmanager
def home_of_its_own() -> Iterator[None]:
    """Have models installed in a folder that is deleted in the end."""
    before = os.environ.get(store.HOME_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[store.HOME_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[store.HOME_VARIABLE]
            if before is not None:
                os.environ[store.HOME_VARIABLE] = before


def line(cells: Sequence[str], *, markdown: bool) -> str:
    """A row of the table."""
    if markdown:
        return f"| {' | '.join(cells)} |"
    padded = (
        f"{cell:{'<' if width < 0 else '>'}{abs(width)}}" for cell, width in zip(cells, COLUMNS.values(), strict=True)
    )
    return "  ".join(padded).rstrip()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mirror", type=Path, metavar="MIRROR", help="a folder laid out as Google's server")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="to find people on (default: the packaged example)")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args(words)
    try:
        print_report(arguments.mirror, arguments.photo, markdown=arguments.markdown)
    except PosecliError as error:
        say_error(str(error))
        return error.exit_code
    return 0


def print_report(mirror: Path, photo: Path | None, *, markdown: bool) -> None:
    """Print each row as soon as it is known, and then a summary. Raises UsageError where there is no such folder."""
    if not mirror.is_dir():
        raise UsageError(f"{mirror}: no such folder; give one that holds a copy of Google's files")
    packaged = (files("posecli") / "assets" / "example.jpg").read_bytes()
    image = read_image(photo or packaged, str(photo or "the packaged photo"))
    print(line(list(COLUMNS), markdown=markdown))
    if markdown:
        print(line(["---" if width < 0 else "---:" for width in COLUMNS.values()], markdown=True))
    rows = []
    for row in report(mirror, image):
        print(line(row.cells, markdown=markdown), flush=True)
        rows.append(row)
    fetched = [row for row in rows if isinstance(row.result, Use)]
    print(
        f"\n{len(fetched)} of {len(rows)} fetched, verified, converted and used: "
        f"{len({row.model.name for row in fetched})} of {len(MODELS)} models"
    )


if __name__ == "__main__":
    sys.exit(main())
