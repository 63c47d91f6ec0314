"""scripts/sections.py: each script replaces its own section, and nothing else."""

from pathlib import Path

import pytest

from sections import marks, write_section

PEERS, BACKENDS = "scripts/compare_peers.py", "scripts/compare_backends.py"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "docs" / "benchmarks.md"


def test_a_page_that_is_not_there_is_made(page: Path) -> None:
    write_section(page, PEERS, "first\n")
    assert page.read_text() == f"# Benchmarks\n\n<!-- begin: {PEERS} -->\nfirst\n<!-- end: {PEERS} -->\n"


def test_the_page_keeps_its_other_sections(page: Path) -> None:
    write_section(page, PEERS, "first")
    page.write_text(page.read_text().replace("# Benchmarks\n", "# Speed\n") + "\n## GPU\n")
    write_section(page, PEERS, "second\n\nand third\n")
    begin, end = marks(PEERS)
    assert page.read_text() == f"# Speed\n\n{begin}\nsecond\n\nand third\n{end}\n\n## GPU\n"


def test_a_new_section_comes_last_and_writing_twice_changes_nothing(page: Path) -> None:
    write_section(page, PEERS, "ours")
    write_section(page, BACKENDS, "theirs")
    (one, two), (three, four) = marks(PEERS), marks(BACKENDS)
    written = page.read_text()
    assert written == f"# Benchmarks\n\n{one}\nours\n{two}\n\n{three}\ntheirs\n{four}\n"
    for name, text in ((PEERS, "ours"), (BACKENDS, "theirs")):
        write_section(page, name, text)
        assert page.read_text() == written


def test_a_section_without_its_end_is_left_alone(page: Path) -> None:
    page.parent.mkdir()
    page.write_text(f"{marks(PEERS)[0]}\nours\n\n## GPU\n")
    with pytest.raises(ValueError, match=r"no <!-- end: scripts/compare_peers\.py --> after it"):
        write_section(page, PEERS, "new")
    assert "## GPU" in page.read_text()
