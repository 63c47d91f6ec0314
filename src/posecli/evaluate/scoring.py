"""Hold COCO results against annotations, as pycocotools does, and say more of the people that it has matched."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.coco import PERSON_CATEGORY, RESULT_KEYS, Annotations, Entry
from posecli.errors import MissingDependencyError
from posecli.evaluate.bootstrap import Matches

# pycocotools' ten figures of keypoints, in its order. AP and AR are means over OKS 0.50:0.05:0.95.
STATS = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")


@dataclass(frozen=True, slots=True)
class Match:
    """An annotated person whom pycocotools has matched with a pose at OKS 0.5."""

    person: int  # id of the annotation
    pose: int  # index of the result
    oks: float


@dataclass(frozen=True, slots=True)
class ImageScore:
    """How one image fared, at OKS 0.5."""

    annotated: int  # people with keypoints, crowds left out
    found: int  # poses
    matches: tuple[Match, ...]
    oks: float | None  # mean over the annotated, 0 for who was not matched; None where nobody is annotated

    @property
    def matched(self) -> int:
        """How many of the annotated people have a pose."""
        return len(self.matches)


@dataclass(frozen=True, slots=True)
class Score:
    """How good results are. People with keypoints count, crowds do not."""

    stats: Mapping[str, float]  # STATS in [0, 1]; -1 where there is nobody of that kind
    interval: tuple[float, float] | None  # of AP
    images: Mapping[int, ImageScore]  # by image id, in order
    # The mean share that each part has in the OKS of the people matched at 0.5, exp(-d^2 / (2 area (2 sigma)^2)) for a
    # part d px off, over those of them on whom it is annotated.
    part_oks: NDArray[np.float64]  # (17,) in [0, 1]; NaN where no such part is annotated
    part_counts: NDArray[np.intp]  # (17,) over how many people

    @property
    def annotated(self) -> int:
        """How many people there are to be found."""
        return sum(image.annotated for image in self.images.values())

    @property
    def found(self) -> int:
        """How many poses there are."""
        return sum(image.found for image in self.images.values())

    @property
    def matched(self) -> int:
        """How many of the annotated people have a pose of OKS 0.5 or more."""
        return sum(image.matched for image in self.images.values())


def check_scoring() -> None:
    """Raise MissingDependencyError without pycocotools."""
    try:
        import_module("pycocotools.cocoeval")
    except ImportError as error:
        raise MissingDependencyError(
            'accuracy is measured with pycocotools, which is not installed; run: pip install "posecli[eval]"'
        ) from error


def score(annotations: Annotations, image_ids: Collection[int], results: Sequence[Entry]) -> Score:
    """Score `results` on some of the annotated images; results of others do not count, nor do other categories.

    Raises MissingDependencyError without pycocotools.
    """
    evaluation = _evaluate(annotations, image_ids, results)
    size = len(evaluation.params.imgIds)
    per_image = evaluation.evalImgs[:size]  # of one category, and of people of all sizes; None where there is nobody
    parts: list[NDArray[np.float64]] = []  # (17,) each
    images = {}
    for image_id, found in zip(evaluation.params.imgIds, per_image, strict=True):
        pairs = [] if found is None else _matched_people(evaluation, found)
        own = [_oks_of_parts(person, pose, evaluation.params.kpt_oks_sigmas) for person, pose in pairs]
        parts += own
        matches = tuple(
            Match(person["id"], pose["id"] - 1, float(np.nanmean(each)))  # loadRes counts results from 1
            for (person, pose), each in zip(pairs, own, strict=True)
        )
        annotated = 0 if found is None else int(np.count_nonzero(found["gtIgnore"] == 0))
        images[int(image_id)] = ImageScore(
            annotated=annotated,
            found=len(evaluation.cocoDt.getAnnIds(imgIds=[image_id], catIds=[PERSON_CATEGORY])),
            matches=matches,
            oks=sum(match.oks for match in matches) / annotated if annotated else None,
        )
    shares = np.array(parts).reshape(-1, len(evaluation.params.kpt_oks_sigmas))  # (matched, 17)
    counts = np.count_nonzero(~np.isnan(shares), axis=0)
    sums = np.nansum(shares, axis=0)
    return Score(
        stats=dict(zip(STATS, map(float, evaluation.stats), strict=True)),
        interval=matches_of(per_image).interval(),
        images=images,
        part_oks=np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0),
        part_counts=counts,
    )


def _evaluate(annotations: Annotations, image_ids: Collection[int], results: Sequence[Entry]) -> Any:
    """A COCOeval that has done its work. Its own talk is not shown."""
    check_scoring()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations.document
        truth.createIndex()
        # It adds to the results, refuses an empty list, and takes other keys for other kinds of results.
        known = [{key: each[key] for key in RESULT_KEYS} for each in results]
        found = truth.loadRes(known) if known else COCO()
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.params.catIds = [PERSON_CATEGORY]
        if not results:
            found.dataset = {"annotations": []}
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def matches_of(per_image: Sequence[Any]) -> Matches:
    """The matches in COCOeval's evaluations of images, None where there is nothing on one."""
    full = [(index, each) for index, each in enumerate(per_image) if each is not None]
    people = np.zeros(len(per_image), np.intp)
    for index, each in full:
        people[index] = np.count_nonzero(each["gtIgnore"] == 0)
    if not full:
        none = np.zeros((1, 0), np.bool_)
        return Matches(np.zeros(0, np.intp), none, none, people)
    scores = np.concatenate([each["dtScores"] for _, each in full])
    order = np.argsort(-scores, kind="stable")  # as pycocotools does, so that ties fall alike
    image = np.concatenate([np.full(len(each["dtScores"]), index, np.intp) for index, each in full])
    matched = np.concatenate([each["dtMatches"] for _, each in full], axis=1)[:, order] != 0
    counts = ~np.concatenate([each["dtIgnore"] for _, each in full], axis=1)[:, order].astype(np.bool_)
    return Matches(image[order], matched & counts, ~matched & counts, people)


def _matched_people(evaluation: Any, found: Any) -> list[tuple[Entry, Entry]]:
    """The annotated people of an image with the poses that they are matched with at OKS 0.5."""
    matches = zip(found["gtIds"], found["gtIgnore"], found["gtMatches"][0], strict=True)
    return [
        (evaluation.cocoGt.anns[person], evaluation.cocoDt.anns[int(pose)])
        for person, is_ignored, pose in matches
        if not is_ignored and pose
    ]


def _oks_of_parts(person: Entry, pose: Entry, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each part's share of the OKS of a pose, (17,) in [0, 1]; NaN where not annotated. Their mean is the OKS."""
    truth = np.reshape(np.array(person["keypoints"], np.float64), (-1, 3))
    guess = np.reshape(np.array(pose["keypoints"], np.float64), (-1, 3))
    squared = ((truth[:, :2] - guess[:, :2]) ** 2).sum(axis=1)  # px^2
    shares = np.exp(-squared / (2 * sigmas) ** 2 / (person["area"] + np.spacing(1)) / 2)
    return np.where(truth[:, 2] > 0, shares, np.nan)
