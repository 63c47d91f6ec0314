"""What went wrong on the network, in words that a message can carry."""

from __future__ import annotations

from http import HTTPStatus


class SettingError(ValueError):
    """A setting of the user's network that cannot work, whatever is asked of whom; the message names it."""


class ProxyFailedError(OSError):
    """The proxy has failed, rather than the server behind it; the message says how."""


def answer(status: int) -> str:
    """An HTTP status by number and name; the name that the server gives may be anything."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def reason(error: BaseException, timeout_s: float) -> str:
    """What went wrong in the end: requests wraps the reason several times over, with object addresses."""
    from http.client import HTTPException

    import requests
    import urllib3

    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, (SettingError, ProxyFailedError)):
        return str(error)
    error = root(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)):
        return f"timed out after {timeout_s:.0f} s"
    if isinstance(error, (ConnectionError, HTTPException, urllib3.exceptions.ProtocolError)):
        return "the connection broke off"
    return "not a valid address" if isinstance(error, ValueError) else "the answer is damaged"


def root(error: BaseException) -> BaseException:
    """The error that started it all."""
    while error.__context__ is not None:
        error = error.__context__
    return error
