"""Have a file, or the rest of it, from a web server: one request, its answer judged and written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING

from posecli.download.opening import open_address
from posecli.download.outcomes import RefusedError, RestartError, SilentError, TooSlowError, TransientError
from posecli.download.part import Part
from posecli.download.patience import Policy, retry_after_s
from posecli.download.wording import answer, reason, root

if TYPE_CHECKING:
    from requests import Response, Session

_STEP_BYTES = 1 << 17
_PASSING = (408, 425, 429)  # and all from 500
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html)", re.IGNORECASE)
_HEAD_BYTES = 64  # enough to see whether it is a page
_A_PAGE = "an HTML page instead of the file"


def request(session: Session, url: str, part: Part, policy: Policy) -> None:
    """Ask once for what is missing of a file; on return the part is as long as the file, as far as that is known.

    Raises TransientError, with what has come kept; RestartError, with all thrown away; or RefusedError.
    """
    start = part.size if part.file.blob_sha1 is not None else 0
    with _network(policy, SilentError):
        response = open_address(session, url, (policy.connect_timeout_s, policy.read_timeout_s), start=start)
    with response:
        _check_status(response, start)
        if response.headers.get("Content-Type", "").lower().lstrip().startswith("text/html"):
            raise RefusedError(_A_PAGE)
        if response.status_code in (206, 416):
            _take_rest(response, part, start, policy)
        else:
            _take_all(response, part, policy)
    if part.file.size is not None and part.size < part.file.size:
        raise TransientError("the connection broke off")


def _check_status(response: Response, start: int) -> None:
    status = response.status_code
    if status in _PASSING or status >= 500:
        wait_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(timezone.utc))
        raise TransientError(answer(status), wait_s)
    if status == 200 or (start and status in (206, 416)):
        return
    raise RefusedError(answer(status))


def _take_rest(response: Response, part: Part, start: int, policy: Policy) -> None:
    if not _continues(response, start, part.file.size):
        part.drop()
        raise RestartError
    part.take(_chunks(response, policy), fresh=False)


def _take_all(response: Response, part: Part, policy: Policy) -> None:
    _check_length(response, part)
    chunks = _chunks(response, policy)
    head = _head(chunks)
    if _PAGE.match(head):
        raise RefusedError(_A_PAGE)
    if part.file.size is None and not head:
        raise RefusedError("an empty answer")
    part.take(chain([head], chunks), fresh=True)


def _check_length(response: Response, part: Part) -> None:
    """Raise RefusedError where the answer says itself that it has another length than the file."""
    stated = re.fullmatch("[0-9]{1,18}", response.headers.get("Content-Length", ""))
    if stated is None or _is_encoded(response):
        return
    if part.file.size is not None and int(stated[0]) != part.file.size:
        raise RefusedError(f"{int(stated[0])} bytes instead of {part.file.size}")
    if int(stated[0]) > part.limit:
        raise RefusedError(f"more than {part.limit} bytes")


def _continues(response: Response, start: int, size: int | None) -> bool:
    """Whether an answer is the rest of the file that was asked for."""
    value = response.headers.get("Content-Range", "").strip()
    stated = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", value)
    if response.status_code != 206 or stated is None or _is_encoded(response):
        return False
    return int(stated[1]) == start and (size is None or stated[2] in ("*", str(size)))


def _is_encoded(response: Response) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def _head(chunks: Iterator[bytes]) -> bytes:
    """The first bytes of an answer, as many as one looks at; all where it is shorter."""
    head = b""
    while len(head) < _HEAD_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    return head


def _chunks(response: Response, policy: Policy) -> Iterator[bytes]:
    """The body, decompressed, each piece as soon as it is there.

    Raises TransientError where it breaks off, and TooSlowError where it trickles; only the time in which the server
    was waited for counts.
    """
    waited_s, came = 0.0, 0
    while True:
        before = monotonic()
        with _network(policy):
            data: bytes = response.raw.read1(_STEP_BYTES, decode_content=True)
        waited_s += monotonic() - before
        if not data:
            return
        yield data
        came += len(data)
        if waited_s >= policy.rate_window_s:
            if came < policy.least_bytes_per_s * waited_s:
                raise TooSlowError(f"only {came} bytes in {waited_s:.0f} s")
            waited_s, came = 0.0, 0


@contextmanager
def _network(policy: Policy, trouble: type[TransientError] = TransientError) -> Iterator[None]:
    """Judge what can go wrong on the network: another try may help (`trouble`), or none will."""
    from ssl import SSLCertVerificationError

    import requests
    import urllib3

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        connecting = isinstance(error, requests.ConnectTimeout)
        why = reason(error, policy.connect_timeout_s if connecting else policy.read_timeout_s)
        hopeless = isinstance(error, (requests.TooManyRedirects, ValueError)) or isinstance(
            root(error), SSLCertVerificationError
        )
        raise (RefusedError(why) if hopeless else trouble(why)) from error
