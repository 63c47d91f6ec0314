"""Ask a web server for an address, and follow where it leads, without reading what nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from posecli import __version__
from posecli.download.settings import check_certificates, proxy_trouble

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

_MOST_REDIRECTS = 10


def open_session() -> Session:
    """A session for one thread: connections that are used again, proxies and certificates as the user has set them."""
    import requests

    session = requests.Session()
    session.headers.update({"User-Agent": f"posecli/{__version__}", "Accept-Encoding": "identity"})
    return session


def open_address(session: Session, url: str, timeouts: tuple[float, float], *, start: int = 0) -> Response:
    """The answer to a request for the bytes from `start` on, its body unread; `timeouts` to connect and to read, in s.

    Requests itself reads the body of each redirect whole and expanded, however large it is, even where it is told to
    follow none. Here redirects are closed unread. A password goes only to the server that it was given for.

    Raises what requests raises, with SettingError and ProxyFailedError in place of what it says about proxies and
    certificates.
    """
    from requests import Request, TooManyRedirects

    headers = {"Range": f"bytes={start}-"} if start else {}
    request = session.prepare_request(Request("GET", url, headers=headers))
    for _ in range(_MOST_REDIRECTS + 1):
        response = _send(session, request, timeouts)
        if not response.is_redirect:
            return response
        with response:
            url = urljoin(str(request.url), session.get_redirect_target(response))
        following = session.prepare_request(Request("GET", url, headers=headers))
        elsewhere: Callable[[str, str], bool] = session.should_strip_auth
        if "Authorization" in request.headers and not elsewhere(str(request.url), str(following.url)):
            following.headers.setdefault("Authorization", request.headers["Authorization"])
        request = following
    raise TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects")


def _send(session: Session, request: PreparedRequest, timeouts: tuple[float, float]) -> Response:
    """Send one request as the session would, but leave redirects alone."""
    from requests import RequestException
    from requests.utils import select_proxy

    url = str(request.url)
    adapter = session.get_adapter(url)  # there are some for http:// and https:// only
    settings = session.merge_environment_settings(url, {}, True, None, None)
    verify = settings["verify"]
    assert verify is not None, "neither the session nor the environment says whether to check certificates"
    if url.startswith("https://"):
        check_certificates(verify)
    proxy = select_proxy(url, settings["proxies"])
    try:
        response = adapter.send(
            request, stream=True, timeout=timeouts, verify=verify, cert=settings["cert"], proxies=settings["proxies"]
        )
    except RequestException as error:
        if proxy is not None and (trouble := proxy_trouble(error, url, proxy, timeouts[0])):
            raise trouble from error
        raise
    session.cookies.update(response.cookies)  # some servers let pass only who shows them again
    return response
