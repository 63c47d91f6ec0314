"""`Report`: everything that is worth knowing about an installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from posecli.doctor.privacy import private
from posecli.errors import PosecliError

if TYPE_CHECKING:
    from posecli.sources.cameras import Camera

LONGEST_REASON = 300  # characters

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a question has no answer, in one line."""

    problem: str


@dataclass(frozen=True, slots=True)
class Host:
    """The computer and its Python."""

    python: str  # such as CPython 3.11.7
    executable: str
    platform: str  # system, release, machine, C library
    cpus: int | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Library:
    """A package that posecli uses."""

    name: str
    version: str | None  # None where it is not installed
    problem: str | None  # why it cannot be used

    @property
    def broken(self) -> bool:
        """Whether it is installed and yet cannot be used."""
        return self.version is not None and self.problem is not None


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of posecli, with the packages that it needs."""

    name: str
    install: str  # the command that adds it
    libraries: tuple[Library, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """What a network can run on."""

    name: str  # as --device takes it
    description: str | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Compute:
    """What PyTorch sees."""

    build: str  # CPU, or such as CUDA 12.8
    threads: int
    devices: tuple[Device, ...]
    note: str | None  # why a build for GPUs sees none


@dataclass(frozen=True, slots=True)
class Folder:
    """Where what posecli keeps for this user lies."""

    path: str
    variable: str | None  # the environment variable that puts it there
    exists: bool
    writable: bool  # or can be made
    free_bytes: int
    unfinished_bytes: int  # of downloads that a fetch goes on with


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this computer."""

    name: str
    path: str
    bundled: bool  # part of posecli itself
    size_bytes: int | None
    problem: str | None  # what is wrong with it, and the remedy


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The bundled model on the packaged photo, against the poses that the original finds there."""

    device: str
    people: int | None
    deviation_px: float | None  # of the keypoint that is furthest off
    time_ms: float | None  # from photo to poses, once everything is warm
    problem: str | None  # None where posecli finds what the original finds


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is worth knowing about an installation. The user's home folder is shown as ~."""

    posecli: str
    host: Host | Problem
    libraries: tuple[Library, ...] | Problem
    extras: tuple[Extra, ...] | Problem
    compute: Compute | Problem
    folder: Folder | Problem
    models: tuple[Model, ...] | Problem
    variables: Mapping[str, str]  # those that matter and are set; credentials in addresses are masked
    cameras: tuple[Camera, ...] | Problem
    self_tests: tuple[SelfTest, ...]  # one for each device

    @property
    def ok(self) -> bool:
        """Whether everything installed can be imported and every self-test agrees."""
        if isinstance(self.libraries, Problem) or isinstance(self.extras, Problem):
            return False
        optional = [library for extra in self.extras for library in extra.libraries]
        problems = [library.problem for library in self.libraries] + [test.problem for test in self.self_tests]
        return not any(problems) and not any(library.broken for library in optional)


def probe(question: Callable[[], T]) -> T | Problem:
    """The answer, or why there is none.

    The one place that catches every Exception: a broken installation raises anything (an ImportError, the OSError of a
    missing DLL, the RuntimeError of a driver, the SystemError of a library built for another one), and to name it
    without ending the report is what this is for.
    """
    try:
        return question()
    except Exception as error:
        kind = "" if isinstance(error, PosecliError) else f"{type(error).__name__}: "
        line = private(" ".join(f"{kind}{error}".split()))
        return Problem(line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}...")
