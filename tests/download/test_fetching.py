"""One file, from servers that misbehave: in the end it is here, whole, or an error says why not."""

import gzip
import re
import ssl
import zlib
from datetime import datetime, timezone
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest
import requests

from downloads import DATA, HASTY, Run, remote
from misbehaving_server import Answer, MisbehavingServer
from posecli.download import Policy, RemoteFile, requesting
from posecli.errors import DownloadError

GOOD = Answer(body=DATA)
FLIPPED = bytes([*DATA[:5000], DATA[5000] ^ 1, *DATA[5001:]])
UNKNOWN = RemoteFile("a.bin", None, None)


def ranges(server: MisbehavingServer) -> list[str | None]:
    return [request.headers.get("Range") for request in server.asked("/a.bin")]


def refusal(run: Run, server: MisbehavingServer, **options: Any) -> str:
    """Why the server does not have the file; nothing is left behind under its name."""
    with pytest.raises(DownloadError) as caught:
        run(server.url, **options)
    message = str(caught.value)
    assert "a.bin" not in run.names
    before, after = f"a.bin: not to be had from {server.url} (", "); try a mirror with --base-url, or later"
    assert message.startswith(before)
    assert message.endswith(after)
    return message.removeprefix(before).removesuffix(after)


def test_a_file_is_fetched_once(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", GOOD)
    run(server.url)
    assert run.holds()
    assert server.asked("/a.bin")[0].headers["Accept-Encoding"] == "identity"
    run.bytes.clear()
    run(f"{server.url}/")
    assert run.holds()
    assert len(server.requests) == 1


@pytest.mark.parametrize("data", [b"", b"\x00", b"<", b"\xef\xbb\xbf{}", DATA])
def test_every_content_is_kept(server: MisbehavingServer, run: Run, data: bytes) -> None:
    server.script("/a.bin", Answer(body=data))
    run(server.url, file=remote(data))
    assert run.holds(data)


@pytest.mark.parametrize("here", [FLIPPED, DATA[:100], b""])
def test_a_file_that_is_here_but_damaged_is_fetched_again(server: MisbehavingServer, run: Run, here: bytes) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "a.bin").write_bytes(here)
    server.script("/a.bin", GOOD)
    run(server.url)
    assert run.holds()


@pytest.mark.parametrize("status", [401, 403, 404, 410, 418, 204, 206, 300])
def test_what_is_refused_is_not_asked_for_again(server: MisbehavingServer, run: Run, status: int) -> None:
    server.script("/a.bin", Answer(status))
    assert refusal(run, server).startswith(f"HTTP {status} ")
    assert len(server.requests) == 1


def test_an_unknown_status_has_no_name(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(499))
    assert refusal(run, server) == "HTTP 499"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 599])
def test_what_may_pass_is_asked_for_again(server: MisbehavingServer, run: Run, waits: list[float], status: int) -> None:
    server.script("/a.bin", Answer(status), Answer(status, headers={"Content-Type": "text/html"}), GOOD)
    run(server.url)
    assert run.holds()
    assert len(server.requests) == 3
    assert len(waits) == 2
    assert all(line.startswith(f"{server.url}: a.bin: HTTP {status}") for line in run.retries)


def test_patience_has_an_end(server: MisbehavingServer, run: Run, waits: list[float]) -> None:
    server.script("/a.bin", Answer(500))
    assert refusal(run, server) == "HTTP 500 Internal Server Error, 3 times in a row"
    assert len(server.requests) == 3
    assert len(waits) == len(run.retries) == 2
    assert run.retries[0] == f"{server.url}: a.bin: HTTP 500 Internal Server Error; trying again in {waits[0]:.1f} s"


