"""Proxies and certificates that are set wrongly: the message names the variable, and nobody is asked again."""

from pathlib import Path

import pytest
import requests

from downloads import Run
from misbehaving_server import Answer, MisbehavingServer
from posecli.errors import DownloadError


def refusal(run: Run, base: str) -> str:
    with pytest.raises(DownloadError) as caught:
        run(base)
    before, after = f"a.bin: not to be had from {base} (", "); try a mirror with --base-url, or later"
    return str(caught.value).removeprefix(before).removesuffix(after)


@pytest.mark.parametrize(
    "value", ["http://[bad", "http://", "http://h:99999", "foo://h:9", "http://user:s3cret@h:99999", "u:s3cret@h:x"]
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_without_a_valid_address(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    masked = value.replace("user:s3cret", "***").replace("u:s3cret", "***")
    assert refusal(run, "https://models.invalid") == f"{name}={masked} is not a valid address of a proxy"
    assert run.retries == []


def test_a_proxy_that_needs_another_package(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object, **options: object) -> None:  # as requests has it where there is no PySocks
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:s3cret@127.0.0.1:9")
    why = "ALL_PROXY=socks5://***@127.0.0.1:9 needs another package: pip install 'requests[socks]'"
    assert refusal(run, "http://models.invalid") == why
    assert run.retries == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", "http://user:s3cret@127.0.0.1:9")
    start = f"the proxy of {scheme}_proxy=http://***@127.0.0.1:9 cannot be reached: "
    why = refusal(run, f"{scheme}://models.invalid")
    assert why.startswith(start)
    assert why.endswith(", 3 times in a row")
    assert "broke off" not in why


@pytest.mark.parametrize(
    ("status", "says", "retries"),
    [
        (407, "HTTP 407 Proxy Authentication Required", 0),
        (403, "HTTP 403 Forbidden", 0),
        (503, "HTTP 503 Service Unavailable, 3 times in a row", 2),
    ],
)
def test_a_proxy_that_refuses(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch, status: int, says: str, retries: int
) -> None:
    server.script("CONNECT", Answer(status))
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    assert refusal(run, "https://models.invalid") == f"the proxy of HTTPS_PROXY={server.url} says {says}"
    assert len(run.retries) == retries


def test_a_proxy_from_elsewhere_than_the_environment(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.utils.getproxies", lambda: {"https": "http://h:99999"})
    why = "the system's setting http://h:99999 is not a valid address of a proxy"
    assert refusal(run, "https://models.invalid") == why


def test_what_fails_behind_a_good_proxy_is_no_fault_of_it(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.script("/a.bin", Answer(before=server.stall))
    assert refusal(run, "http://models.invalid") == "timed out after 0 s, 3 times in a row"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_are_not_there(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(name, str(bundle))
    why = refusal(run, "https://127.0.0.1:9")
    assert why.startswith(f"{name}={bundle} has no certificates that can be read: ")
    assert run.retries == []


def test_certificates_in_a_folder(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert refusal(run, "https://127.0.0.1:9").endswith(", 3 times in a row")  # nobody listens
