"""`Estimator`: images in, `Poses` out. Resize, network, decode, restore, for one image or a batch."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike, fspath
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.backends import Backend, Images
from posecli.backends.torch import TorchBackend
from posecli.decode import decode
from posecli.errors import PosecliWarning, WeightsError
from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import DEFAULT_MODEL, EstimatorOptions, resolve_options
from posecli.poses import Poses
from posecli.preprocess import Resize
from posecli.testtime import average_mirrored, merge_scales, scaled_size, with_mirrored
from posecli.weights.checkpoint import Checkpoint, caution, load, model_name
from posecli.weights.store import BUNDLED, bundled_path, find


@dataclass
class Times:
    """Seconds that each image took, stage by stage, in the order of the images; it grows with every batch."""

    resize: list[float] = field(default_factory=list)
    network: list[float] = field(default_factory=list)  # images that ran together share their time evenly
    decode: list[float] = field(default_factory=list)  # with the way back to source pixels, and the merging of scales

    def extend(self, later: Times) -> None:
        """Append the times of further images."""
        self.resize += later.resize
        self.network += later.network
        self.decode += later.decode


class Estimator:
    """Finds the poses in images, with the options it was made with. Make one with `load_estimator`."""

    def __init__(
        self, backend: Backend, spec: ModelSpec, options: EstimatorOptions, metadata: Mapping[str, str] | None = None
    ) -> None:
        spec.check_stride(options.stride, model_name(spec, metadata or {}))
        self.backend = backend
        self.spec = spec
        self.options = options
        self.metadata = metadata or {}  # what the weights file says of itself: source, licence, hashes

    @property
    def name(self) -> str:
        """Name of the model, such as mobilenet-075."""
        return model_name(self.spec, self.metadata)

    def __call__(self, image: NDArray[np.uint8]) -> Poses:
        """Find the poses in one image (H, W, 3), RGB; xy is in its pixels. Raises ValueError for anything else."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[NDArray[np.uint8]], times: Times | None = None) -> list[Poses]:
        """Find the poses in each of several images (H, W, 3), RGB, of any sizes; append to `times` what they took.

        Images whose network inputs have equal sides run together.
        """
        for image in images:
            _check_image(image)
        spent = Times(*([0.0] * len(images) for _ in range(3)))
        sizes = [scaled_size(self.options.size, scale) for scale in self.options.scales]
        found = self._merged([self._at_size(images, size, spent) for size in sizes], spent)
        if self.options.mirror:
            found = [poses.mirrored(image.shape[1]) for poses, image in zip(found, images, strict=True)]
        if times is not None:
            times.extend(spent)
        return found

    def _at_size(self, images: Sequence[NDArray[np.uint8]], size: int, spent: Times) -> list[Poses]:
        """Find the poses in each image, seen at one size; add to `spent` what each image took."""
        options = self.options
        plans = [Resize.plan(image.shape[:2], size, options.stride, options.resize) for image in images]
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, plan in enumerate(plans):
            groups[plan.input_hw].append(index)
        found: dict[int, Poses] = {}
        for indices in groups.values():
            with _timed(spent.resize, indices):
                inputs = np.stack([plans[i].apply(images[i]) for i in indices])
            with _timed(spent.network, indices):
                fields = self._fields(inputs)
            for i, heatmaps, offsets, forward, backward in zip(indices, *(f.numpy() for f in fields), strict=True):
                with _timed(spent.decode, [i]):
                    poses = decode(heatmaps, offsets, forward, backward, options.stride, options)
                    found[i] = poses.with_xy(plans[i].restore(poses.xy))
        return [found[i] for i in range(len(images))]

    def _fields(self, inputs: Images) -> Fields:
        """Run the network on inputs (B, H, W, 3); with the flip test, on their mirror images too."""
        if self.options.flip_test:
            return average_mirrored(self.backend(with_mirrored(inputs)))
        return self.backend(inputs)

    def _merged(self, scales: Sequence[list[Poses]], spent: Times) -> list[Poses]:
        """The people in each image, of what was found at each scale."""
        if len(scales) == 1:
            return scales[0]
        max_poses = 1 if self.options.single else self.options.max_poses
        found = []
        for i, views in enumerate(zip(*scales, strict=True)):
            with _timed(spent.decode, [i]):
                found.append(merge_scales(views, max_poses))
        return found


def load_estimator(
    model: str | PathLike[str] = DEFAULT_MODEL, *, preset: str | None = None, **options: Any
) -> Estimator:
    """Load a model and make an `Estimator` of it.

    `model` is a name (mobilenet-075 ships with posecli, `posecli fetch-weights` gets others), NAME@STRIDE, or a path to
    converted weights; weights known to be of little use give a PosecliWarning. `options` are the fields of
    `EstimatorOptions`: quality, stride, size, resize, dilation, decoder, single, max_poses, score_threshold,
    nms_radius, min_pose_score, min_part_score, flip_test, scales, mirror, device, backend, precision, threads. An
    option given here beats the preset (tfjs, demo-photo, demo-camera, port2018), which beats the quality (fast,
    balanced, best), which beats the defaults; None means not given.

    Raises WeightsError when the model cannot be had and UsageError for an option out of range.
    """
    return make_estimator(resolve_options(preset, model=fspath(model), **options))


def make_estimator(options: EstimatorOptions) -> Estimator:
    """Make an `Estimator` from resolved options; what `load_estimator` does after resolving them."""
    checkpoint = _load(options.model)
    if warning := caution(checkpoint.spec, checkpoint.metadata):
        warnings.warn(warning, PosecliWarning, stacklevel=3)
    backend = TorchBackend(checkpoint, options.stride, options.dilation, options.device, options.threads)
    return Estimator(backend, checkpoint.spec, options, checkpoint.metadata)


def _load(model: str) -> Checkpoint:
    """The checkpoint of a model; where the installed copy of the bundled model is damaged, the bundled one serves."""
    path = find(model)
    try:
        return load(path)
    except WeightsError as error:
        if model not in BUNDLED or path == bundled_path(model):
            raise
        warnings.warn(f"{error}; the copy that is part of posecli is used", PosecliWarning, stacklevel=4)
        return load(bundled_path(model))


@contextmanager
def _timed(seconds: list[float], images: Sequence[int]) -> Iterator[None]:
    """Share the time that the block takes evenly among `images`, indices into `seconds`."""
    start = perf_counter()
    yield
    share = (perf_counter() - start) / len(images)
    for image in images:
        seconds[image] += share


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"image: expected uint8 (H, W, 3) RGB, got {image.dtype} {image.shape}")
