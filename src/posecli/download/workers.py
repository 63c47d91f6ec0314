"""Many files at once: worker threads over a queue, stopped together by the first failure or by Ctrl-C."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

from posecli.download.bases import check_bases, is_offline, is_remote
from posecli.download.control import Control
from posecli.download.fetching import fetch
from posecli.download.opening import open_session
from posecli.download.outcomes import StoppedError
from posecli.download.patience import Policy
from posecli.download.remote import RemoteFile
from posecli.files import cannot_write

_POLL_S = 0.1  # how soon a failure in one thread is seen
_GRACE_S = 0.5  # for the other threads to end tidily after a failure
_PATIENT = Policy()
_MOST_BYTES = 512_000_000


def _ignore(_: object) -> None:
    pass


def download(
    files: Sequence[RemoteFile],
    bases: Sequence[str],
    folder: Path,
    *,
    jobs: int = 4,
    on_bytes: Callable[[int], object] = _ignore,
    on_retry: Callable[[str], object] = _ignore,
    policy: Policy = _PATIENT,
    most_bytes: int = _MOST_BYTES,
) -> None:
    """Have every file in a folder, each under the last component of its path, whole and verified.

    `on_bytes` hears how many bytes are here, as differences: it adds up to the files' sizes, with what was here before;
    it is negative when a part is thrown away. `on_retry` hears a line about each new attempt. Both are called by other
    threads, one at a time. A file of unknown size may have `most_bytes`.

    Raises DownloadError where no base address has a file, and OutputError where a file cannot be written. What came
    until then stays, as whole files or as parts that the next call goes on with. Once this returns or raises, nothing
    is written any more, even where a thread still waits for a silent server.
    """
    names = [file.name for file in files]
    assert len(set(names)) == len(names), f"two files of one name: {names}"
    assert jobs >= 1, f"{jobs} threads"
    assert not {"", ".", ".."} & set(names), f"no names of files: {names}"
    bases = check_bases(bases)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    control = Control(on_bytes, on_retry)
    _run(_Work(deque(files), bases, folder, policy, control, most_bytes), min(jobs, len(files)))


class _Work:
    """What the threads share: the files to fetch, and what has failed."""

    def __init__(
        self,
        files: deque[RemoteFile],
        bases: Sequence[str],
        folder: Path,
        policy: Policy,
        control: Control,
        most_bytes: int,
    ) -> None:
        self.files, self.bases, self.folder, self.policy, self.control = files, bases, folder, policy, control
        self.most_bytes = most_bytes
        self.failures: list[BaseException] = []

    def __call__(self) -> None:
        """Fetch one file after another until none is left; the body of each thread."""
        try:
            with ExitStack() as stack:
                on_network = any(is_remote(base) for base in self.bases) and not is_offline()
                session = stack.enter_context(open_session()) if on_network else None
                while not self.control.stopped:
                    try:
                        file = self.files.popleft()
                    except IndexError:  # none is left
                        return
                    fetch(file, self.bases, self.folder, session, self.policy, self.control, self.most_bytes)
        except StoppedError:
            pass
        except BaseException as error:  # whatever it is, the caller's thread raises it
            self.failures.append(error)
            self.control.stop()


def _run(work: _Work, jobs: int) -> None:
    """Run the threads to their end, or to the first failure, which is raised.

    They are daemons, and nobody waits for one that reads from a silent server: Ctrl-C ends the program at once.
    """
    threads = [Thread(target=work, name=f"download-{index}", daemon=True) for index in range(jobs)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not work.control.stopped:
                thread.join(_POLL_S)  # with a limit: on Windows, Ctrl-C does not end a wait without one
    finally:
        work.control.stop()
    if work.failures:
        for thread in threads:
            thread.join(_GRACE_S / jobs)
        raise work.failures[0]