PAGE = b"<!DOCTYPE html><html><body>404 - but politely</body></html>"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=PAGE, headers={"Content-Type": "Text/HTML; charset=utf-8"}),
        Answer(body=DATA, headers={"Content-Type": "text/html"}),
        Answer(body=PAGE, length="none"),
        Answer(body=PAGE, chunked=True),
        Answer(body=PAGE.lower() + b" " * (len(DATA) - len(PAGE))),
        Answer(body=b"\xef\xbb\xbf \r\n<HTML>" + PAGE, length="none"),
        Answer(body=gzip.compress(PAGE), headers={"Content-Encoding": "gzip"}),
    ],
)
@pytest.mark.parametrize("file", [remote(), UNKNOWN])
def test_a_page_is_not_the_file(server: MisbehavingServer, run: Run, answer: Answer, file: RemoteFile) -> None:
    server.script("/a.bin", answer)
    assert refusal(run, server, file=file) == "an HTML page instead of the file"
    assert run.names == []
    assert len(server.requests) == 1


def test_a_page_does_not_cost_what_is_here(server: MisbehavingServer, run: Run) -> None:
    server.script("/page/a.bin", Answer(body=PAGE, ranges=False))
    server.script("/a.bin", Answer(body=DATA, stop_after=4000), Answer(404))
    with pytest.raises(DownloadError):
        run(server.url, f"{server.url}/page")
    server.script("/a.bin", GOOD)
    run.bytes.clear()
    run(f"{server.url}/page", server.url)
    assert ranges(server)[-1] == "bytes=4000-"
    assert run.holds()


@pytest.mark.parametrize("size", [100, len(DATA) - 1, len(DATA) + 1])
def test_a_wrong_length_fails_before_the_body(server: MisbehavingServer, run: Run, size: int) -> None:
    """The body never comes: only the header can have been judged."""
    server.script("/a.bin", Answer(body=DATA * 2, length=size, stop_after=0, ending="stall"))
    assert refusal(run, server) == f"{size} bytes instead of {len(DATA)}"
    assert run.bytes == []


@pytest.mark.parametrize("kind", [{"length": "none"}, {"chunked": True}])
def test_more_than_the_file_is_not_taken(server: MisbehavingServer, run: Run, kind: dict[str, Any]) -> None:
    server.script("/a.bin", Answer(body=DATA + b"x", **kind))
    assert refusal(run, server) == f"more than {len(DATA)} bytes"
    assert run.names == []
    assert sum(run.bytes) == 0


@pytest.mark.parametrize("kind", [{"length": "none"}, {"chunked": True}])
def test_less_than_the_file_is_a_broken_connection(server: MisbehavingServer, run: Run, kind: dict[str, Any]) -> None:
    server.script("/a.bin", Answer(body=DATA[:-1], **kind), GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, f"bytes={len(DATA) - 1}-"]
    assert "the connection broke off" in run.retries[0]


def test_a_server_that_never_has_all_of_it(server: MisbehavingServer, run: Run) -> None:
    """It says 416 to each resumption, and comes no further each time that it starts over."""
    server.script("/a.bin", Answer(body=DATA[:-1], chunked=True))
    assert refusal(run, server) == "the connection broke off, 3 times in a row"
    assert sum(run.bytes) == len(DATA) - 1


def test_a_broken_connection_is_resumed(server: MisbehavingServer, run: Run, waits: list[float]) -> None:
    server.script(
        "/a.bin",
        *(Answer(body=DATA, stop_after=count) for count in (3000, 1000, 500)),
        GOOD,
    )
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, "bytes=3000-", "bytes=4000-", "bytes=4500-"]
    assert min(run.bytes) > 0
    assert len(waits) == 3


def test_a_reset_is_resumed(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=6000, ending="reset"), GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, f"bytes={run.bytes[0]}-"]
    assert 0 < run.bytes[0] <= 6000
    assert "reset" in run.retries[0] or "broke off" in run.retries[0]


def test_progress_costs_no_patience(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", *[Answer(body=DATA, stop_after=1000)] * 9, GOOD)
    run(server.url)
    assert run.holds()
    assert len(server.requests) == 10 > HASTY.tries


def test_progress_has_an_end_too(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=100))
    assert refusal(run, server) == "not whole after 12 requests"
    assert run.names == ["a.bin.part"]


