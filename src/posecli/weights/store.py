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
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from posecli.errors import OutputError, UsageError, WeightsError
from posecli.files import cannot_write
from posecli.options import did_you_mean
from posecli.weights.catalog import MODELS

HOME_VARIABLE = "POSECLI_HOME"
SUFFIX = ".safetensors"
BUNDLED = ("mobilenet-075",)  # models that are part of the package
MAX_HEADER_BYTES = 1_000_000  # of a safetensors file; that of ResNet50 has about 20,000
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # of an installed model; lower case, as some file systems know no other


def home() -> Path:
    """The folder of everything that posecli keeps for this user; it need not exist yet."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path  # here, as the command line's help needs none of it

    return user_data_path("posecli", appauthor=False)


def models_folder() -> Path:
    """The folder of the installed models: copy it to use them on another machine."""
    return home() / "models"


def downloads_folder(name: str) -> Path:
    """Where a fetch of the model keeps what it has; on the file system of the models, so that a rename is enough."""
    return home() / "downloads" / name


def installed() -> dict[str, Path]:
    """The files of all installed models by name, whole or not."""
    found = sorted(models_folder().glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    return {path.stem: path for path in found if NAME.fullmatch(path.stem) and path.is_file()}


def bundled_path(name: str = BUNDLED[0]) -> Path:
    """The file of a model that is part of the package."""
    return Path(str(files("posecli.weights") / "bundled" / f"{name}{SUFFIX}"))


def find(name_or_path: str) -> Path:
    """The weights file of a model, given by name or as a path: one installed, one bundled, or what lies at the path.

    Raises WeightsError where there is none; the message says how to get it.
    """
    if (path := installed().get(name_or_path)) is not None:
        return path
    if name_or_path in BUNDLED:
        return bundled_path(name_or_path)
    path = Path(name_or_path)
    if path_exists(path):
        return path
    if path.suffix in (SUFFIX, ".json") or "/" in name_or_path or "\\" in name_or_path:
        raise WeightsError(f"{path}: no such weights file")
    if name_or_path in MODELS:
        raise WeightsError(
            f"no weights for {name_or_path}; run: posecli fetch-weights {name_or_path} (--fetch does it at once)"
        )
    hint = did_you_mean(name_or_path, known_names())
    raise WeightsError(f"no model {name_or_path!r}{hint}; see: posecli models, or give the path of converted weights")


def known_names() -> list[str]:
    """Every name that `find` could take: the official models and the user's own."""
    return list(dict.fromkeys([*MODELS, *installed()]))


def check_name(name: str) -> str:
    """Give back a name for a model of the user's own; raise UsageError for one that cannot be used."""
    if not NAME.fullmatch(name) or name.endswith((SUFFIX, ".json")):
        raise UsageError(f"{name!r} is no name for a model: give up to 64 of a-z, 0-9, dots, - and _, such as my-model")
    return name


def remove(name: str) -> int:
    """Delete an installed model, and what a fetch of it has left behind. The bytes freed.

    Raises UsageError where no such model is installed, OutputError where it cannot be deleted.
    """
    path = installed().get(name)
    if path is None and name in BUNDLED:
        raise UsageError(f"{name} is part of posecli itself and cannot be removed")
    if path is None and not downloads_folder(name).is_dir():
        hint = did_you_mean(name, installed())
        raise UsageError(f"no model {name!r} is installed{hint}; see: posecli models")
    with lock(name):
        try:
            freed = 0 if path is None else path.stat().st_size
            if path is not None:
                path.unlink()
            left = [file for file in downloads_folder(name).rglob("*") if file.is_file()]
            freed += sum(file.stat().st_size for file in left)
            clear_downloads(name)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error
    return freed


def put(name: str, staged: Path) -> Path:
    """Make a whole file, written on the same file system, the model of this name: in one step.

    Raises OutputError where it cannot be put there; then what was there before stays.
    """
    target = models_folder() / f"{name}{SUFFIX}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    return target


def clear_downloads(name: str) -> None:
    """Throw away what a fetch of the model has so far; what cannot be deleted stays, and does no harm."""
    shutil.rmtree(downloads_folder(name), ignore_errors=True)


@contextmanager
def lock(name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other processes from changing the model of this name; `on_wait` is called once if one is at it.

    The system itself drops the lock of a process that dies. Raises OutputError where there can be no lock.
    """
    from filelock import FileLock, Timeout

    path = home() / "locks" / f"{name}.lock"
    held = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(timeout=0)
        except Timeout:
            on_wait()
            held.acquire()
    except NotImplementedError as error:
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
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); {mend(path)}") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{path}: not weights of posecli; {mend(path)}")
    return MappingProxyType(metadata)


def mend(path: Path) -> str:
    """How to get a weights file again that turned out to be damaged."""
    if path.parent == models_folder() and path.stem in MODELS:
        return f"mend it with: posecli fetch-weights {path.stem} --force"
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
