"""`python -m posecli` is `posecli`."""

from posecli.cli import main

main()
