"""Files that appear whole or not at all, standard output, and what a run of many files must not do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from posecli.errors import UsageError
from posecli.files import cannot_write, temporary_beside

if TYPE_CHECKING:
    from typing_extensions import Self

    from posecli.sources import Still


class TextOutput:
    r"""UTF-8 text with `\n` line ends on every system, to a file that appears whole on leaving, or to stdout (`-`).

    With `streamed`, and for pipes and devices, text reaches the file itself as it is written. Leaving keeps what was
    written, whatever ended the work; after a failed write the file is left as it was.
    """

    def __init__(self, path: str, *, streamed: bool = False) -> None:
        self.path = path
        self._to_stdout = path == "-"
        self._target = Path(os.path.realpath(path))  # behind a symbolic link: the link stays
        self._temporary: Path | None = None
        self._streamed = streamed
        self._file: BinaryIO
        self._broken = False

    def __enter__(self) -> Self:
        if self._to_stdout:
            self._file = sys.stdout.buffer
            return self
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            if self._streamed or (self._target.exists() and not self._target.is_file()):
                self._file = self._target.open("wb")
            else:
                self._temporary = temporary_beside(self._target)
                self._file = self._temporary.open("xb")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self

    def write(self, text: str) -> None:
        """Write text. Raises OutputError where that fails, BrokenPipeError where nobody reads on."""
        try:
            self._file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Pass on what was written, for whoever follows the output. Raises as `write` does."""
        try:
            self._file.flush()
        except OSError as error:
            self._fail(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._to_stdout:
            if not self._broken:
                self.flush()
            return
        try:
            self._file.close()
            if self._temporary is not None and not self._broken:
                self._temporary.replace(self._target)
        except OSError as os_error:
            self._fail(os_error)
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        self._broken = True
        if isinstance(error, BrokenPipeError):  # `posecli export ... | head` ends quietly
            raise error
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


def check_outputs(entries: Iterable[Still], path_for: Callable[[str], Path]) -> None:
    """Raise UsageError where two entries would share one file, or one would overwrite an input file.

    Names that differ by case only are one file on many systems, and count as such everywhere.
    """
    entries = [entry for entry in entries if entry.error is None]
    inputs = {os.path.realpath(entry.location) for entry in entries if isinstance(entry.location, Path)}
    taken: dict[str, Still] = {}
    for entry in entries:
        output = path_for(entry.name)
        if os.path.realpath(output) in inputs:
            raise UsageError(f"{output}: writing it would overwrite an input; choose another output folder with -o")
        other = taken.setdefault(str(output).casefold(), entry)
        if other is not entry:
            raise UsageError(
                f"{other.location} and {entry.location} would both be written to {output}; "
                "rename one, or run them apart with different -o folders"
            )
