"""Which photos and videos a command line names, and what each is called in the results. No pixel is read here.

In a folder, a name is the posix path below it; where several inputs are given, the folder's own last component comes
before that, so that the files of `a` and `b` stay apart. A file or an address is called by its own last component
alone: `a/1.jpg` and `b/1.jpg` given as two files share a name, which sinks with a file for each refuse. On the list on
standard input, a file is called by the whole path that is written there.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from typing import TextIO
from urllib.parse import unquote, urlsplit

from posecli.errors import InputError, MissingPathError, PosecliError, UsageError
from posecli.files import exists

# What a folder is searched for. HEIC is listed so that it fails with a remedy instead of being passed over.
IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".jp2"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif"),
    }
)
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".3g2"),
        *(".flv", ".f4v", ".wmv", ".asf", ".ogv", ".vob", ".mxf", ".y4m"),
    }
)
PLAYLIST_SUFFIXES = frozenset({".m3u8", ".mpd"})  # of a video in many files, which lie in the same folder: not searched
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "tcp")
_IMAGE_NAME_FALLBACK, _STREAM_NAME_FALLBACK = "image.jpg", "stream"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters or more: C:// is a drive
_HINT_ENTRIES = 1000  # a whole home folder is not searched just to word an error


@dataclass(frozen=True, slots=True)
class Input:
    """A photo or a video to be read."""

    name: str  # posix path, as the results call it
    index: int  # position in the whole list, from 0
    location: Path | str  # a file, or an address
    error: PosecliError | None = None  # why it is not to be read

    @property
    def is_video(self) -> bool:
        """Whether it is a video or a stream, as its name says, rather than a photo."""
        if isinstance(self.location, Path):
            return self.location.suffix.lower() in VIDEO_SUFFIXES | PLAYLIST_SUFFIXES
        return _is_stream(self.location)


@dataclass(frozen=True, slots=True)
class _Found:
    """An `Input` before it has its place in the list."""

    name: str
    location: Path | str
    error: InputError | None = None


def list_inputs(
    inputs: Sequence[str], *, recursive: bool, exclude: Path | None, stdin: TextIO | None
) -> tuple[Input, ...]:
    """Every photo and video of every input: inputs in the order given, what is in each in the order of names.

    What comes twice, the same place by the same name, is taken once. An input that is missing or holds none of them is
    listed with its error. Raises UsageError where nothing is left.
    """
    hidden = None if exclude is None else Path(os.path.realpath(exclude))
    several = len(inputs) > 1
    found: list[_Found] = []
    for argument in inputs:
        if not argument:
            raise UsageError("an input is empty; give a file, a folder, a glob or an address (is a variable unset?)")
        if argument == "-":
            for line in _lines(sys.stdin if stdin is None else stdin):
                found += _find(line, _clean(line), recursive, hidden)
        elif has_magic(argument) and not _SCHEME.match(argument) and not os.path.lexists(argument):
            found += _find_glob(argument, several, recursive, hidden)
        else:
            found += _find(argument, _own_name(argument) if several else "", recursive, hidden)
    _check_something_to_do(inputs, found)
    once = {_identity(entry): entry for entry in found}.values()
    return tuple(Input(entry.name, index, entry.location, entry.error) for index, entry in enumerate(once))


def _check_something_to_do(inputs: Sequence[str], found: Sequence[_Found]) -> None:
    if any(entry.error is None for entry in found):
        return
    if not found:
        raise UsageError("no paths on standard input" if inputs else "no input given")
    more = f" (and {len(found) - 1} more inputs without any)" if len(found) > 1 else ""
    raise UsageError(f"{found[0].error}{more}")


def _identity(entry: _Found) -> tuple[str, str]:
    on_disk = isinstance(entry.location, Path) and entry.error is None
    return entry.name, os.path.realpath(entry.location) if on_disk else str(entry.location)


def _find(argument: str, prefix: str, recursive: bool, hidden: Path | None) -> list[_Found]:
    """What is to be read of a file, folder or address; `prefix` is what their names start with, if not empty."""
    if _is_address(argument):
        return [_find_url(argument)]
    path = Path(argument)
    name = prefix or _own_name(argument)
    if not exists(path):
        return [_Found(name, path, _nothing_there(argument))]
    if not path.is_dir():
        return [_Found(name, path)]
    if hidden is not None and Path(os.path.realpath(path)) == hidden:
        raise UsageError(f"{argument}: the output folder is the input folder; choose another one with -o")
    files = list(_walk(path, recursive, hidden))
    if not files:
        return [_Found(name, path, _nothing_in(path, argument, recursive, hidden))]
    return _named(files, prefix)


def _nothing_there(argument: str) -> InputError:
    if _SCHEME.match(argument):
        known = ", ".join(("http", "https", *STREAM_SCHEMES))
        return InputError(f"{argument}: addresses begin with one of {known}; download it and give the file")
    return MissingPathError(f"{argument}: no such file or folder; check the path")


def _named(files: Iterable[_Found], prefix: str) -> list[_Found]:
    prefixed = (replace(file, name=f"{prefix}/{file.name}" if prefix else file.name) for file in files)
    return sorted(prefixed, key=lambda file: file.name)


def _nothing_in(path: Path, argument: str, recursive: bool, hidden: Path | None) -> InputError:
    nearest = islice(_entries(path, hidden), _HINT_ENTRIES)
    entries = [entry for entry in nearest if not entry[0].name.startswith(".")]
    if not recursive and any(_is_wanted(entry) and not is_folder for entry, is_folder, _ in entries):
        return InputError(f"no images or videos in {argument} itself, but in folders below it; use --recursive")
    if any(is_folder and is_link for _, is_folder, is_link in entries):
        return InputError(f"no images or videos in {argument}; linked folders are not followed: give what they link to")
    return InputError(f"no images or videos in {argument}; give a folder that holds some, such as JPEG or MP4 files")


def _walk(top: Path, recursive: bool, hidden: Path | None) -> Iterator[_Found]:
    """What is to be read below `top`, named from there; hidden entries and links to folders are passed over."""
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = [entry for entry in scan if not entry.name.startswith(".")]
        except OSError as error:
            reason = InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions")
            yield _Found(folder.relative_to(top).as_posix(), folder, reason)
            continue
        for entry in entries:
            path = Path(entry.path)
            if not _is_folder(entry):
                if _is_wanted(path):
                    yield _Found(path.relative_to(top).as_posix(), path)
            elif recursive and not entry.is_symlink() and Path(os.path.realpath(path)) != hidden:
                folders.append(path)


def _entries(top: Path, hidden: Path | None) -> Iterator[tuple[Path, bool, bool]]:
    """What `_walk` would come past: path, is it a folder, is it a link. The nearest come first; no error is raised."""
    folders = deque([top])
    while folders:
        try:
            with os.scandir(folders.popleft()) as scan:
                for entry in scan:
                    path, is_folder, is_link = Path(entry.path), _is_folder(entry), entry.is_symlink()
                    yield path, is_folder, is_link
                    is_passed_over = is_link or entry.name.startswith(".") or Path(os.path.realpath(path)) == hidden
                    if is_folder and not is_passed_over:
                        folders.append(path)
        except OSError:
            continue


def _find_glob(pattern: str, several: bool, recursive: bool, hidden: Path | None) -> list[_Found]:
    parts = PurePath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if has_magic(part))
    parent = Path(*parts[:fixed])
    # Unlike Path.glob, glob passes over hidden files, and takes "**.jpg" and a final "**" on every Python.
    matches = {Path(match) for match in iglob(pattern, recursive=True)}  # noqa: PTH207
    matches = {path for path in matches if not _lies_in(path, hidden)}
    folders = [path for path in matches if _is_folder(path)]
    found: dict[Path, InputError | None] = {path: None for path in matches.difference(folders) if _is_wanted(path)}
    if not found:
        found = {Path(file.location): file.error for folder in folders for file in _walk(folder, recursive, hidden)}
    if not found:
        return [_Found(parts[-1], Path(pattern), _no_match(pattern, bool(folders), recursive))]
    files = [_Found(path.relative_to(parent).as_posix(), path, found[path]) for path in _once_per_place(found)]
    return _named(files, _own_name(str(parent)) if several else "")


def _once_per_place(paths: Iterable[Path]) -> list[Path]:
    """Each path once, by the shortest way to its folder: `**` goes through links to folders, even in circles."""
    once: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        once.setdefault(Path(os.path.realpath(path.parent), path.name), path)
    return list(once.values())


def _no_match(pattern: str, has_folders: bool, recursive: bool) -> InputError:
    if not has_folders:
        return MissingPathError(f"{pattern}: no image or video matches; check the pattern")
    remedy = "check the pattern" if recursive else "check the pattern, or use --recursive"
    return InputError(f"{pattern}: only folders match, without images or videos in them; {remedy}")


def _is_folder(entry: Path | os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or a folder closed to us: reading it says why
        return False


def _is_address(argument: str) -> bool:
    return argument.lower().startswith(tuple(f"{scheme}://" for scheme in ("http", "https", *STREAM_SCHEMES)))


def _is_stream(address: str) -> bool:
    """Whether an address is one of a video: by its scheme, the suffix of its path, or one added as in page#.mp4."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    suffixes = {PurePosixPath(parts.path).suffix.lower(), parts.fragment.lower()}
    return parts.scheme in STREAM_SCHEMES or not suffixes.isdisjoint(VIDEO_SUFFIXES | PLAYLIST_SUFFIXES)


