"""Where pictures come from. A source is a context manager that yields frames, and failures in their place.

One whose frames can be told from the work of reading them is `Readable` too: several threads read it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from posecli.errors import InputError, PosecliError
from posecli.options import InputOptions
from posecli.sources.cropping import Crop, cropped
from posecli.sources.frames import Clip, Failure, Frame, Readable, Reader
from posecli.sources.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Input, list_inputs
from posecli.sources.reading import fetch, read_image

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "Failure",
    "Frame",
    "Input",
    "Inputs",
    "Readable",
    "Reader",
    "read_image",
]

_ALL = InputOptions()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Photos, videos and streams, listed at once and read one by one.

    Iterating never raises for a bad input: it yields a `Failure` there, for a video after the frames that could be
    read, and goes on. A photo is one frame, a video many.
    """

    entries: tuple[Input, ...]
    taking: InputOptions = _ALL

    @classmethod
    def from_inputs(
        cls,
        inputs: Sequence[str],
        *,
        recursive: bool = False,
        exclude: Path | None = None,
        stdin: TextIO | None = None,
        taking: InputOptions = _ALL,
    ) -> Inputs:
        """List what `inputs` name: files, folders, globs, addresses, `-` for a list on `stdin`.

        Nothing in the folder `exclude` (where results go) is taken. Raises UsageError where there is nothing to do.
        """
        return cls(list_inputs(inputs, recursive=recursive, exclude=exclude, stdin=stdin), taking)

    @property
    def length(self) -> int:
        """How many inputs there are."""
        return len(self.entries)

    @property
    def fps(self) -> float | None:
        """Inputs have no time in common; `Frame.clip` has that of a video."""
        return None

    def without(self, unwanted: Callable[[Input], bool]) -> Inputs:
        """The same list less what is `unwanted`, such as what an earlier run has done; indices stay."""
        return replace(self, entries=tuple(entry for entry in self.entries if not unwanted(entry)))

    def refusing(self, check: Callable[[Input], PosecliError | None]) -> Inputs:
        """The same list, where what `check` finds an error for is not read: it comes as a failure with that error."""
        refused = (entry if entry.error is not None else replace(entry, error=check(entry)) for entry in self.entries)
        return replace(self, entries=tuple(refused))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is held open: a video is closed with the iterator that reads it."""

    def __iter__(self) -> Iterator[Frame | Failure]:
        return (read() for read in self.readers())

    def readers(self) -> Iterator[Reader]:
        """What reads each frame, in order: calls that may run on any thread, several at a time.

        A video is decoded where this is iterated, a frame only when it is asked for; the calls make pictures of frames.
        """
        for entry in self.entries:
            if entry.error is not None:
                yield partial(Failure, entry.name, entry.index, entry.error)
            elif entry.is_video:
                yield from _video_readers(entry, self.taking)
            else:
                yield partial(_read_photo, entry, self.taking.crop)


def _video_readers(entry: Input, taking: InputOptions) -> Iterator[Reader]:
    try:
        from posecli.sources.videos import video_readers  # here, as photos do without FFmpeg
    except PosecliError as error:
        return iter([partial(Failure, entry.name, entry.index, error)])
    return video_readers(entry, taking)


def _read_photo(entry: Input, crop: Crop | None) -> Frame | Failure:
    source = entry.location
    try:
        whole = read_image(fetch(source) if isinstance(source, str) else source, str(source))
        return Frame(cropped(whole, crop, str(source)), entry.index, None, entry.name)
    except InputError as error:
        return Failure(entry.name, entry.index, error)
    except MemoryError:
        too_large = InputError(f"{source}: too large for the memory of this computer; make the picture smaller")
        return Failure(entry.name, entry.index, too_large)
