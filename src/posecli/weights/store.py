"""The models of this user: the folder they lie in, how a name becomes a file, and who may change them when.

    HOME/models/NAME.safetensors    whole, checked models; nothing else is ever put there
    HOME/downloads/NAME/            what a fetch has so far: verified files, and parts to be resumed
    HOME/locks/NAME.lock            held by the process that changes NAME; the system drops it when that process dies

HOME is the user's data folder, not the cache folder, which systems clean up by themselves; POSECLI_HOME overrides it.
Nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EXDEV
from importlib.resources import files
from pathlib import Path
from stat import S_ISDIR
from types import MappingProxyType

from posecli.download import is_offline
from posecli.errors import OutputError, UsageError, WeightsError
from posecli.files import cannot_write, write_whole
from posecli.options import did_you_mean
from posecli.weights.catalog import MODELS

HOME_VARIABLE = "POSECLI_HOME"
SUFFIX = ".safetensors"
BUNDLED = ("mobilenet-075",)  # models that are part of the package
MAX_HEADER_BYTES = 1_000_000  # of a safetensors file; that of ResNet50 has about 20,000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # what the name of an installed model may be; never a path
NEW_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")  # of one to install: no file system confuses two of them
NO_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # devices, to Windows


def home() -> Path:
    """The folder of everything that posecli keeps for this user; it need not exist yet.

    Raises UsageError where POSECLI_HOME cannot name a folder.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return _usable(chosen)
    from platformdirs import user_data_path  # here, as the command line's help needs none of it

    return user_data_path("posecli", appauthor=False)


def _usable(chosen: str) -> Path:
    try:
        path = Path(chosen).expanduser().absolute()
        str(path).encode()
        is_folder = S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return path
    except (RuntimeError, ValueError, OSError) as error:  # ~nobody, bytes that are no text, a name too long
        raise UsageError(f"{HOME_VARIABLE}: {chosen!r} cannot be used ({error}); set it to a folder") from error
    if not is_folder:
        raise UsageError(f"{HOME_VARIABLE}: {chosen!r} is not a folder; set it to one")
    return path


def models_folder() -> Path:
    """The folder of the installed models: copy it to use them on another machine."""
    return home() / "models"


def downloads_folder(name: str) -> Path:
    """Where a fetch of the model keeps what it has."""
    return home() / "downloads" / _name(name)


