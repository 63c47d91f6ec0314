#!/usr/bin/env python3
"""Download the 24 photos that the original PoseNet was shown with.

    python scripts/get_test_images.py

They come from Google's server, or from a mirror of it (--base-url), into the folder `images`. What is there already and
whole is kept; what is broken is replaced once a whole picture has come. An address is http(s)://, file:// or a plain
folder that has assets/posenet/ in it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from posecli.cli.console import say_error
from posecli.download import RemoteFile, check_bases, download
from posecli.errors import DownloadError, PosecliError
from posecli.files import cannot_write
from posecli.sources.containers import inspect
from posecli.weights.catalog import BASE_URL

REMOTE_FOLDER = "assets/posenet"
MOST_BYTES = 20_000_000  # of a photo; the largest has under a million
PHOTOS = (
    "frisbee.jpg",
    "frisbee_2.jpg",
    "backpackman.jpg",
    "boy_doughnut.jpg",
    "soccer.png",
    "with_computer.jpg",
    "snowboard.jpg",
    "person_bench.jpg",
    "skiing.jpg",
    "fire_hydrant.jpg",
    "kyte.jpg",
    "looking_at_computer.jpg",
    "tennis.jpg",
    "tennis_standing.jpg",
    "truck.jpg",
    "on_bus.jpg",
    "tie_with_beer.jpg",
    "baseball.jpg",
    "multi_skiing.jpg",
    "riding_elephant.jpg",
    "skate_park_venice.jpg",
    "skate_park.jpg",
    "tennis_in_crowd.jpg",
    "two_on_bench.jpg",
)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("images"), metavar="DIR", help="default: images")
    parser.add_argument("--base-url", action="append", metavar="URL", help="a mirror; repeat it for several, in order")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="photos downloaded at once (default: 4)")
    arguments = parser.parse_args(words)
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {arguments.jobs}")
    try:
        get_photos(arguments.folder, arguments.base_url or [BASE_URL], arguments.jobs)
    except PosecliError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say_error("interrupted; run it again to go on")
        return 130
    print(f"{len(PHOTOS)} photos in {arguments.folder}; next: posecli annotate {arguments.folder}")
    return 0


def get_photos(folder: Path, bases: Sequence[str], jobs: int) -> None:
    """Download what is missing or broken. Raises DownloadError for a photo that cannot be had, or not as a picture.

    Nothing in the folder is touched until there is a whole picture to take its place; what has come by the time that
    another photo fails is kept. Any number of runs may work on one folder at once.
    """
    missing = [name for name in PHOTOS if not is_whole(folder / name)]
    if not missing:
        return
    bases = check_bases(bases)
    # Neither sizes nor hashes of the photos are known.
    remote = [RemoteFile(f"{REMOTE_FOLDER}/{name}", None, None) for name in missing]
    with (
        scratch_folder(folder) as scratch,
        tqdm(unit="B", unit_scale=True, desc=f"{len(missing)} photos", leave=False, disable=None) as bar,
    ):
        try:
            download(remote, bases, Path(scratch), jobs=jobs, on_bytes=bar.update, on_retry=say, most_bytes=MOST_BYTES)
        finally:
            put_in_place([Path(scratch) / name for name in missing], folder)
    if broken := [name for name in missing if not is_whole(folder / name)]:
        raise DownloadError(f"not whole pictures: {', '.join(sorted(broken))}; try again, or another --base-url")


def say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def scratch_folder(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A new hidden folder in this one, on its file system so that a rename is enough."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A thread of a download that has failed may still hold a file open.
        return tempfile.TemporaryDirectory(prefix=".downloads-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def put_in_place(photos: Sequence[Path], folder: Path) -> None:
    """Move those that are there and whole into the folder, each in one step."""
    for photo in filter(is_whole, photos):
        try:
            photo.replace(folder / photo.name)
        except OSError as error:
            raise cannot_write(folder / photo.name, error) from error


def is_whole(path: Path) -> bool:
    """Whether a picture is there, from its first byte to its last."""
    try:
        container = inspect(path.read_bytes()) if path.is_file() else None
    except OSError:
        return False
    return container is not None and container.whole


if __name__ == "__main__":
    sys.exit(main())
