"""A file to download, an impatient policy, and a folder that remembers what was said on the way."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecli.download import Policy, RemoteFile, download

DATA = bytes(range(256)) * 40  # 10240 bytes, the first of which is 0
HASTY = Policy(tries=3, read_timeout_s=0.2, connect_timeout_s=5, most_attempts=12)


def remote(data: bytes = DATA, path: str = "a.bin") -> RemoteFile:
    return RemoteFile(path, len(data), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())


@dataclass
class Run:
    """A folder to download to, and what is said on the way."""

    folder: Path
    bytes: list[int] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)

    def __call__(
        self,
        *bases: str,
        file: RemoteFile | None = None,
        files: list[RemoteFile] | None = None,
        jobs: int = 4,
        policy: Policy = HASTY,
        on_bytes: Callable[[int], object] | None = None,
        **options: Any,
    ) -> None:
        heard = self.bytes.append if on_bytes is None else on_bytes
        wanted = [file or remote()] if files is None else files
        told = self.retries.append
        download(wanted, bases, self.folder, jobs=jobs, on_bytes=heard, on_retry=told, policy=policy, **options)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def holds(self, data: bytes = DATA, name: str = "a.bin") -> bool:
        """Whether the file is there, alone, and all its bytes were counted, no more and no fewer."""
        return self.names == [name] and (self.folder / name).read_bytes() == data and sum(self.bytes) == len(data)
