"""The direction of imports that docs/architecture.md draws, and what must not be imported early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import posecli

PACKAGE = Path(posecli.__file__).parent

# In data-flow order: a module imports only from those above it, or from its own package.
ORDER = (
    "errors",
    "files",
    "memory",
    "download",
    "skeleton",
    "options",
    "opencv",
    "pyav",
    "poses",
    "oks",
    "networks",
    "weights",
    "preprocess",
    "decode",
    "backends",
    "testtime",
    "estimate",
    "sources",
    "coco",
    "tracking",
    "smoothing",
    "follow",
    "draw",
    "sinks",
    "pipeline",
    "live",
    "evaluate",
    "bench",
    "export_model",
    "doctor",
    "cli",
)


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in ("__init__", "__main__"))


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Top-level modules of posecli that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("posecli.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_those_above(path: Path) -> None:
    here = ORDER.index(home(path))
    above = set(ORDER[:here]) | {home(path)}
    assert imported(path) <= above


def test_every_module_has_its_place() -> None:
    assert {home(path) for path in modules()} == set(ORDER)


def test_the_architecture_page_has_the_same_order() -> None:
    page = Path(__file__).parents[1] / "docs" / "architecture.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    named = [line.split("`")[1].removesuffix(".py").rstrip("/") for line in rows]
    assert [name for name in named if name in ORDER] == list(ORDER)


def foreign(path: Path) -> set[str]:
    """Top-level packages that a file imports, inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_click_is_typers_own_business() -> None:
    assert [path for path in modules() if "click" in foreign(path)] == []


def test_no_file_can_become_code() -> None:
    """A weights file is data: what could run it as code is nowhere called."""
    calls = ("pickle.load", "pickle.loads", "torch.load", "np.load", "eval", "exec", "marshal.loads")
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & set(calls), path


def test_only_one_module_imports_opencv() -> None:
    assert [path.name for path in modules() if "cv2" in foreign(path)] == ["opencv.py"]


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import posecli", {"torch", "cv2", "numba", "numpy", "typer", "rich"}),
        ("from posecli.cli import app", {"torch", "cv2", "numba", "numpy", "requests", "safetensors", "tqdm"}),
        (
            "import typer.testing, posecli.cli as c; r = typer.testing.CliRunner().invoke(c.app, ['--help']); "
            "assert r.exit_code == 0, r.output",
            {"torch", "cv2", "numba", "numpy", "requests", "safetensors", "tqdm"},
        ),
        ("import posecli.cli.annotate, posecli.cli.export", {"torch", "cv2", "numba", "numpy"}),
        ("import posecli.decode", {"numba"}),
        ("import posecli.draw", {"numba"}),
        ("import posecli.follow", {"scipy"}),
    ],
)
def test_heavy_libraries_wait_until_they_are_used(code: str, heavy: set[str]) -> None:
    script = f"import sys\n{code}\nprint(*sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
