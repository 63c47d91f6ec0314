"""Have one file: from the first base address that has it, whole and unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.download.bases import is_remote, join, shown
from posecli.download.control import Control
from posecli.download.copying import copy
from posecli.download.outcomes import RefusedError, RestartError, TransientError
from posecli.download.part import Part
from posecli.download.patience import Policy
from posecli.download.remote import RemoteFile, fault
from posecli.download.requesting import request
from posecli.errors import DownloadError

if TYPE_CHECKING:
    from requests import Session

_CHANCES = 2  # to deliver the right bytes, for each base address


def fetch(
    file: RemoteFile, bases: Sequence[str], folder: Path, session: Session | None, policy: Policy, control: Control
) -> None:
    """Have a file in a folder; `session` is needed where a base is on the network.

    Raises DownloadError, naming what each base said, and OutputError where the file cannot be written.
    """
    target = folder / file.name
    if target.is_file() and fault(target, file) is None:
        control.count(target.stat().st_size)
        return
    part = Part(target, file, control)
    if part.size and part.size >= part.limit and part.finish() is None:
        return
    said = []
    for base in bases:
        try:
            _from_base(base, part, session, policy, control)
            return
        except RefusedError as refusal:
            said.append(f"{shown(base)} ({refusal})")
    raise DownloadError(f"{file.path}: not to be had from {', '.join(said)}; try a mirror with --base-url, or later")


def _from_base(base: str, part: Part, session: Session | None, policy: Policy, control: Control) -> None:
    """Have the file from one base address. Raises RefusedError where it does not give it."""
    wrong = None
    for _ in range(_CHANCES):
        if is_remote(base):
            assert session is not None
            _request_until_whole(base, part, session, policy, control)
        else:
            copy(Path(base), part)
        wrong = part.finish()
        if wrong is None:
            return
    raise RefusedError(wrong)


def _request_until_whole(base: str, part: Part, session: Session, policy: Policy, control: Control) -> None:
    """Ask again and again, each time for what is still missing. Raises RefusedError once patience is at its end.

    Only a request that brings the file further than all before it counts as progress: a server that cannot resume, and
    breaks off each time, makes none.
    """
    failures, furthest = 0, part.size
    for _ in range(policy.most_attempts):
        try:
            request(session, join(base, part.file.path), part, policy)
            return
        except RestartError:
            continue
        except TransientError as trouble:
            failures = 0 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            pause = _pause(trouble, failures, policy)
            said = str(trouble)
        control.retry(f"{shown(base)}: {part.file.path}: {said}; trying again in {pause:.1f} s")
        control.wait(pause)
    raise RefusedError(f"not whole after {policy.most_attempts} requests")


def _pause(trouble: TransientError, failures: int, policy: Policy) -> float:
    """How long to wait before the next attempt, in seconds. Raises RefusedError where there is to be none."""
    if failures >= policy.tries:
        raise RefusedError(f"{trouble}, {policy.tries} times in a row") from trouble
    if trouble.wait_s > policy.longest_retry_after_s:
        raise RefusedError(f"{trouble}, and asks to wait for {trouble.wait_s:.0f} s") from trouble
    return policy.wait_s(failures, trouble.wait_s)
