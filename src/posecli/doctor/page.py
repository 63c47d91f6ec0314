"""The report as a page of plain text, 80 columns wide where what it shows allows that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from posecli.doctor.report import Compute, Device, Extra, Folder, Host, Library, Model, Problem, Report, SelfTest

if TYPE_CHECKING:
    from posecli.sources.cameras import Camera

WIDTH = 80  # columns
LABEL_WIDTH = 11

T = TypeVar("T")


class Row(NamedTuple):
    """One entry of the page."""

    label: str
    items: Sequence[str]  # a path or a command is never broken: lines end between two items
    is_problem: bool = False

    @property
    def text(self) -> str:
        """Its lines, of printable characters only: cameras, for one, name themselves."""
        lines = [f"{self.label:{LABEL_WIDTH}}"]
        for index, item in enumerate(self.items):
            piece = item if index == len(self.items) - 1 else f"{item}, "
            if index and len(lines[-1]) + len(piece.rstrip()) > WIDTH:
                lines.append(" " * LABEL_WIDTH)
            lines[-1] += "".join(character if character.isprintable() else " " for character in piece)
        return "\n".join(line.rstrip() for line in lines)


def page(report: Report) -> Iterator[Row]:
    """The rows from top to bottom."""
    yield Row("posecli", [report.posecli])
    yield from _section("computer", report.host, _host)
    yield from _section("libraries", report.libraries, _libraries)
    yield from _section("extras", report.extras, _extras)
    yield from _section("pytorch", report.compute, _compute)
    yield from _section("folder", report.folder, _folder)
    yield from _section("models", report.models, _models)
    for index, (name, value) in enumerate(report.variables.items()):
        yield Row("" if index else "variables", [f"{name}={value}"])
    yield from _section("cameras", report.cameras, _cameras)
    yield from map(_self_test, report.self_tests)


def _section(label: str, answer: T | Problem, rows: Callable[[T], Iterator[Row]]) -> Iterator[Row]:
    if isinstance(answer, Problem):
        yield Row(label, [f"unknown: {answer.problem}"], True)
    else:
        yield from rows(answer)


def _host(host: Host) -> Iterator[Row]:
    known = [] if host.cpus is None else [f"CPUs: {host.cpus}"]
    known += [] if host.memory_bytes is None else [f"memory: {_size(host.memory_bytes)}"]
    yield Row("python", [host.python, host.executable])
    yield Row("computer", [host.platform, *known])


def _libraries(libraries: tuple[Library, ...]) -> Iterator[Row]:
    yield Row("libraries", [f"{each.name} {each.version}" for each in libraries if each.problem is None])
    for each in libraries:
        if each.problem is not None:
            yield Row("", [f"{each.name} {each.version or ''}".strip() + f": {each.problem}"], True)


def _extras(extras: tuple[Extra, ...]) -> Iterator[Row]:
    for index, extra in enumerate(extras):
        present = [f"{each.name} {each.version}" for each in extra.libraries if each.version is not None]
        missing = [f"{each.name} missing" for each in extra.libraries if each.version is None]
        remedy = f"; run: {extra.install}" if missing else ""
        yield Row("" if index else "extras", [f"{extra.name}: {', '.join(present + missing)}{remedy}"])
        for each in extra.libraries:
            if each.broken:
                yield Row("", [f"{each.name} {each.version}: {each.problem}"], True)


def _compute(compute: Compute) -> Iterator[Row]:
    devices = [_device(device) for device in compute.devices]
    yield Row(
        "pytorch", [f"{compute.build} build", f"CPU threads: {compute.threads}", f"devices: {devices[0]}", *devices[1:]]
    )
    if compute.note is not None:
        yield Row("", [compute.note], True)


def _device(device: Device) -> str:
    known = [device.description] if device.description is not None else []
    known += [_size(device.memory_bytes)] if device.memory_bytes is not None else []
    return f"{device.name} ({', '.join(known)})" if known else device.name


def _folder(folder: Folder) -> Iterator[Row]:
    origin = f"set by {folder.variable}" if folder.variable else "the default"
    state = "exists" if folder.exists else "not made yet"
    rights = "writable" if folder.writable else "NOT WRITABLE"
    free = f"{_size(folder.free_bytes)} free"
    unfinished = [f"{_size(folder.unfinished_bytes)} of unfinished downloads"] if folder.unfinished_bytes else []
    yield Row("folder", [folder.path, origin, state, rights, free, *unfinished], not folder.writable)


def _models(models: tuple[Model, ...]) -> Iterator[Row]:
    whole = [each for each in models if each.problem is None]
    yield Row("models", [f"{each.name} ({_origin(each)})" for each in whole] or ["none"])
    for each in models:
        if each.problem is not None:
            yield Row("", [f"{each.name} ({_origin(each)}): {each.problem}"], True)


def _origin(model: Model) -> str:
    size = "size unknown" if model.size_bytes is None else _size(model.size_bytes)
    return f"{size}, bundled" if model.bundled else size


def _cameras(cameras: tuple[Camera, ...]) -> Iterator[Row]:
    yield Row("cameras", [_camera(camera) for camera in cameras] or ["none found"])


def _camera(camera: Camera) -> str:
    name = f"{camera.index}: {camera.name}" if camera.name is not None else f"{camera.index} answers"
    return name if camera.accessible else f"{name} (no access)"


def _self_test(test: SelfTest) -> Row:
    if test.problem is not None:
        return Row("self-test", [f"FAILED on {test.device}: {test.problem}"], True)
    figures = [
        f"{test.people} people",
        f"at most {test.deviation_px:.2g} px from the original",
        f"{test.time_ms:.0f} ms",
    ]
    return Row("self-test", [f"ok on {test.device}: {figures[0]}", *figures[1:]])


def _size(size_bytes: int) -> str:
    """In decimal units, as disks and downloads are sold."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
