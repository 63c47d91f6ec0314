"""The network settings of the user, where they cannot work: each message names the one to look at."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.download.wording import ProxyFailedError, SettingError, answer, reason, root

if TYPE_CHECKING:
    from requests import RequestException

_PASSING = 500  # a proxy that says this or more may do better next time


def check_certificates(bundle: bool | str) -> None:
    """Raise SettingError where the certificates to trust are to come from a file that has none."""
    import ssl

    if not isinstance(bundle, str):
        return
    try:
        if not Path(bundle).is_dir():
            ssl.create_default_context(cafile=bundle)
    except OSError as error:
        setting = _setting(bundle, ("requests_ca_bundle", "curl_ca_bundle"))
        raise SettingError(f"{setting} has no certificates that can be read: {error.strerror or error}") from error


def proxy_trouble(
    error: RequestException, url: str, proxy: str, timeout_s: float
) -> SettingError | ProxyFailedError | None:
    """What is wrong with the proxy that a request went through, where that was the error."""
    from requests.exceptions import InvalidSchema, InvalidURL, ProxyError

    scheme = url.partition("://")[0]
    setting = _setting(proxy, (f"{scheme}_proxy", "all_proxy"))
    if isinstance(error, InvalidSchema):  # the address was seen to be http(s): it is the proxy's that is not
        return SettingError(f"{setting} needs another package: pip install 'requests[socks]'")
    if isinstance(error, InvalidURL):
        return SettingError(f"{setting} is not a valid address of a proxy")
    if not isinstance(error, ProxyError):
        return None
    refusal = re.search(r"Tunnel connection failed: ([0-9]{3})\b", str(root(error)))
    if refusal is None:
        return ProxyFailedError(f"the proxy of {setting} cannot be reached: {reason(error, timeout_s)}")
    says = f"the proxy of {setting} says {answer(int(refusal[1]))}"
    return SettingError(says) if int(refusal[1]) < _PASSING else ProxyFailedError(says)


def _setting(value: str, names: tuple[str, ...]) -> str:
    """NAME=VALUE of the environment variable, named in small letters, that a value came from; without its password."""
    shown = re.sub(r"^(.*://)?.*@", r"\1***@", value)
    for name, held in os.environ.items():
        if held == value and name.lower() in names:
            return f"{name}={shown}"
    return f"the system's setting {shown}"
