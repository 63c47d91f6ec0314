"""Pages that several scripts write, each the section between its own marks."""

from __future__ import annotations

from pathlib import Path

from posecli.files import write_whole

TITLE = "# Benchmarks\n"  # of a page that is not there yet


def write_section(path: Path, name: str, text: str) -> None:
    """Put `text` between the marks of the section `name` of a page; everything else there stays as it is.

    A section that the page has not yet comes last; a page that is not there is made. Raises ValueError where the
    section begins but does not end: what to replace would be a guess.
    """
    begin, end = marks(name)
    page = path.read_text(encoding="utf-8") if path.exists() else TITLE
    if begin in page:
        before, _, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not ended:
            raise ValueError(f"{path}: has {begin}, but no {end} after it; put it back, or remove both")
    else:
        before, after = f"{page.rstrip()}\n\n", "\n"
    write_whole(path, f"{before}{begin}\n{text.strip()}\n{end}{after}".encode())


def marks(name: str) -> tuple[str, str]:
    """The lines around the section `name`; Markdown shows neither."""
    return f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
