"""The keys of the window, and what they do. Data only: the help panel lists them as they stand here."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Action(Enum):
    """What a key asks for."""

    QUIT = auto()
    PAUSE = auto()
    SNAPSHOT = auto()
    RECORD = auto()
    HELP = auto()
    FAST = auto()
    BALANCED = auto()
    BEST = auto()


class Key(NamedTuple):
    """A key, or several that do the same."""

    label: str  # as the help panel shows it
    help: str
    characters: str
    action: Action


KEYS = (
    Key("space", "pause, and go on", " ", Action.PAUSE),
    Key("s", "save a picture", "sS", Action.SNAPSHOT),
    Key("r", "record, and stop recording", "rR", Action.RECORD),
    Key("1", "quality: fast", "1", Action.FAST),
    Key("2", "quality: balanced", "2", Action.BALANCED),
    Key("3", "quality: best", "3", Action.BEST),
    Key("h", "show or hide this help", "hH?", Action.HELP),
    Key("q", "quit; so does Esc", "qQ\x1b", Action.QUIT),
)
_ACTIONS = {character: key.action for key in KEYS for character in key.characters}


def action_of(code: int) -> Action | None:
    """What the key with this character code asks for; None where that is nothing."""
    return _ACTIONS.get(chr(code))