def test_a_stall_is_given_up_and_resumed(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=2000, ending="stall"), GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, "bytes=2000-"]
    assert "timed out after 0 s" in run.retries[0]


def test_a_server_that_never_answers(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(before=server.stall))
    assert refusal(run, server) == "timed out after 0 s, 3 times in a row"


def test_a_server_without_ranges_starts_over(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=3000), Answer(body=DATA, ranges=False))
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, "bytes=3000-"]
    assert -3000 in run.bytes


def test_breaking_off_at_one_place_is_no_progress(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=3000, ranges=False))
    assert refusal(run, server) == "the connection broke off, 3 times in a row"
    assert len(server.requests) == 4  # the first of them was progress


def test_coming_less_far_than_before_is_no_progress(server: MisbehavingServer, run: Run) -> None:
    stops = [3000, 1000, 2000, 2500]
    server.script("/a.bin", *(Answer(body=DATA, stop_after=stop, ranges=False) for stop in stops))
    assert refusal(run, server) == "the connection broke off, 3 times in a row"
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, DATA, headers={"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}),
        Answer(206, DATA[3000:], headers={"Content-Range": f"bytes 3000-{len(DATA)}/{len(DATA) + 1}"}),
        Answer(206, DATA[3000:], headers={"Content-Range": "lines 1-2/3"}),
        Answer(206, DATA[3000:], headers={"Content-Range": f"bytes {'3' * 5000}-9/*"}),
        Answer(206, DATA[3000:], headers={"Content-Range": f"bytes \xb3000-{len(DATA) - 1}/{len(DATA)}"}),
        Answer(206, DATA[3000:]),
        Answer(
            206,
            gzip.compress(DATA[3000:]),
            headers={"Content-Range": f"bytes 3000-{len(DATA) - 1}/{len(DATA)}", "Content-Encoding": "gzip"},
        ),
        Answer(416),
    ],
)
def test_a_rest_that_does_not_fit_starts_over(
    server: MisbehavingServer, run: Run, answer: Answer, waits: list[float]
) -> None:
    server.script("/a.bin", Answer(body=DATA, stop_after=3000), answer, GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, "bytes=3000-", None]
    assert len(waits) == 1


def test_a_total_that_is_not_known_fits(server: MisbehavingServer, run: Run) -> None:
    rest = Answer(206, DATA[3000:], headers={"Content-Range": f"bytes 3000-{len(DATA) - 1}/*"})
    server.script("/a.bin", Answer(body=DATA, stop_after=3000), rest)
    run(server.url)
    assert run.holds()
    assert len(server.requests) == 2


def test_a_flipped_bit_is_found_and_mended(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=FLIPPED), GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == [None, None]


def test_a_bit_that_flips_twice_is_an_error(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=FLIPPED))
    assert refusal(run, server) == "other bytes than the file's: its SHA-1 is wrong"
    assert run.names == []
    assert sum(run.bytes) == 0
    assert len(server.requests) == 2


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_was_compressed_for_the_way_is_expanded(server: MisbehavingServer, run: Run, coding: str) -> None:
    text = b'{"modelTopology": [' + b"0, " * 3000 + b"0]}"
    body = gzip.compress(text) if coding == "gzip" else zlib.compress(text)
    server.script("/a.bin", Answer(body=body, headers={"Content-Encoding": coding}, ranges=False))
    run(server.url, file=remote(text))
    assert run.holds(text)


def test_a_compressed_answer_that_is_damaged(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}), GOOD)
    run(server.url)
    assert run.holds()
    assert "the answer is damaged" in run.retries[0]


