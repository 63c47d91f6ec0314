"""What `-o` of `annotate` names: a folder, or the file that a single input becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posecli.errors import UsageError
from posecli.options import Codec, VideoOptions, check_choice
from posecli.sources import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Inputs

GIF, VIDEO_FILES = ".gif", (".mp4", ".gif")


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go."""

    folder: Path
    file: Path | None = None  # that of the only input
    image_format: str | None = None  # of pictures, as `--image-format` names it; None: that of the input


def target_of(output: Path, source: Inputs, image_format: str | None) -> Target:
    """The folder or the file that `output` names. Raises UsageError for a file that the inputs cannot become."""
    if not names_file(output):
        return Target(output, image_format=image_format)
    if source.length != 1:
        raise UsageError(f"-o {output}: one file for {source.length} inputs; give a folder")
    if image_format is not None:
        raise UsageError(f"-o {output}: the file's name says its format; leave out --image-format, or give a folder")
    suffix = output.suffix.lower()
    if source.entries[0].is_video:
        if suffix not in VIDEO_FILES:
            raise UsageError(f"-o {output}: a video becomes {' or '.join(VIDEO_FILES)}")
        return Target(output.parent, output)
    if suffix in VIDEO_SUFFIXES:
        raise UsageError(f"-o {output}: a photo becomes a picture; use .jpg, .png or .webp")
    return Target(output.parent, output, suffix.removeprefix("."))


def codec_for(output: Path, codec: str | None) -> Codec:
    """The codec that was asked for, or else goes with the file that `output` names.

    Raises UsageError for an unknown one, and for one that contradicts the file.
    """
    is_gif = output.suffix.lower() == GIF and names_file(output)
    if codec is None:
        return "gif" if is_gif else VideoOptions().codec
    chosen: Codec = check_choice("codec", codec, Codec)
    if names_file(output) and output.suffix.lower() in VIDEO_FILES and (chosen == "gif") != is_gif:
        raise UsageError(f"-o {output} does not go with --codec {codec}; leave that out, or change the file's suffix")
    return chosen


def names_file(output: Path) -> bool:
    """Whether `output` is meant as a file: it is called like a picture or a video, and is no folder."""
    return output.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not output.is_dir()
