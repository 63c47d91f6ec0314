"""The packages that posecli needs, and those of its extras, as its own metadata names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from io import StringIO

from posecli.doctor.report import Extra, Library, Problem, probe

DEVELOPMENT = "dev"  # the extra that is of no use to users

# Packages that are imported under another name, and those that another may stand in for.
_MODULES = {"opencv-python": "posecli.opencv"}
_STAND_INS = {"opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")}


def libraries() -> tuple[Library, ...]:
    """The state of each package without which posecli does not work."""
    return _states(_required()[""], "pip install {}")


def extras() -> tuple[Extra, ...]:
    """The state of each optional part."""
    found = []
    for name, packages in sorted(_required().items()):
        if name not in ("", DEVELOPMENT):
            install = f'pip install "posecli[{name}]"'
            found.append(Extra(name, install, _states(packages, install)))
    return tuple(found)


def _required() -> dict[str, list[str]]:
    """Packages by extra; under "" those that are always needed.

    One that is needed only on some systems or Pythons is left out where it is not installed.
    """
    found: dict[str, list[str]] = {"": []}
    for requirement in requires("posecli") or []:
        wanted, _, marker = requirement.partition(";")
        name = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*[\"']([^\"']+)[\"']", marker)
        condition = marker.replace(extra[0], "") if extra else marker
        if not re.search(r"[=<>]|\bin\b", condition) or _version(name) is not None:
            found.setdefault(extra[1] if extra else "", []).append(name)
    return found


def _states(packages: Sequence[str], install: str) -> tuple[Library, ...]:
    """Import each package; `install` is the command for one that is missing, with {} for its name."""
    found = []
    for package in packages:
        with redirect_stderr(StringIO()):  # some print a traceback of what they miss
            imported = probe(partial(import_module, _MODULES.get(package, package.replace("-", "_"))))
        reason = imported.problem if isinstance(imported, Problem) else None
        versions = {name: _version(name) for name in (package, *_STAND_INS.get(package, ()))}
        present = {name: number for name, number in versions.items() if number is not None}
        found += [Library(name, number, reason) for name, number in present.items()]
        if not present and reason is None:
            found.append(Library(package, "of unknown version", None))
        elif not present:
            found.append(Library(package, None, f"not installed; run: {install.format(package)}"))
    return tuple(found)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
