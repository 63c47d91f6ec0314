"""Fetch an official model: download, verify, convert, check, install; under a lock, and resumable at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from posecli.download import Policy, download
from posecli.errors import ConversionError, WeightsError
from posecli.options import DEFAULT_JOBS
from posecli.weights import checkpoint, store
from posecli.weights.catalog import BASE_URL, OfficialModel
from posecli.weights.checkpoint import Checkpoint
from posecli.weights.convert import Conversion, convert
from posecli.weights.tfjs import read_model

PATIENT = Policy()
BYTES_PER_PARAMETER = 4


@dataclass(frozen=True)
class Fetched:
    """What a fetch has come to."""

    path: Path  # of the installed model
    conversion: Conversion | None  # None where the model was there already


def fetch(
    model: OfficialModel,
    bases: Sequence[str],
    *,
    stride: int = 16,
    force: bool = False,
    jobs: int = DEFAULT_JOBS,
    on_bytes: Callable[[int], object] = lambda _: None,
    on_retry: Callable[[str], object] = lambda _: None,
    on_wait: Callable[[], None] = lambda: None,
    policy: Policy = PATIENT,
) -> Fetched:
    """Install a model from the first of `bases` that has its files, unless a whole one is installed.

    1. Take the model's lock: another process that fetches it is waited for, and then there is nothing left to do.
    2. Download its files beside the installed models, those of the graph of `stride`. What an earlier fetch left there
       is verified and kept. Every file must have the size and the hash of the catalogue.
    3. Convert, and prove by running both networks that the conversion is right.
    4. Write the result there too; rename it into its place; throw the downloads away.

    Whatever happens, even to the machine, the place of the model holds a whole model or none. `on_bytes` is told the
    bytes that came, less those thrown away: in the end `model.download_bytes`. Raises DownloadError, ConversionError,
    OutputError.
    """
    folder = store.downloads_folder(model.name)
    if not force and not folder.exists() and (path := whole(model.name)):
        on_bytes(model.download_bytes)
        return Fetched(path, None)
    before = _stamp(model.name)
    with store.lock(model.name, on_wait):
        if (path := whole(model.name)) and (not force or _stamp(model.name) != before):
            store.clear_downloads(model.name)  # a process that was killed at the very end has left them
            on_bytes(model.download_bytes)
            return Fetched(path, None)  # by that process, or the one that was waited for
        files = model.files(stride)
        with store.naming_the_variable():
            store.check_space(folder, model.download_bytes + BYTES_PER_PARAMETER * model.parameters)
            download(files, bases, folder, jobs=jobs, on_bytes=on_bytes, on_retry=on_retry, policy=policy)
        try:
            conversion = convert(read_model(folder / PurePosixPath(files[0].path).name))
            _check_identity(model, conversion)
        except ConversionError:
            store.clear_downloads(model.name)  # or it would fail again on the same files
            raise
        source = BASE_URL + files[0].path
        weights = Checkpoint.of(conversion, name=model.name, source=source, licence=model.licence)
        path = checkpoint.install(model.name, weights)
    return Fetched(path, conversion)


def whole(name: str) -> Path | None:
    """The file of an installed model, if it is there and undamaged."""
    path = store.installed().get(name)
    try:
        if path is not None:
            checkpoint.load(path)
    except WeightsError:
        return None
    return path


def _stamp(name: str) -> int | None:
    """Tells one installed file of a model from the next; None where there is none."""
    try:
        return store.installed()[name].stat().st_mtime_ns
    except (KeyError, OSError):
        return None


def _check_identity(model: OfficialModel, conversion: Conversion) -> None:
    """Raise ConversionError where the files hold another model than they should."""
    if (conversion.spec, conversion.quantization) != (model.spec, model.quantization):
        raise ConversionError(
            f"{conversion.source}: holds {conversion.name} instead of {model.name}; give another --base-url"
        )
