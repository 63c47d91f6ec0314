"""The bytes of one file that are here so far."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posecli.download.control import Control
from posecli.download.outcomes import RefusedError
from posecli.download.remote import RemoteFile, fault
from posecli.files import cannot_write

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the disk, or the user's share of it


class Part:
    """NAME.part in the target's folder, perhaps left there by an earlier process; whatever changes is counted.

    `size` is in bytes; `most_bytes` is how many a file of unknown size may have. Raises OutputError where the system
    does not let us write, and StoppedError, with nothing changed any more, once the download has ended.
    """

    def __init__(self, target: Path, file: RemoteFile, control: Control, most_bytes: int) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.file = file
        self.size = 0
        self._target = target
        self._control = control
        self._most_bytes = most_bytes
        if self.path.is_file():
            self._set_size(self.path.stat().st_size)

    @property
    def limit(self) -> int:
        """The bytes that the whole file may have."""
        return self._most_bytes if self.file.size is None else self.file.size

    def take(self, chunks: Iterable[bytes], *, fresh: bool) -> None:
        """Write what comes: in place of what is here where `fresh`, after it otherwise.

        Raises RefusedError, with nothing left, where more comes than the file has.
        """
        with self._reporting():
            with self._control.unless_stopped():
                out = self.path.open("wb" if fresh else "ab")
            with out:
                if fresh:
                    self._set_size(0)
                for chunk in chunks:
                    if self.size + len(chunk) > self.limit:
                        break
                    with self._control.unless_stopped():
                        out.write(chunk)
                        out.flush()  # or the rest would be written when it is closed, perhaps after the end
                    self._set_size(self.size + len(chunk))
                else:
                    return
        self.drop()
        raise RefusedError(f"more than {self.limit} bytes")

    def finish(self) -> str | None:
        """Turn the part into the file where it is whole and unchanged, else throw it away and say what is wrong."""
        wrong = fault(self.path, self.file)
        if wrong is not None:
            self.drop()
            return wrong
        with self._reporting(), self._control.unless_stopped():
            self.path.replace(self._target)
        return None

    def drop(self) -> None:
        """Throw away what is here."""
        with self._reporting(), self._control.unless_stopped():
            self.path.unlink(missing_ok=True)
        self._set_size(0)

    def _set_size(self, size: int) -> None:
        change, self.size = size - self.size, size
        if change:
            self._control.count(change)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turn what the system says into an OutputError; on a full disk, make room again."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                with self._control.unless_stopped():
                    self.path.unlink(missing_ok=True)
            raise cannot_write(self._target, error) from error