def _is_wanted(path: Path) -> bool:
    """Whether a search takes a file."""
    suffix = path.suffix.lower()
    if suffix == ".ts":
        return _is_transport_stream(path)
    return suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES


def _is_transport_stream(path: Path) -> bool:
    """Whether a .ts file is a video: its packets, of 188 bytes, begin with a G. TypeScript has the same suffix."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(189)
    except OSError:  # reading it says why
        return True
    return start[:1] == start[188:] == b"G"


def _lies_in(path: Path, folder: Path | None) -> bool:
    return folder is not None and Path(os.path.realpath(path)).is_relative_to(folder)


def _lines(stdin: TextIO) -> list[str]:
    try:
        lines = stdin.read().removeprefix("\ufeff").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"the list on standard input is not {error.encoding} text; write it as UTF-8") from error
    return [line for line in (line.removesuffix("\r") for line in lines) if line]


def _own_name(argument: str) -> str:
    """The last component of a path as it stands, of `.` and `..` as they resolve; empty for the root."""
    name = PurePath(argument).name
    return name if name not in ("", "..") else Path(argument).resolve().name


def _clean(line: str) -> str:
    """The name of a path in a list: its folders are kept, but it never leads out of where results go."""
    path = PurePath(os.path.normpath(line))
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    return "/".join(parts) or _own_name(line)


def _find_url(url: str) -> _Found:
    try:
        path = urlsplit(url).path
    except ValueError as error:
        return _Found(url, url, InputError(f"{url}: not an address ({error}); check it"))
    return _Found(_url_name(path) or (_STREAM_NAME_FALLBACK if _is_stream(url) else _IMAGE_NAME_FALLBACK), url)


def _url_name(path: str) -> str:
    """The last component of an address's path, in characters that every file system takes; empty where it has none."""
    name = unquote(path).rpartition("/")[2]
    return re.sub(r"[^\w.() -]", "_", name).strip(". ")
