"""Where results go: `open_poses` for data, `images.ImageSink` for pictures.

Importing this package imports neither numpy nor OpenCV; opening a sink does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posecli.sinks.base import FrameOutputError, Header, Sink
from posecli.sinks.formats import DATA_FORMATS, format_of

__all__ = ["DATA_FORMATS", "FrameOutputError", "Header", "Sink", "format_of", "open_poses"]


def open_poses(
    path: str, format: str, header: Header, min_part_score: float, image_ids: Mapping[str, int] | None = None
) -> Sink:
    """The sink that writes poses to `path` (`-` is stdout) in one of DATA_FORMATS; enter it to open the file.

    `image_ids` are COCO's, by file name; other formats ignore them. Raises UsageError as `format_of` does.
    """
    from posecli.sinks import coco, folders, structured, tables

    match format_of(path, format):
        case "json":
            return structured.JsonSink(path, header, min_part_score)
        case "jsonl":
            return structured.JsonLinesSink(path, min_part_score)
        case "csv":
            return tables.CsvSink(path)
        case "csv-wide":
            return tables.CsvWideSink(path, min_part_score)
        case "coco":
            return coco.CocoSink(path, image_ids)
        case "openpose":
            return folders.OpenPoseSink(Path(path), min_part_score)
        case _:
            return folders.YoloPoseSink(Path(path), min_part_score)
