"""What can go wrong, each with the exit code that the command line ends with."""


class PosecliError(Exception):
    """An error with one clear line for the user: what is wrong, with which file, and the remedy.

    `exit_code` is what the command line returns when this ends the run.
    """

    exit_code = 1


class UsageError(PosecliError):
    """The request itself is wrong: an option out of range, a missing path, nothing to do."""

    exit_code = 2


class InputError(PosecliError):
    """One input (an image, a list entry, a URL) cannot be used; the rest of the batch can."""


class MissingPathError(InputError):
    """An input does not exist. The rest of the batch is done, and the run ends as wrong usage."""

    exit_code = 2


class OutputError(PosecliError):
    """A result cannot be written."""


class DownloadError(PosecliError):
    """A file cannot be had, whole and unchanged, from any of the places where it may lie."""


class WeightsError(PosecliError):
    """A model cannot be had: its weights are missing, corrupt, or not what they claim to be."""


class ConversionError(WeightsError):
    """A TF.js model cannot be converted: something is unknown, missing, repeated or of another shape."""


class PosecliWarning(UserWarning):
    """Something that works, but not as one would wish; the message says what to do."""


class MissingDependencyError(PosecliError):
    """A library this needs is not installed or cannot be loaded; the message says how to get it."""
