"""Have one file: from the first base address that has it, whole and unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.download.bases import OFFLINE_VARIABLE, is_remote, join, shown
from posecli.download.control import Control
from posecli.download.copying import copy
from posecli.download.outcomes import (
    RefusedError,
    RestartError,
    SilentError,
    TooSlowError,
    TransientError,
    UnreachableError,
)
from posecli.download.part import Part
from posecli.download.patience import Policy
from posecli.download.remote import RemoteFile, fault
from posecli.download.requesting import request
from posecli.errors import DownloadError

if TYPE_CHECKING:
    from requests import Session

_CHANCES = 2  # to deliver the right bytes, for each base address


def fetch(
    file: RemoteFile,
    bases: Sequence[str],
    folder: Path,
    session: Session | None,
    policy: Policy,
    control: Control,
    most_bytes: int,
) -> None:
    """Have a file in a folder, of at most `most_bytes` where its size is unknown.

    Without a `session`, bases on the network are not asked.

    Raises DownloadError, naming what each base said, and OutputError where the file cannot be written.
    """
    target = folder / file.name
    if target.is_file() and fault(target, file) is None:
        control.count(target.stat().st_size)
        return
    part = Part(target, file, control, most_bytes)
    if file.size is not None and 0 < file.size <= part.size and part.finish() is None:
        return
    said = []
    for base in bases:
        tries = policy.tries if base == bases[-1] else policy.tries_before_next
        try:
            _from_base(base, part, session, replace(policy, tries=tries), control)
            return
        except RefusedError as refusal:
            said.append(f"{shown(base)} ({refusal})")
            if isinstance(refusal, UnreachableError) and base != bases[-1] and base not in control.unreachable:
                control.unreachable[base] = str(refusal)
                control.retry(f"{shown(base)}: {refusal}; it is not asked any more")
    raise DownloadError(f"{file.path}: not to be had from {', '.join(said)}; try a mirror with --base-url, or later")


def _from_base(base: str, part: Part, session: Session | None, policy: Policy, control: Control) -> None:
    """Have the file from one base address. Raises RefusedError where it does not give it."""
    wrong = None
    for _ in range(_CHANCES):
        if is_remote(base):
            if session is None:
                raise RefusedError(f"{OFFLINE_VARIABLE} forbids the network")
            if why := control.unreachable.get(base):
                raise RefusedError(why)
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
            progress = part.size > furthest and not isinstance(trouble, TooSlowError)
            failures = 0 if progress else failures + 1
            furthest = max(furthest, part.size)
            pause = _pause(trouble, failures, policy)
            said = str(trouble)
        control.retry(f"{shown(base)}: {part.file.path}: {said}; trying again in {pause:.1f} s")
        control.wait(pause)
        if why := control.unreachable.get(base):  # found out by another thread meanwhile
            raise RefusedError(why)
    raise RefusedError(f"not whole after {policy.most_attempts} requests")


def _pause(trouble: TransientError, failures: int, policy: Policy) -> float:
    """How long to wait before the next attempt, in seconds. Raises RefusedError where there is to be none."""
    if failures >= policy.tries:
        refusal = UnreachableError if isinstance(trouble, SilentError) else RefusedError
        raise refusal(f"{trouble}, {policy.tries} times in a row") from trouble
    if trouble.wait_s > policy.longest_retry_after_s:
        raise RefusedError(f"{trouble}, and asks to wait for {trouble.wait_s:.0f} s") from trouble
    return policy.wait_s(failures, trouble.wait_s)
