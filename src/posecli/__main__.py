"""Entry point of the `posecli` command, and of `python -m posecli`."""

import gc
import signal
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line. Ctrl-C ends it quietly from the first moment; SIGTERM keeps what was finished, too."""
    try:
        from posecli.cli import app
        from posecli.cli.exits import Terminated

        def terminate(*_: object) -> NoReturn:
            raise Terminated

        signal.signal(signal.SIGTERM, terminate)
        app(prog_name="posecli")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, signal.SIG_DFL)  # all is kept: where a thread still loads, one more ends it at once
        gc.freeze()  # Python looks for garbage once more as it ends, and all of it is about to go anyway


if __name__ == "__main__":
    main()
