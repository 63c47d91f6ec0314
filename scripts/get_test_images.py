#!/usr/bin/env python3
"""Download the 24 photos that the original PoseNet was shown with.

    python scripts/get_test_images.py

They come from Google's server, or from a mirror of it (--base-url), into the folder `images`. What is there already and
whole is kept. An address is http(s)://, file:// or a plain folder that has assets/posenet/ in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from posecli.cli.common import say_error
from posecli.download import RemoteFile, download
from posecli.errors import DownloadError, PosecliError
from posecli.files import cannot_write
from posecli.sources.containers import inspect
from posecli.weights.catalog import BASE_URL

REMOTE_FOLDER = "assets/posenet"
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
    """Download what is missing or broken. Raises DownloadError for a photo that cannot be had, or not as a picture."""
    missing = [name for name in PHOTOS if not is_whole(folder / name)]
    delete(folder, missing)
    with tqdm(unit="B", unit_scale=True, desc=f"{len(missing)} photos", leave=False, disable=None) as bar:
        # Neither sizes nor hashes of the photos are known.
        remote = [RemoteFile(f"{REMOTE_FOLDER}/{name}", None, None) for name in missing]
        download(remote, bases, folder, jobs=jobs, on_bytes=bar.update, on_retry=say)
    if broken := [name for name in sorted(missing) if not is_whole(folder / name)]:
        delete(folder, broken)
        raise DownloadError(f"not whole pictures, deleted: {', '.join(broken)}; try again, or another --base-url")


def say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def delete(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder / name, error) from error


def is_whole(path: Path) -> bool:
    """Whether a picture is there, from its first byte to its last."""
    try:
        container = inspect(path.read_bytes())
    except OSError:
        return False
    return container is not None and container.whole


if __name__ == "__main__":
    sys.exit(main())
