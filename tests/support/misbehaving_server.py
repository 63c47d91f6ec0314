"""A web server on loopback that fails in the ways that real ones do: each path answers as the test has written down.

    with MisbehavingServer() as server:
        server.script("/a.bin", Answer(503), Answer(body=data, stop_after=100), Answer(body=data))
        server.mount("/models", folder)         # all files below a folder, honestly
        download([...], [server.url], ...)
        assert server.asked("/a.bin")[2].headers["Range"] == "bytes=100-"

A script's answers are given one after another, and the last one to all further requests. A path without a script is
looked for below the mounted folders, and is 404 otherwise. Nothing here waits for a clock: a stalled answer stays so
until the client has gone, or the test calls `release()`, or the server ends.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit

_STALL_S = 30.0  # no test lasts so long; it only bounds a test that has gone wrong


@dataclass(frozen=True)
class Answer:
    """How one request is answered. Without any fault: as HTTP wants it, ranges included."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # these win over all others
    length: int | Literal["true", "none"] = "true"  # the Content-Length that is claimed
    chunked: bool = False  # in chunks, without a Content-Length
    ranges: bool = True  # whether a Range is heeded; else the whole body comes with status 200
    stop_after: int | None = None  # bytes of the body that are sent before the ending; None: all
    ending: Literal["close", "reset", "stall"] = "close"  # what happens where the body stops early
    before: Callable[[], object] = lambda: None  # called before anything is sent, on the server's thread


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str  # with its query
    headers: Mapping[str, str]
    client: tuple[str, int]  # who asked; the same for all requests of one connection


class MisbehavingServer:
    """The server, as a context manager. `url` is its base address, `requests` all that it was asked, in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, deque[Answer]] = {}
        self._mounts: dict[str, Path] = {}
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"owner": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="misbehaving-server")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> MisbehavingServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert self._server.errors == [], "the server itself has failed"

    def script(self, path: str, *answers: Answer) -> None:
        """Say how requests for a path (without query) are answered; replaces what was said before."""
        assert answers
        self._scripts[path] = deque(answers)

    def mount(self, prefix: str, folder: Path) -> None:
        """Serve the files below a folder under a prefix such as "/models"; scripts come first."""
        self._mounts[prefix.rstrip("/")] = folder

    def release(self) -> None:
        """Let all stalled answers end, by closing their connections."""
        self._released.set()

    def asked(self, path: str) -> list[Request]:
        """The requests for a path (without query), in order."""
        return [request for request in self.requests if urlsplit(request.path).path == path]

    def _answer(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        with self._lock:
            self.requests.append(request)
            script = self._scripts.get(path)
            if script is not None:
                return script.popleft() if len(script) > 1 else script[0]
        for prefix, folder in self._mounts.items():
            file = folder / unquote(path.removeprefix(f"{prefix}/"))
            if path.startswith(f"{prefix}/") and ".." not in file.parts and file.is_file():
                return Answer(body=file.read_bytes())
        return Answer(404)

    def stall(self) -> None:
        """Wait until the answers are released; for use as an `Answer.before`, which then never comes."""
        assert self._released.wait(_STALL_S), "nobody gave up on a stalled answer"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.errors: list[BaseException] = []

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):  # a client that goes is no failure
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ClassVar[MisbehavingServer]

    def do_GET(self) -> None:
        answer = self.owner._answer(Request(self.path, dict(self.headers), self.client_address))
        answer.before()
        status, headers, body = _ranged(answer, self.headers.get("Range"))
        if answer.chunked:
            headers["Transfer-Encoding"] = "chunked"
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(body)) + b"0\r\n\r\n"
        elif answer.length != "none":
            headers["Content-Length"] = str(len(body) if answer.length == "true" else answer.length)
        sent = body if answer.stop_after is None else body[: answer.stop_after]
        honest = answer.length == "true" and sent == body
        self.send_response(status)
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        if not honest:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(sent)
        if sent != body:
            self._end(answer.ending)

    def do_CONNECT(self) -> None:
        """Asked to be a proxy: refuse, as the script of the path "CONNECT" says."""
        self.send_response(self.owner._answer(Request("CONNECT", dict(self.headers), self.client_address)).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _end(self, ending: str) -> None:
        if ending == "stall":
            self.owner.stall()
        elif ending == "reset":  # closing with no time to linger sends RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

    def log_message(self, *arguments: object) -> None:
        pass


def _ranged(answer: Answer, asked: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body with a range taken out where the client asks for one."""
    match = re.fullmatch(r"bytes=(\d+)-", asked or "")
    if match is None or not answer.ranges or answer.status != 200:
        return answer.status, {}, answer.body
    start, size = int(match[1]), len(answer.body)
    if start >= size:
        return 416, {"Content-Range": f"bytes */{size}"}, b""
    return 206, {"Content-Range": f"bytes {start}-{size - 1}/{size}"}, answer.body[start:]


def _pieces(body: bytes, size: int = 1000) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]
