"""Where pictures come from. A source is a context manager that yields frames, and failures in their place.

One that knows its pictures before it reads them is `Readable` too: several threads can read it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from posecli.errors import InputError, PosecliError
from posecli.sources.frames import Failure, Frame, Readable, Reader
from posecli.sources.listing import IMAGE_SUFFIXES, Still, list_stills
from posecli.sources.reading import fetch, read_image

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["IMAGE_SUFFIXES", "Failure", "Frame", "Readable", "Reader", "Still", "Stills", "read_image"]


@dataclass(frozen=True, slots=True)
class Stills:
    """Image files and addresses, listed at once and read one by one.

    Iterating never raises for a bad input: it yields a `Failure` there and goes on.
    """

    entries: tuple[Still, ...]

    @classmethod
    def from_inputs(
        cls,
        inputs: Sequence[str],
        *,
        recursive: bool = False,
        exclude: Path | None = None,
        stdin: TextIO | None = None,
    ) -> Stills:
        """List the images that `inputs` name: files, folders, globs, http(s) addresses, `-` for a list on `stdin`.

        Nothing in the folder `exclude` (where results go) is taken. Raises UsageError where there is nothing to do.
        """
        return cls(list_stills(inputs, recursive=recursive, exclude=exclude, stdin=stdin))

    @property
    def length(self) -> int:
        """How many frames and failures it yields."""
        return len(self.entries)

    @property
    def fps(self) -> float | None:
        """Stills have no time."""
        return None

    def without(self, unwanted: Callable[[Still], bool]) -> Stills:
        """The same list less what is `unwanted`, such as what an earlier run has done; indices stay."""
        return Stills(tuple(still for still in self.entries if not unwanted(still)))

    def refusing(self, check: Callable[[Still], PosecliError | None]) -> Stills:
        """The same list, where what `check` finds an error for is not read: it comes as a failure with that error."""
        return Stills(
            tuple(still if still.error is not None else replace(still, error=check(still)) for still in self.entries)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is held open between two images."""

    def __iter__(self) -> Iterator[Frame | Failure]:
        return (read() for read in self.readers())

    def readers(self) -> Iterator[Reader]:
        """What reads each, in order: calls that may run on any thread, several at a time."""
        return (partial(_read, still) for still in self.entries)


def _read(still: Still) -> Frame | Failure:
    if still.error is not None:
        return Failure(still.name, still.index, still.error)
    source = still.location
    try:
        image = read_image(fetch(source) if isinstance(source, str) else source, str(source))
    except InputError as error:
        return Failure(still.name, still.index, error)
    except MemoryError:
        too_large = InputError(f"{source}: too large for the memory of this computer; make the picture smaller")
        return Failure(still.name, still.index, too_large)
    return Frame(image, still.index, None, still.name)