def installed() -> dict[str, Path]:
    """The files of all installed models by name, whole or not."""
    found = sorted(models_folder().glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    return {path.stem: path for path in found if NAME.fullmatch(path.stem) and path.is_file()}


def bundled_path(name: str = BUNDLED[0]) -> Path:
    """The file of a model that is part of the package."""
    return Path(str(files("posecli.weights") / "bundled" / f"{name}{SUFFIX}"))


def model_file(name: str) -> Path | None:
    """The file of a model that is installed, or else bundled, by name; None where it is neither."""
    return installed().get(name) or (bundled_path(name) if name in BUNDLED else None)


def find(name_or_path: str) -> Path:
    """The weights file of a model, given by name or as a path: one installed, one bundled, or what lies at the path.

    Raises WeightsError where there is none; the message says how to get it.
    """
    if (known := model_file(name_or_path)) is not None:
        return known
    path = Path(name_or_path)
    if path_exists(path) and not (name_or_path in MODELS and path.is_dir()):
        return path
    if path.suffix in (SUFFIX, ".json") or "/" in name_or_path or "\\" in name_or_path:
        raise WeightsError(f"{path}: no such weights file")
    if name_or_path in MODELS:
        raise not_installed(name_or_path)
    hint = did_you_mean(name_or_path, known_names())
    raise WeightsError(f"no model {name_or_path!r}{hint}; see: posecli models, or give the path of converted weights")


def not_installed(name: str) -> WeightsError:
    """The error for an official model that is not there, with what gets it."""
    if is_offline():
        where = f"copy {name}{SUFFIX} into {models_folder()}, or unset POSECLI_OFFLINE"
        return WeightsError(f"no weights for {name}, and POSECLI_OFFLINE is set: {where}")
    return WeightsError(f"no weights for {name}; run: posecli fetch-weights {name} (--fetch does it at once)")


def known_names() -> list[str]:
    """Every name that `find` could take: the official models and the user's own."""
    return list(dict.fromkeys([*MODELS, *installed()]))


def check_name(name: str) -> str:
    """Give back a name for a model of the user's own; raise UsageError for one that cannot be used."""
    if not NEW_NAME.fullmatch(name) or NO_NAME.fullmatch(name) or name.endswith((SUFFIX, ".json")):
        raise UsageError(f"{name!r} is no name for a model: give up to 64 of a-z, 0-9, dots, - and _, such as my-model")
    return name


def remove(name: str, on_wait: Callable[[], None] = lambda: None) -> int:
    """Delete an installed model, and what a fetch of it has left behind. The bytes freed.

    Raises UsageError where no such model is installed, OutputError where it cannot be deleted.
    """
    if not NAME.fullmatch(name) or not (name in installed() or downloads_folder(name).is_dir()):
        raise _nothing_to_remove(name)
    with lock(name, on_wait):
        path = models_folder() / f"{name}{SUFFIX}"
        if not (path.is_file() or downloads_folder(name).is_dir()):
            raise _nothing_to_remove(name)
        before = _size(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed ({error.strerror}); close what uses it") from error
        clear_downloads(name)
        return before - _size(name)


def _nothing_to_remove(name: str) -> UsageError:
    if name in BUNDLED:
        return UsageError(f"{name} is part of posecli itself and cannot be removed")
    return UsageError(f"no model {name!r} is installed{did_you_mean(name, installed())}; see: posecli models")


def _size(name: str) -> int:
    """Bytes that a model takes, with what a fetch has of it."""
    left = [models_folder() / f"{name}{SUFFIX}", *downloads_folder(name).rglob("*")]
    return sum(file.stat().st_size for file in left if file.is_file())


def put(name: str, staged: Path) -> Path:
    """Make a whole file the model of this name, in one step.

    Raises OutputError where it cannot be put there; then what was there before stays.
    """
    target = models_folder() / f"{_name(name)}{SUFFIX}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
    except OSError as error:
        if error.errno != EXDEV:
            raise cannot_write(target, error) from error
        write_whole(target, staged.read_bytes(), sync=True)  # the folder of models lies on another file system
    return target


def unfinished_bytes() -> int:
    """What all fetches that have not come to their end have left: the next fetch, or `remove`, clears it away."""
    return sum(file.stat().st_size for file in (home() / "downloads").rglob("*") if file.is_file())


def check_space(folder: Path, needed: int) -> None:
    """Raise OutputError where a file system has not that many bytes left for a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        reason = f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise OutputError(f"{folder}: {reason}; make room, or choose another place")


def clear_downloads(name: str) -> None:
    """Throw away what a fetch of the model has so far; what cannot be deleted stays, and does no harm."""
    shutil.rmtree(downloads_folder(name), ignore_errors=True)


def _name(name: str) -> str:
    """The name, where it is one: a path would lead out of our folder."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a model; see: posecli models")
    return name


@contextmanager
def lock(name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other processes from changing the model of this name; `on_wait` is called once if one is at it.

    The system itself drops the lock of a process that dies. Raises OutputError where there can be no lock.
    """
    from filelock import FileLock, Timeout

    path = home() / "locks" / f"{_name(name)}.lock"
    held = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(timeout=0)
        except Timeout:
            on_wait()
            held.acquire()
    except NotImplementedError as error:  # from filelock, where the file system has none
        raise OutputError(f"{path}: no locks on this file system; set {HOME_VARIABLE} to another") from error
    except OSError as error:
        with naming_the_variable():
            raise cannot_write(path, error) from error
    try:
        yield
    finally:
        held.release()


def read_metadata(path: Path) -> Mapping[str, str]:
    """What a weights file says of itself, its tensors unread. Raises WeightsError where that cannot be read."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
            metadata = header["__metadata__"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); {mend(path)}") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{path}: not weights of posecli; {mend(path)}")
    return MappingProxyType(metadata)


def seems_whole(path: Path) -> bool:
    """Whether a weights file is as long as its header says: quick, where only `checkpoint.load` knows for sure."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            return bool(path.stat().st_size == 8 + length + max(ends))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def mend(path: Path) -> str:
    """How to get a weights file again that turned out to be damaged."""
    if path.parent == models_folder() and path.stem in MODELS:
        return f"mend it with: posecli fetch-weights {path.stem} --force"
    if path.parent == bundled_path().parent:
        return "it is part of posecli: install posecli again"
    if path.parent == models_folder():
        return f"mend it with: posecli convert-weights PATH --name {path.stem} --force"
    return "download or convert it again"


def path_exists(path: Path) -> bool:
    """Whether something is there. Raises WeightsError where that cannot be known."""
    try:
        return path.exists()
    except OSError as error:  # a folder that we may not enter, a name too long
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give another path with --model") from error


@contextmanager
def naming_the_variable() -> Iterator[None]:
    """Have what cannot be written inside the home folder say which variable moves that elsewhere."""
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error} with {HOME_VARIABLE}") from error