def test_a_small_answer_that_expands_without_end(server: MisbehavingServer, run: Run) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    server.script("/a.bin", Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    assert refusal(run, server) == f"more than {len(DATA)} bytes"


def test_a_redirect_is_followed(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(302, headers={"Location": "/else/where"}))
    server.script("/else/where", Answer(body=DATA, stop_after=3000), GOOD)
    run(server.url)
    assert run.holds()
    assert [request.headers.get("Range") for request in server.asked("/else/where")] == [None, "bytes=3000-"]


@pytest.mark.parametrize(
    ("target", "why"), [("/a.bin", "it redirects without end"), ("file:///etc/hostname", "not a valid address")]
)
def test_a_redirect_to_nowhere(server: MisbehavingServer, run: Run, target: str, why: str) -> None:
    server.script("/a.bin", Answer(302, headers={"Location": target}))
    assert refusal(run, server) == why
    assert len(server.requests) <= 11


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_body_of_a_redirect_is_not_waited_for(server: MisbehavingServer, run: Run, status: int) -> None:
    """It would never end; and requests would read it all, even where it is told to follow no redirect."""
    away = Answer(status, DATA, headers={"Location": "else"}, stop_after=99, ending="stall")
    server.script("/a.bin", away)
    server.script("/else", Answer(status, DATA, headers={"Location": "/where"}, chunked=True, stop_after=0))
    server.script("/where", GOOD)
    run(server.url)
    assert run.holds()
    assert run.retries == []
    assert [request.path for request in server.requests] == ["/a.bin", "/else", "/where"]


def test_a_redirect_takes_no_password_elsewhere(server: MisbehavingServer, run: Run) -> None:
    """To the same server it goes along, by a relative or a whole address; another name is another server."""
    server.script("/a.bin", Answer(302, headers={"Location": "/b"}))
    server.script("/b", Answer(302, headers={"Location": f"{server.url}/c"}))
    server.script("/c", Answer(302, headers={"Location": f"{server.url.replace('127.0.0.1', 'localhost')}/d"}))
    server.script("/d", Answer(302, headers={"Location": f"{server.url}/e"}))
    server.script("/e", GOOD)
    run(server.url.replace("http://", "http://user:s3cret@"))
    assert run.holds()
    sent = ["Authorization" in request.headers for request in server.requests]
    assert sent == [True, True, True, False, False]


def test_a_cookie_that_a_redirect_gives_is_shown_again(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer(302, headers={"Location": "/b", "Set-Cookie": "seen=yes"}))
    server.script("/b", GOOD)
    run(server.url)
    assert server.asked("/b")[0].headers["Cookie"] == "seen=yes"


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-1", "many"])
def test_a_length_that_is_no_number(server: MisbehavingServer, run: Run, length: str) -> None:
    server.script("/a.bin", Answer(body=DATA, headers={"Content-Length": length, "Connection": "close"}))
    run(server.url)
    assert run.holds()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read brings 100 bytes, and takes 25 s."""
    clock = count(0, 25)
    monkeypatch.setattr(requesting, "monotonic", lambda: next(clock))
    monkeypatch.setattr(requesting, "_STEP_BYTES", 100)


@pytest.mark.usefixtures("slow")
def test_a_trickle_is_given_up(server: MisbehavingServer, run: Run) -> None:
    """It is no progress, though each request brings something."""
    server.script("/a.bin", GOOD)
    assert re.fullmatch(r"only \d+ bytes in 75 s, 3 times in a row", refusal(run, server))
    assert len(run.bytes) == 9
    assert ranges(server) == [None, f"bytes={sum(run.bytes[:3])}-", f"bytes={sum(run.bytes[:6])}-"]


@pytest.mark.usefixtures("slow")
def test_slow_is_not_yet_a_trickle(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", GOOD)
    run(server.url, policy=Policy(least_bytes_per_s=1))
    assert run.holds()
    assert run.retries == []


def test_retry_after_is_the_least_wait(server: MisbehavingServer, run: Run, waits: list[float]) -> None:
    past = format_datetime(datetime(2020, 1, 1, tzinfo=timezone.utc), usegmt=True)
    said = ["50", past, "soon", "0"]
    server.script("/a.bin", *(Answer(429, headers={"Retry-After": value}) for value in said), GOOD)
    run(server.url, policy=Policy(first_wait_s=0.5, longest_wait_s=0.5))
    assert run.holds()
    assert waits[0] == 50
    assert max(waits[1:]) <= 0.5


@pytest.mark.parametrize("value", ["121", format_datetime(datetime(2200, 1, 1, tzinfo=timezone.utc), usegmt=True)])
def test_a_server_that_asks_for_too_much_patience(server: MisbehavingServer, run: Run, value: str) -> None:
    server.script("/a.bin", Answer(503, headers={"Retry-After": value}))
    why = refusal(run, server)
    found = re.fullmatch(r"HTTP 503 Service Unavailable, and asks to wait for (\d+) s", why)
    assert found is not None
    assert int(found[1]) > 120
    assert len(server.requests) == 1


def test_the_waits_grow_and_are_random(server: MisbehavingServer, run: Run, waits: list[float]) -> None:
    server.script("/a.bin", Answer(500))
    refusal(run, server, policy=Policy(tries=9, first_wait_s=1, longest_wait_s=20))
    assert len(set(waits)) == 8
    assert all(wait <= min(20, 2**doubled) for doubled, wait in enumerate(waits))


def test_the_next_base_has_what_the_first_lacks(server: MisbehavingServer, run: Run) -> None:
    server.script("/bad/a.bin", Answer(500))
    server.script("/worse/a.bin", Answer(body=FLIPPED))
    server.script("/good/a.bin", GOOD)
    run(f"{server.url}/none", f"{server.url}/bad", f"{server.url}/worse", f"{server.url}/good/")
    assert run.holds()
    assert len(server.requests) == 1 + HASTY.tries_before_next + 2 + 1


def test_each_base_says_why(server: MisbehavingServer, run: Run, tmp_path: Path) -> None:
    server.script("/b/a.bin", Answer(body=PAGE, chunked=True))
    with pytest.raises(DownloadError) as caught:
        run(f"{server.url}/a", f"{server.url}/b", str(tmp_path))
    assert str(caught.value) == (
        f"a.bin: not to be had from {server.url}/a (HTTP 404 Not Found), {server.url}/b (an HTML page instead of the "
        f"file), {tmp_path} (no such file); try a mirror with --base-url, or later"
    )


def test_a_part_serves_all_bases(server: MisbehavingServer, run: Run) -> None:
    server.script("/one/a.bin", Answer(body=DATA, stop_after=3000), Answer(404))
    server.script("/two/a.bin", GOOD)
    run(f"{server.url}/one", f"{server.url}/two")
    assert run.holds()
    assert server.asked("/two/a.bin")[0].headers["Range"] == "bytes=3000-"


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        (DATA[:7000], ["bytes=7000-"]),
        (DATA, []),
        (b"?" * 7000, ["bytes=7000-", None]),
        (FLIPPED, [None]),
        (DATA + b"?", [None]),
        (b"", [None]),
    ],
)
def test_the_part_of_an_earlier_process(
    server: MisbehavingServer, run: Run, part: bytes, asked: list[str | None]
) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "a.bin.part").write_bytes(part)
    server.script("/a.bin", GOOD)
    run(server.url)
    assert run.holds()
    assert ranges(server) == asked


@pytest.mark.parametrize("answer", [GOOD, Answer(body=DATA, chunked=True), Answer(body=DATA, length="none")])
def test_a_file_that_nothing_is_known_of(server: MisbehavingServer, run: Run, answer: Answer) -> None:
    server.script("/a.bin", answer)
    for _ in range(2):
        run.bytes.clear()
        run(server.url, file=UNKNOWN)
        assert run.holds()
    assert len(server.requests) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [None, len(DATA)])
def test_a_file_without_a_hash_is_never_made_of_two_answers(
    server: MisbehavingServer, run: Run, chunked: bool, size: int | None
) -> None:
    server.script("/a.bin", Answer(body=b"X" * len(DATA), stop_after=3000, chunked=chunked), Answer(body=DATA))
    run(server.url, file=RemoteFile("a.bin", size, None))
    assert run.holds()
    assert ranges(server) == [None, None]


@pytest.mark.parametrize("kind", [{}, {"chunked": True}, {"stop_after": 0, "ending": "stall"}])
def test_a_file_of_unknown_size_has_a_limit(server: MisbehavingServer, run: Run, kind: dict[str, Any]) -> None:
    server.script("/a.bin", Answer(body=DATA, **kind))
    assert refusal(run, server, file=UNKNOWN, most_bytes=len(DATA) - 1) == f"more than {len(DATA) - 1} bytes"
    assert run.names == []


def test_the_limit_is_for_files_of_unknown_size(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", GOOD)
    server.script("/b.bin", GOOD)
    run(server.url, file=RemoteFile("a.bin", None, None), most_bytes=len(DATA))
    run(server.url, file=remote(path="b.bin"), most_bytes=1)
    assert run.names == ["a.bin", "b.bin"]


def test_a_part_as_large_as_the_limit_is_not_taken_for_the_file(server: MisbehavingServer, run: Run) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "a.bin.part").write_bytes(b"?" * len(DATA))
    server.script("/a.bin", GOOD)
    run(server.url, file=UNKNOWN, most_bytes=len(DATA))
    assert run.holds()


def test_a_file_of_unknown_size_is_not_empty(server: MisbehavingServer, run: Run) -> None:
    server.script("/a.bin", Answer())
    assert refusal(run, server, file=UNKNOWN) == "an empty answer"


def test_passwords_and_tokens_are_never_shown(server: MisbehavingServer, run: Run) -> None:
    base = server.url.replace("http://", "http://user:s3cret@") + "/m?token=s3cret"
    server.script("/m/a.bin", Answer(500), Answer(404))
    with pytest.raises(DownloadError) as caught:
        run(base)
    request = server.asked("/m/a.bin")[0]
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.path == "/m/a.bin?token=s3cret"
    said = f"{caught.value} {run.retries}"
    assert "***@127.0.0.1" in said
    assert "cret" not in said
    assert "user" not in said


def test_paths_are_quoted(server: MisbehavingServer, run: Run) -> None:
    server.script("/x%20y/a%23%3F%25.bin", GOOD)
    run(server.url, file=remote(path="x y/a#?%.bin"))
    assert run.holds(name="a#?%.bin")


def test_nobody_listens(run: Run, server: MisbehavingServer) -> None:
    with pytest.raises(DownloadError, match=r"\(.+, 3 times in a row\)"):
        run("http://127.0.0.1:9")
    assert len(run.retries) == 2


def test_a_certificate_does_not_get_better(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        try:
            raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
        except ssl.SSLError as error:
            raise requests.exceptions.SSLError(error) from error

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuse)
    assert refusal(run, server) == "certificate verify failed: self-signed certificate"
    assert run.retries == []


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_a_base_too(run: Run, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "mirror" / "v2").mkdir(parents=True)
    (tmp_path / "mirror" / "v2" / "a.bin").write_bytes(DATA)
    run(f"{prefix}{tmp_path / 'mirror'}/", file=remote(path="v2/a.bin"))
    assert run.holds()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (FLIPPED, "other bytes than the file's: its SHA-1 is wrong"),
        (DATA[:9], f"9 bytes instead of {len(DATA)}"),
        ("folder", "not a file"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_folder_without_the_file(
    run: Run, tmp_path: Path, content: bytes | str | None, why: str, waits: list[float]
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    if isinstance(content, bytes):
        (mirror / "a.bin").write_bytes(content)
    elif content == "folder":
        (mirror / "a.bin").mkdir()
    elif content == "loop":
        (mirror / "a.bin").symlink_to(mirror / "a.bin")
    with pytest.raises(DownloadError) as caught:
        run(str(mirror))
    assert f"{mirror} ({why});" in str(caught.value)
    assert run.names == []
    assert waits == []


def test_a_file_in_a_folder_that_cannot_be_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, who can read everything."""
    (tmp_path / "a.bin").write_bytes(DATA)
    plain = Path.open

    def refuse(path: Path, mode: str) -> IO[bytes]:
        if path == tmp_path / "a.bin":
            raise PermissionError(13, "Permission denied")
        return plain(path, mode)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DownloadError, match=r"\(Permission denied\);"):
        run(str(tmp_path))
