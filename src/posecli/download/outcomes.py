"""How an attempt to have a file can end, other than with the file. None of these leaves the package."""


class TransientError(Exception):
    """It may go better next time, though not before `wait_s` seconds; the message says why."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class SilentError(TransientError):
    """There was no answer, not even a refusal."""


class TooSlowError(TransientError):
    """A connection that brings so little that waiting for it has no end: that is no progress."""


class RestartError(Exception):
    """What was here of the file does not fit, and has been thrown away: ask again, at once."""


class RefusedError(Exception):
    """This base address does not have the file; the message says why."""


class UnreachableError(RefusedError):
    """This base address does not answer at all: it need not be asked for other files either."""


class StoppedError(Exception):
    """Another file has failed, or the user has interrupted: what this thread does is not wanted any more."""
