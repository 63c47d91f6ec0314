"""The formats in which poses are written, by name. Data only, and light: `posecli --help` lists them."""

from __future__ import annotations

from pathlib import PurePath

from posecli.errors import UsageError
from posecli.options import did_you_mean

DATA_FORMATS = ("json", "jsonl", "csv", "csv-wide", "coco", "openpose", "yolo-pose")
FOLDER_FORMATS = frozenset({"openpose", "yolo-pose"})
_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


def format_of(path: str, explicit: str | None = None, option: str = "--format") -> str:
    """The format of the poses written to `path`: the one asked for, else by suffix; JSON on stdout (`-`).

    `option` is what the command line asks for it by. Raises UsageError for an unknown format or suffix, and for a
    folder format on stdout.
    """
    if explicit is None:
        return "json" if path == "-" else _by_suffix(path, option)
    if explicit not in DATA_FORMATS:
        hint = did_you_mean(explicit, DATA_FORMATS)
        raise UsageError(f"no format {explicit!r}{hint}; there are: {', '.join(DATA_FORMATS)}")
    if path == "-" and explicit in FOLDER_FORMATS:
        raise UsageError(f"{explicit} writes a folder of files, not to standard output; give a folder instead of -")
    return explicit


def _by_suffix(path: str, option: str) -> str:
    suffix = PurePath(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"{path}: no format goes with this name; give {option} ({', '.join(DATA_FORMATS)}) "
            f"or a suffix ({' '.join(_SUFFIXES)})"
        )
    return _SUFFIXES[suffix]
