"""Base addresses: what files are fetched from, how they are joined with a path, and how they are shown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from posecli.download.remote import RemoteFile
from posecli.errors import DownloadError, UsageError

OFFLINE_VARIABLE = "POSECLI_OFFLINE"
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_REMEDY = "give an address with http:// or https://, or a folder"


def is_offline() -> bool:
    """Whether the user forbids every use of the network, by the environment variable POSECLI_OFFLINE."""
    value = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    if value not in _YES + _NO:
        raise UsageError(f"{OFFLINE_VARIABLE}={value}: neither yes nor no; set it to 1 or 0")
    return value in _YES


def check_bases(bases: Sequence[str]) -> tuple[str, ...]:
    """Base addresses as they will be used: http:// and https:// without a last slash, all others as folders.

    Of several, one may be of no use, a folder that is missing or an address while the network is forbidden: the others
    are tried. Raises UsageError naming an address of another kind, or the only folder where that is missing; and
    DownloadError where there is nothing but the network, and it is forbidden.
    """
    checked = tuple(_checked(base) for base in bases)
    if len(checked) == 1 and not is_remote(checked[0]) and not is_folder(Path(checked[0])):
        raise UsageError(f"{checked[0]}: no such folder; {_REMEDY}")
    if checked and all(is_remote(base) for base in checked) and is_offline():
        raise DownloadError(f"{shown(checked[0])}: {OFFLINE_VARIABLE} forbids the network; unset it, or give a folder")
    return checked


def is_remote(base: str) -> bool:
    """Whether a checked base address is on the network."""
    return base.startswith(("http://", "https://"))


def join(base: str, path: str) -> str:
    """The address of a file below a checked http(s) base; a query of the base (an access token) stays its query."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(path)}", fragment=""))


def shown(base: str) -> str:
    """A checked base address as messages may show it: without password and access token."""
    if not is_remote(base):
        return base
    parts = urlsplit(base)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(
            netloc=f"***@{host}" if "@" in parts.netloc else host, query="***" if parts.query else "", fragment=""
        )
    )


def shown_address(base: str, file: RemoteFile) -> str:
    """Where a file is below a base address, as messages may show it. Raises UsageError where the base is none."""
    base = _checked(base)
    return shown(join(base, file.path)) if is_remote(base) else str(Path(base, file.path))


def is_folder(path: Path) -> bool:
    """Whether a folder is there, as far as the system lets us see."""
    try:
        return path.is_dir()
    except OSError:  # a name too long for any file system, or a folder closed to us
        return False


def _checked(base: str) -> str:
    scheme = base.partition("://")[0].lower() if "://" in base else ""
    if scheme in ("http", "https"):
        return _checked_url(base)
    if scheme not in ("", "file"):
        raise UsageError(f"{_without_login(base)}: {scheme}:// is not understood; {_REMEDY}")
    folder = _path_of(base) if scheme else base
    if not folder:
        raise UsageError(f"{base or 'empty address'}: names no folder; {_REMEDY}")
    return str(Path(folder))


def _checked_url(base: str) -> str:
    try:
        parts = urlsplit(base)
        valid = bool(parts.hostname) and parts.port != 0  # reading the port checks it
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{_without_login(base)}: not a valid address; {_REMEDY}")
    return urlunsplit(parts._replace(scheme=parts.scheme.lower(), path=parts.path.rstrip("/"), fragment=""))


def _path_of(url: str) -> str:
    """The folder that a file:// address names."""
    from urllib.request import url2pathname

    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{url}: names another machine; write file:///folder, with three slashes")
    return url2pathname(parts.path)


def _without_login(address: str) -> str:
    """An address that cannot be taken apart, without whatever may be a password in it."""
    return re.sub(r"://.*@", "://***@", address)
