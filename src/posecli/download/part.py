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

MOST_BYTES = 512_000_000  # of a file whose size is unknown
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the disk, or the user's share of it


class Part:
    """NAME.part in the target's folder, perhaps left there by an earlier process; whatever changes is counted.

    `size` is in bytes. Raises OutputError where the system does not let us write.
    """

    def __init__(self, target: Path, file: RemoteFile, control: Control) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.file = file
        self.size = 0
        self._target = target
        self._control = control
        if self.path.is_file():
            self._set_size(self.path.stat().st_size)

    @property
    def limit(self) -> int:
        """The bytes that the whole file may have."""
        return MOST_BYTES if self.file.size is None else self.file.size

    def take(self, chunks: Iterable[bytes], *, fresh: bool) -> None:
        """Write what comes: in place of what is here where `fresh`, after it otherwise.

        Raises RefusedError, with nothing left, where more comes than the file has.
        """
        with self._writing(), self.path.open("wb" if fresh else "ab") as out:
            if fresh:
                self._set_size(0)
            for chunk in chunks:
                self._control.go_on()
                if self.size + len(chunk) > self.limit:
                    break
                out.write(chunk)
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
        with self._writing():
            self.path.replace(self._target)
        return None

    def drop(self) -> None:
        """Throw away what is here."""
        with self._writing():
            self.path.unlink(missing_ok=True)
        self._set_size(0)

    def _set_size(self, size: int) -> None:
        change, self.size = size - self.size, size
        if change:
            self._control.count(change)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what the system says into an OutputError; on a full disk, make room again."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                self.path.unlink(missing_ok=True)
            raise cannot_write(self._target, error) from error
