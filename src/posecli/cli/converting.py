"""What `convert-weights` does: read, convert, check, then write a file or install a model."""

from __future__ import annotations

from pathlib import Path

from posecli.cli.console import console
from posecli.errors import UsageError
from posecli.weights import checkpoint, store
from posecli.weights.catalog import MODELS
from posecli.weights.checkpoint import Checkpoint
from posecli.weights.convert import convert
from posecli.weights.tfjs import read_model


def run(path: Path, output: Path | None, name: str | None, *, force: bool) -> list[str]:
    """Convert the model at `path`; write it to `output`, install it as `name`, or both. The account, line by line.

    Without either it is written here, under the name of what was recognised. Raises UsageError for a name that is
    taken or cannot be used, ConversionError, OutputError.
    """
    if name is not None:
        _check_free(store.check_name(name), force=force)
    conversion = convert(read_model(path))
    if name in MODELS and conversion.official != name:
        raise UsageError(f"--name {name} is that of Google's own model, which this is not; choose another")
    weights = Checkpoint.of(conversion) if name in (None, conversion.official) else Checkpoint.of(conversion, name=name)
    account = list(conversion.account)
    if output is not None or name is None:
        target = output or Path(f"{conversion.name}{store.SUFFIX}")
        checkpoint.refuse_source(target, conversion)
        checkpoint.save(target, weights)
        account.append(f"wrote {target}; use it with: posecli annotate DIR --model {target}")
    if name is not None:
        path = _install(name, weights, force=force)
        account.append(f"installed {path}; use it with: posecli annotate DIR --model {name}")
    return account


def _install(name: str, weights: Checkpoint, *, force: bool) -> Path:
    with store.lock(name, lambda: console().print(f"waiting for another posecli that works on {name}")):
        _check_free(name, force=force)  # again: another process may have been at it
        return checkpoint.install(name, weights)


def _check_free(name: str, *, force: bool) -> None:
    if name in store.installed() and not force:
        raise UsageError(f"a model {name} is installed already; choose another --name, or replace it with --force")
