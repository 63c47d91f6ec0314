"""Entry point of the `posecli` command, and of `python -m posecli`."""

import signal
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line. Ctrl-C ends it quietly from the first moment; SIGTERM keeps what was finished, too."""
    try:
        from posecli.cli import app
        from posecli.cli.common import Terminated

        def terminate(*_: object) -> NoReturn:
            raise Terminated

        signal.signal(signal.SIGTERM, terminate)
        app(prog_name="posecli")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
