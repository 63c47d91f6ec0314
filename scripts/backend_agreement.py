"""How far the poses of each backend and precision are from other poses of the same photos."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import posecli
from golden_report import Golden
from posecli.backends import Images
from posecli.backends.program import make_program
from posecli.errors import MissingDependencyError, PosecliWarning, UsageError
from posecli.estimate import Estimator
from posecli.networks.fields import Fields
from posecli.networks.layers import Convolution
from posecli.oks import object_keypoint_similarity
from posecli.options import BackendName, Dilation, Precision
from posecli.poses import Poses
from posecli.sources import read_image
from posecli.testtime import SAME_PERSON
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find

SURE = 0.5  # score from which the reference is sure of a part, or of a person

PosesOfPhotos = Mapping[Path, Poses]


@dataclass(frozen=True, slots=True)
class Kind:
    """A backend at a precision, on the CPU."""

    backend: BackendName
    precision: Precision
    is_emulated: bool = False  # by `EmulatedBfloat16`, on a CPU of any kind

    @property
    def name(self) -> str:
        """As tables have it, such as openvino int8."""
        return f"{self.precision}, emulated" if self.is_emulated else f"{self.backend} {self.precision}"


REFERENCE = Kind("torch", "float32")
KINDS = (
    REFERENCE,
    Kind("openvino", "float32"),
    Kind("onnx", "float32"),
    Kind("torch", "bfloat16", is_emulated=True),
    Kind("torch", "bfloat16"),
    Kind("openvino", "bfloat16"),
    Kind("openvino", "int8"),
)


class EmulatedBfloat16:
    """A network whose weights, and every convolution's input and output, are rounded to bfloat16; it adds in float32.

    CPUs that have bfloat16 multiply and add so, but for where they round sums; its speed says nothing of theirs.
    """

    name = "torch"
    device = "cpu"
    precision: Precision = "bfloat16"

    def __init__(self, checkpoint: Checkpoint, stride: int, dilation: Dilation) -> None:
        self._program = make_program(checkpoint, stride, dilation)
        self._program.network.to(torch.bfloat16).to(torch.float32)
        for module in self._program.modules():
            if isinstance(module, Convolution):
                module.register_forward_pre_hook(lambda _, given: tuple(map(rounded, given)))
                module.register_forward_hook(lambda _, __, result: rounded(result))

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields`."""
        with torch.inference_mode():
            return Fields(*(field.contiguous() for field in self._program(torch.from_numpy(images))))

    def shared_by(self, _callers: int) -> EmulatedBfloat16:
        """Itself: how fast it is does not matter."""
        return self


