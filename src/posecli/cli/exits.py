"""How a run ends: the exit codes, and what asks it to end. Light: it is there before anything else is imported."""

EXIT_CODES = (
    "Exit codes: 0 all done; 1 some inputs failed (the rest is done), a model could not be had, or the output cannot "
    "be written; 2 wrong usage, a missing path or nothing to do; 130 interrupted (what was finished stays)."
)
INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM): like Ctrl-C, what was finished is kept."""
