"""What every sink has in common. Light: the command line's help may import it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from posecli.errors import OutputError

if TYPE_CHECKING:
    from typing_extensions import Self

    from posecli.poses import Poses
    from posecli.sources import Failure, Frame, Input


class FrameOutputError(OutputError):
    """The result of one frame cannot be written; those of the others can."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a JSON file says before its frames: which model with which options found them. JSON values only."""

    model: Mapping[str, Any]
    options: Mapping[str, Any]


class Sink(Protocol):
    """Where results go. A context manager; leaving it keeps what was written, whatever ended the work.

    Where an error ended it before there was anything to keep, an older file stays as it was.

    Everything is called from one thread, frames in their order; only `prepare` is called from any, several at a time.
    A sink whose `write` has heavy work that needs no order, such as drawing, does that work in a `prepare` of its own.
    """

    def __enter__(self) -> Self:
        """Open what is written to. Raises OutputError where that cannot be."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the output with what was written so far."""
        ...

    def write(self, frame: Frame, poses: Poses) -> None:
        """Record what was found in a frame.

        Raises FrameOutputError where this frame cannot be recorded but others can, OutputError where none can.
        """
        ...

    def prepare(self, frame: Frame, poses: Poses) -> Callable[[], None]:
        """Do what part of `write` needs no order, and return what does the rest. Raises as `write` does."""
        return partial(self.write, frame, poses)

    def fail(self, failure: Failure) -> None:  # noqa: ARG002  # nothing to do by default
        """Record that an input gave no frame. Formats that have no place for it pass over it."""
        return

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Check, before any work, what the whole run would write.

        Raises UsageError where two inputs would share one output, or where one of them, or one of the `protected` files
        that the run reads besides, would be overwritten.
        """
        ...
