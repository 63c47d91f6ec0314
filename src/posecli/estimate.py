"""`Estimator`: images in, `Poses` out. Resize, network, decode, restore, for one image or a batch."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from os import PathLike, fspath
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from posecli.backends import Backend, Images
from posecli.backends.opening import open_backend
from posecli.decode import decode
from posecli.decode import prepare as prepare_decoder
from posecli.errors import PosecliWarning, WeightsError
from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import DEFAULT_MODEL, EstimatorOptions, resolve_options
from posecli.poses import Poses
from posecli.preprocess import Resize
from posecli.testtime import average_mirrored, merge_scales, scaled_size, with_mirrored
from posecli.weights.checkpoint import Checkpoint, caution, load, model_name
from posecli.weights.store import BUNDLED, bundled_path, find

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


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


Shape = tuple[tuple[int, int], ...]
# What the network says of one image: for each scale heatmaps, offsets, forward and backward, as `Fields` has them for
# a batch.
SeenFields = tuple[tuple[NDArray[np.float32], ...], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image as the network sees it, once for each scale."""

    plans: tuple[Resize, ...]
    inputs: tuple[Images, ...]  # (H, W, 3) each, as its plan says

    @property
    def shape(self) -> Shape:
        """Height and width of each input, px: images with equal ones can run together."""
        return tuple(plan.input_hw for plan in self.plans)


class Estimator:
    """Finds the poses in images, with the options it was made with. Make one with `load_estimator`.

    `prepare`, `infer` and `finish` are its stages, for whoever lets them overlap; `batch` is one after another.
    """

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
        together: defaultdict[Shape, list[int]] = defaultdict(list)  # by shape, indices into `images`
        prepared, resize_s = _each(self.prepare, images)
        for index, each in enumerate(prepared):
            together[each.shape].append(index)
        fields: dict[int, SeenFields] = {}
        network_s: dict[int, float] = {}
        for indices in together.values():
            seen, seconds = timed(self.infer, [prepared[i] for i in indices])
            fields.update(zip(indices, seen, strict=True))
            network_s.update(dict.fromkeys(indices, seconds / len(indices)))
        order = range(len(images))
        found, decode_s = _each(lambda i: self.finish(prepared[i], fields[i]), order)
        if times is not None:
            times.extend(Times(resize_s, [network_s[i] for i in order], decode_s))
        return found

    def shared_by(self, callers: int) -> Estimator:
        """The same, for `callers` threads that call `infer` at once."""
        twin = copy(self)
        twin.backend = self.backend.shared_by(callers)
        return twin

    def prepare(self, image: NDArray[np.uint8]) -> Prepared:
        """Make the network's inputs of an image (H, W, 3), RGB: the first stage, on any thread.

        Raises ValueError for any other array.
        """
        _check_image(image)
        options = self.options
        sizes = [scaled_size(options.size, scale) for scale in options.scales]
        plans = [Resize.plan(image.shape[:2], size, options.stride, options.resize) for size in sizes]
        return Prepared(tuple(plans), tuple(plan.apply(image) for plan in plans))

    def infer(self, prepared: Sequence[Prepared]) -> list[SeenFields]:
        """Run the network on images of one `shape`, together: the second stage, on any thread."""
        scales = []
        for inputs in zip(*(each.inputs for each in prepared), strict=True):  # (H, W, 3), one for each image
            fields = self._fields(np.stack(inputs) if len(inputs) > 1 else inputs[0][None])
            scales.append(list(zip(*(field.numpy() for field in fields), strict=True)))  # four arrays per image
        return list(zip(*scales, strict=True))

    def finish(self, prepared: Prepared, fields: SeenFields) -> Poses:
        """Decode the fields of an image and lead its poses back to source px: the last stage, on any thread."""
        options = self.options
        views = []
        for plan, (heatmaps, offsets, forward, backward) in zip(prepared.plans, fields, strict=True):
            poses = decode(heatmaps, offsets, forward, backward, options.stride, options)
            views.append(poses.with_xy(plan.restore(poses.xy)))
        found = views[0] if len(views) == 1 else merge_scales(views, 1 if options.single else options.max_poses)
        return found.mirrored(prepared.plans[0].source_hw[1]) if options.mirror else found

    def _fields(self, inputs: Images) -> Fields:
        """Run the network on inputs (B, H, W, 3); with the flip test, on their mirror images too."""
        if self.options.flip_test:
            return average_mirrored(self.backend(with_mirrored(inputs)))
        return self.backend(inputs)


def load_estimator(
    model: str | PathLike[str] = DEFAULT_MODEL, *, preset: str | None = None, **options: Any
) -> Estimator:
    """Load a model and make an `Estimator` of it.

    `model` is a name (mobilenet-075 ships with posecli, `posecli fetch-weights` gets others), NAME@STRIDE, or a path to
    converted weights; weights known to be of little use give a PosecliWarning. `options` are the fields of
    `EstimatorOptions`: quality, stride, size, resize, dilation, decoder, single, max_poses, score_threshold,
    nms_radius, min_pose_score, min_part_score, flip_test, scales, mirror, device, backend, precision, calibrate,
    threads. An
    option given here beats the preset (tfjs, demo-photo, demo-camera, port2018), which beats the quality (fast,
    balanced, best), which beats the defaults; None means not given.

    Raises WeightsError when the model cannot be had and UsageError for an option out of range.
    """
    return make_estimator(resolve_options(preset, model=fspath(model), **options))


def make_estimator(options: EstimatorOptions) -> Estimator:
    """Make an `Estimator` from resolved options; what `load_estimator` does after resolving them.

    What a machine's first run takes seconds for, such as compiling the decoder, is done here: no image waits for it.
    """
    checkpoint = _load(options.model)
    if warning := caution(checkpoint.spec, checkpoint.metadata):
        warnings.warn(warning, PosecliWarning, stacklevel=3)
    prepare_decoder(options)
    return Estimator(open_backend(checkpoint, options), checkpoint.spec, options, checkpoint.metadata)


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


def timed(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> tuple[R, float]:
    """Call a function: what it returns, and the seconds that it took."""
    start = perf_counter()
    result = function(*arguments, **named)
    return result, perf_counter() - start


def _each(function: Callable[[T], R], items: Iterable[T]) -> tuple[list[R], list[float]]:
    """Call a function with each item: what it returns, and the seconds that each call took."""
    calls = [timed(function, item) for item in items]
    return [result for result, _ in calls], [seconds for _, seconds in calls]


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"image: expected uint8 (H, W, 3) RGB, got {image.dtype} {image.shape}")
