"""Files that belong together: all of them appear, or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from posecli.errors import UsageError
from posecli.export_model.formats import COMPANIONS, Format
from posecli.files import cannot_write, temporary_beside, write_whole


def check_place(path: Path, format: Format) -> None:
    """Raise UsageError, before there is any work, where writing to `path` would take away what nobody named."""
    if path.is_dir():
        raise UsageError(f"{path}: a folder; give the name of a file in it with -o")
    for suffix in COMPANIONS.get(format, ()):
        companion = path.with_suffix(suffix)
        if companion.exists() and not path.exists():
            raise UsageError(f"{companion}: there already, and of another model; choose another name with -o")


def place(files: Mapping[Path, bytes]) -> None:
    """Write files, the one that leads to the others last; older ones are replaced.

    Raises OutputError where one cannot be written; then the older ones are as they were, and nothing new is there. At
    no moment does the one that leads to the others lie beside what is not its own.
    """
    if len(files) == 1:
        ((path, data),) = files.items()
        write_whole(path, data, sync=True)
        return
    older = []
    with ExitStack() as undo:
        for path in reversed(list(files)):
            target = Path(os.path.realpath(path))
            if target.is_file():
                older.append(_set_aside(target, undo))
            elif not target.exists():
                undo.callback(target.unlink, missing_ok=True)
        for path, data in files.items():
            write_whole(path, data, sync=True)
        undo.pop_all()
    for aside in older:
        aside.unlink(missing_ok=True)


def _set_aside(target: Path, undo: ExitStack) -> Path:
    """Give a file another name, which `undo` takes back."""
    aside = temporary_beside(target)
    try:
        target.replace(aside)
    except OSError as error:
        raise cannot_write(target, error) from error
    undo.callback(aside.replace, target)
    return aside