def rounded(values: Tensor) -> Tensor:
    """The nearest numbers that bfloat16 has, as float32."""
    return values.to(torch.bfloat16).to(torch.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Poses held against those of a reference. A person is matched by the pose that is nearest, at an OKS of 0.5."""

    pose_scores: NDArray[np.float32]  # (N,) of the N people of the reference
    is_matched: NDArray[np.bool_]  # (N,) who of them was found
    found: int  # poses, matched or not
    xy: NDArray[np.float64]  # (M, 17) px between the parts of the M people matched
    is_sure: NDArray[np.bool_]  # (M, 17) parts that the reference is sure of
    scores: NDArray[np.float64]  # (M, 18) differences of the part scores, and of the pose score

    @property
    def people(self) -> int:
        """People of the reference."""
        return len(self.pose_scores)

    @property
    def matched(self) -> int:
        """People of the reference who were found."""
        return len(self.xy)

    @property
    def sure_people(self) -> int:
        """People whom the reference is sure of."""
        return int(np.count_nonzero(self.pose_scores >= SURE))

    @property
    def sure_matched(self) -> int:
        """Who of these was found."""
        return int(np.count_nonzero(self.is_matched & (self.pose_scores >= SURE)))

    @property
    def is_complete(self) -> bool:
        """Whether just the people of the reference were found."""
        return self.people == self.found == self.matched

    @classmethod
    def of_all(cls, several: Sequence[Agreement]) -> Agreement:
        """Those of several sets of photos as one."""
        return cls(
            np.concatenate([each.pose_scores for each in several]),
            np.concatenate([each.is_matched for each in several]),
            sum(each.found for each in several),
            np.concatenate([each.xy for each in several]),
            np.concatenate([each.is_sure for each in several]),
            np.concatenate([each.scores for each in several]),
        )


def load_kind(kind: Kind, **options: Any) -> Estimator:
    """An estimator of this kind. Raises UsageError and MissingDependencyError where there can be none."""
    if kind.is_emulated:
        estimator = posecli.load_estimator(backend="torch", precision="float32", device="cpu", **options)
        asked = estimator.options
        estimator.backend = EmulatedBfloat16(load(find(asked.model)), asked.stride, asked.dilation)
        return estimator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PosecliWarning)  # of bfloat16 that is float32: `why_not` says it
        return posecli.load_estimator(backend=kind.backend, precision=kind.precision, device="cpu", **options)


def why_not(kind: Kind) -> str | None:
    """Why this kind cannot be measured on this machine; None where it can."""
    try:
        computed = load_kind(kind).backend.precision
    except (MissingDependencyError, UsageError) as error:
        return str(error)
    return None if computed == kind.precision else f"this CPU has no {kind.precision}: {computed} is computed instead"


def find_poses(golden: Golden, kind: Kind) -> dict[Path, Poses]:
    """The poses on a golden's photos, with its settings. Raises UsageError where the kind has not this network."""
    settings = golden.settings
    estimator = load_kind(
        kind,
        model=str(golden.model),
        preset="tfjs",  # fixes float32; what `kind` says is explicit, and beats it
        resize="tfjs",
        size=settings["resolution"],
        stride=settings.get("stride", 16),
        max_poses=settings["max"],
        score_threshold=settings["score"],
        nms_radius=settings["nms"],
        single=settings.get("single", False),
        mirror=settings.get("flip", False),
    )
    return {photo: estimator(read_image(photo, photo.name)) for photo in golden.poses}


def original_poses(golden: Golden) -> dict[Path, Poses]:
    """The original's own poses on a golden's photos."""
    tables = {photo: table.astype(np.float32) for photo, table in golden.poses.items()}  # (N, 18, 3) each
    return {photo: Poses(t[:, :17, :2], t[:, :17, 2], t[:, 17, 2]) for photo, t in tables.items()}


def compare(found: PosesOfPhotos, reference: PosesOfPhotos) -> Agreement:
    """Hold the poses found on photos against the reference's of the same photos."""
    return Agreement.of_all([_compare_photo(found[photo], expected) for photo, expected in reference.items()])


def _compare_photo(found: Poses, expected: Poses) -> Agreement:
    pairs = _match(found, expected)
    ours, theirs = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    a, b = found[ours], expected[theirs]
    return Agreement(
        pose_scores=expected.scores,
        is_matched=np.isin(np.arange(len(expected)), theirs),
        found=len(found),
        xy=np.linalg.norm(a.xy.astype(np.float64) - b.xy, axis=-1),
        is_sure=b.part_scores >= SURE,
        scores=np.abs(_all_scores(a) - _all_scores(b)),
    )


def _all_scores(poses: Poses) -> NDArray[np.float64]:
    """(N, 18): the 17 part scores, and the pose score."""
    return np.column_stack([poses.part_scores, poses.scores]).astype(np.float64)


def _match(found: Poses, expected: Poses) -> list[tuple[int, int]]:
    """Each expected person, in turn, with the pose most like it that is nobody's yet: indices into both."""
    free = list(range(len(found)))
    pairs = []
    for person, xy in enumerate(expected.xy):
        similarities = object_keypoint_similarity(xy, found.xy[free])
        if free and similarities.max() >= SAME_PERSON:
            pairs.append((free.pop(int(similarities.argmax())), person))
    return pairs
