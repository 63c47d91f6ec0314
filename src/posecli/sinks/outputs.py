"""Files that appear whole or not at all, standard output, and what a run of many files must not do."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from posecli.errors import OutputError, UsageError
from posecli.files import cannot_write, exists, is_replaceable, temporary_beside

if TYPE_CHECKING:
    from typing_extensions import Self

    from posecli.sources import Input


class TextOutput:
    r"""UTF-8 text with `\n` line ends on every system, to a file that appears whole on leaving, or to stdout (`-`).

    With `streamed`, and for pipes and devices, text reaches the file itself as it is written. What was written is kept
    whatever ended the work, but an older file stays as it was where a write failed, or where an error came before there
    was anything to `keep`.
    """

    def __init__(self, path: str, *, streamed: bool = False) -> None:
        self.path = path
        self._to_stdout = path == "-"
        self._target = Path(os.path.realpath(path))  # behind a symbolic link: the link stays
        self._temporary: Path | None = None
        self._streamed = streamed
        self._file: BinaryIO
        self._is_older = False  # the open file still has the text of an earlier run
        self._is_kept = False
        self._broken = False

    def __enter__(self) -> Self:
        if self._to_stdout:
            if sys.stdout is None:  # the shell's >&-
                raise OutputError("standard output is closed; open it, or choose a file")
            self._file = sys.stdout.buffer
            return self
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            if not is_replaceable(self._target):
                self._file = self._target.open("wb")
            elif self._streamed:
                self._file = self._target.open("ab")
                self._is_older = True
            else:
                self._temporary = temporary_beside(self._target)
                self._file = self._temporary.open("xb")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self

    def write(self, text: str) -> None:
        """Write text. Raises OutputError where that fails, BrokenPipeError where nobody reads on."""
        try:
            self._forget_older()
            self._file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Pass on what was written, for whoever follows the output. Raises as `write` does."""
        try:
            self._file.flush()
        except OSError as error:
            self._fail(error)

    def keep(self) -> None:
        """There is a result now: the file is worth keeping, whatever ends the work."""
        self._is_kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._to_stdout:
            if not self._broken:
                self.flush()
            return
        is_wanted = self._is_kept or kind is None
        try:
            if is_wanted:
                self._forget_older()
            self._file.close()
            if self._temporary is not None and is_wanted and not self._broken:
                self._temporary.replace(self._target)
        except OSError as os_error:
            self._fail(os_error)
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _forget_older(self) -> None:
        """Empty a streamed file, only once there is something to write: until then, the older text is there."""
        if self._is_older:
            self._file.truncate(0)
            self._is_older = False

    def _fail(self, error: OSError) -> NoReturn:
        self._broken = True
        # `posecli export ... | head` ends quietly; a closed pipe is EINVAL on Windows.
        if isinstance(error, BrokenPipeError):
            raise error
        if self._to_stdout and error.errno == errno.EINVAL:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise cannot_write(self.path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder for results and try that files can be written in it. Raises OutputError where they cannot."""
    probe = temporary_beside(path / "probe")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def check_outputs(
    entries: Iterable[Input], path_for: Callable[[Input], Path], protected: Collection[Path] = ()
) -> None:
    """Raise UsageError where two entries would share one file, or one would overwrite an input or a `protected` file.

    Names that differ by case only are one file on many systems, and count as such everywhere.
    """
    entries = [entry for entry in entries if entry.error is None]
    is_precious = _precious(entries, protected)
    taken: dict[str, Input] = {}
    for entry in entries:
        output = path_for(entry)
        if is_precious(output):
            raise UsageError(f"{output}: writing it would overwrite an input; choose another output folder with -o")
        other = taken.setdefault(os.path.realpath(output).casefold(), entry)
        if other is not entry:
            raise UsageError(
                f"{other.location} and {entry.location} would both be written to {output}; "
                "rename one, or run them apart with different -o folders"
            )


def check_originals(entries: Iterable[Input], path_for: Callable[[Input], Path], folder: Path) -> None:
    """Raise UsageError where an output would replace a file of a `folder` that holds inputs, and so maybe originals.

    Which of its files an earlier run wrote cannot be told.
    """
    entries = [entry for entry in entries if entry.error is None]
    top = Path(os.path.realpath(folder))
    locations = [entry.location for entry in entries if isinstance(entry.location, Path)]
    # A linked picture is in the folder where the link is, and in the one that it leads to.
    places = {Path(os.path.realpath(location)).parent for location in locations}
    places |= {Path(os.path.realpath(location.parent)) for location in locations}
    if not any(place.is_relative_to(top) for place in places):
        return
    for entry in entries:
        output = path_for(entry)
        if exists(output):
            raise UsageError(
                f"{output} is there already and may be an original, as the output folder holds the input; "
                "choose another -o, or replace it with --exists overwrite"
            )


def check_output(path: str, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
    """Raise UsageError where the one file `path` (`-` is stdout) is an input or a `protected` file."""
    if path != "-" and _precious(entries, protected)(Path(path)):
        raise UsageError(f"{path}: writing it would overwrite an input; choose another file for the poses")


def _precious(entries: Iterable[Input], protected: Collection[Path]) -> Callable[[Path], bool]:
    """Tells whether a path leads to one of the inputs or a `protected` file: by whatever name, through any link."""
    inputs = (entry.location for entry in entries if isinstance(entry.location, Path))
    places = {_place(path) for path in (*inputs, *protected)} - {None}
    return lambda path: _place(path) in places


def _place(path: Path) -> tuple[int, int] | None:
    """Where a file is on disk, the same for every name that it has; None where there is none.

    The folders above need not exist yet: `new/../a.jpg` is `a.jpg` once `new` is made.
    """
    try:
        status = Path(os.path.realpath(path)).stat()
    except (OSError, ValueError):  # ValueError: what no file system could call a file
        return None
    return status.st_dev, status.st_ino
