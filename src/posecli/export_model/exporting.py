"""`export_model`: convert, try, and only then write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from posecli import __version__
from posecli.backends.program import make_program
from posecli.errors import PosecliError
from posecli.export_model.artifacts import make_artifact
from posecli.export_model.formats import Format, check_precision
from posecli.export_model.parity import Parity, Run, compare
from posecli.export_model.placing import check_place, place
from posecli.export_model.views import batches
from posecli.networks.fields import Fields
from posecli.options import EstimatorOptions
from posecli.skeleton import PARTS
from posecli.weights.checkpoint import Checkpoint, model_name


class DisagreementError(PosecliError):
    """An exported model does not do what the model itself does."""


@dataclass(frozen=True, slots=True)
class ModelExport:
    """What was written, and how well it agrees."""

    files: Mapping[Path, int]  # their sizes in bytes; the one that was asked for comes last
    format: Format
    metadata: Mapping[str, str]  # as it lies in the file
    parity: Parity


def export_model(checkpoint: Checkpoint, options: EstimatorOptions, path: Path, format: Format) -> ModelExport:
    """Write a model to `path`, once it agrees with torch float32 on the packaged photo.

    Stride, dilation, precision and calibration are those of the options, which also say how poses are decoded for the
    comparison. An older file is replaced. Raises UsageError for a stride or a precision that cannot be had,
    MissingDependencyError without the extra of the format, DisagreementError, and OutputError where the file cannot be
    written; then there is no new file.
    """
    check_precision(format, options.precision)
    checkpoint.spec.check_stride(options.stride, model_name(checkpoint.spec, checkpoint.metadata))
    check_place(path, format)
    metadata = describe(checkpoint, options)
    artifact = make_artifact(checkpoint, options, format, metadata)
    parity = compare(_reference(checkpoint, options), artifact.run, batches(options.stride), options, options.precision)
    if parity.problems:
        raise DisagreementError(
            f"{path}: not written: in {format}, the model disagrees with torch float32: {'; '.join(parity.problems)}; "
            "update posecli and the packages of its extras, or choose another --format"
        )
    files = {path.with_suffix(suffix) if suffix else path: data for suffix, data in artifact.files.items()}
    place(files)
    return ModelExport({path: len(data) for path, data in files.items()}, format, metadata, parity)


def describe(checkpoint: Checkpoint, options: EstimatorOptions) -> dict[str, str]:
    """What an exported file says of itself, as far as it is known: everything that decoding needs, and its origin."""
    known = {key: checkpoint.metadata[key] for key in ("source", "licence", "sha256") if key in checkpoint.metadata}
    return {
        "model": model_name(checkpoint.spec, checkpoint.metadata),
        "stride": str(options.stride),
        "dilation": options.dilation,
        "precision": options.precision,
        "parts": json.dumps(PARTS),
        "posecli": __version__,
        **known,
    }


def _reference(checkpoint: Checkpoint, options: EstimatorOptions) -> Run:
    """The model as it is: torch, float32, operation by operation."""
    program = make_program(checkpoint, options.stride, options.dilation)

    def run(images: NDArray[np.uint8]) -> Fields:
        with torch.inference_mode():
            fields: Fields = program(torch.from_numpy(images))
            return fields

    return run
