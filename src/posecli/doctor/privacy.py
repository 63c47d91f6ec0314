"""What a report must not tell: the user's name in paths, credentials in addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path


def private(text: str) -> str:
    """The text with the user's home folder as ~."""
    home = os.path.expanduser("~")  # noqa: PTH111  # Path.home() raises where there is none
    if not Path(home).is_absolute() or Path(home) == Path(home).parent:
        return text
    return re.sub(re.escape(home) + r"(?![\w.-])", "~", text)


def masked(addresses: str) -> str:
    """One or more addresses without their credentials: user, password, query.

    Where it is unclear how far a password goes, more is hidden.
    """
    parts = re.split(r"([\s,;|]+(?=\w+://))", addresses)
    parts = [re.sub(r"^(\w+://)?.*@", r"\1***@", part, flags=re.DOTALL) for part in parts]
    return "".join(re.sub(r"\?.*", "?***", part, flags=re.DOTALL) for part in parts)
